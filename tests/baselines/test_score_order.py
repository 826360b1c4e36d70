"""Order of the baselines' scores: one for equal scores, none for numbers out of range."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt import baselines
from sessionprompt.baselines import SLIST, STAN, SequentialRules, base

EVERY = [getattr(baselines, name) for name in baselines.__all__ if "Attribute" not in name]
GROWING = [model for model in EVERY if hasattr(model, "partial_fit")]
sessions_of_few_items = st.lists(
    st.lists(st.integers(0, 7), min_size=1, max_size=4), min_size=1, max_size=6
)


@pytest.mark.parametrize("model", EVERY)
@settings(max_examples=12, deadline=None)
@given(sessions_of_few_items, sessions_of_few_items)
def test_equal_scores_come_by_code_whatever_the_call(
    model: Any, train: list[list[int]], visitors: list[list[int]]
) -> None:
    fitted = model().fit([*train, list(range(8))])
    n = fitted.n_items_
    items, scores = fitted.predict_topk(visitors, k=n, return_scores=True)
    for row, values in zip(items, scores, strict=True):
        assert row.tolist() == row[np.lexsort((row, -values))].tolist()
    for k in range(1, n):
        assert fitted.predict(visitors, k=k).tolist() == items[:, :k].tolist()
    for visitor, row in zip(visitors, items, strict=True):
        assert fitted.predict([visitor], k=n)[0].tolist() == row.tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "BLOCK", 1)
        assert fitted.predict(visitors, k=n).tolist() == items.tolist()


@pytest.mark.parametrize(
    "model", [SequentialRules(backward=1e300), SequentialRules(repeats=1e39)], ids=repr
)
def test_scores_out_of_range_are_refused(model: Any) -> None:
    fitted = model.fit([["a", "b", "a"], ["b", "c"]])
    for call in (lambda: fitted.predict([["a"]], k=2), lambda: fitted.ranks([["a", "b"]])):
        with pytest.raises(ValueError, match=r"scores of SequentialRules\(.*range of float32"):
            call()


@pytest.mark.parametrize("model", [STAN(lambda3=1e-3), SLIST(predict_decay=1e-3)], ids=repr)
def test_a_weight_that_rounds_to_nothing_leaves_popularity(model: Any) -> None:
    """Of the others in the session of "a", the popular one comes first and not the lowest code."""
    fitted = model.fit([["b", "a", "c"], ["d"], ["d"], ["c"], ["c"], ["c"]])
    items, scores = fitted.predict_topk([["b", "d"], ["a", "d"]], k=4, return_scores=True)
    assert items[:, 1:].tolist() == [["c", "a", "b"]] * 2 or (scores[:, 1:] > 0).any()
    assert not (scores == 0).any()


@pytest.mark.parametrize("reg", [1e-300, 1e-12, 1e-6, 1e300])
def test_a_ridge_of_any_weight_has_an_answer(reg: float) -> None:
    fitted = SLIST(reg=reg).fit([["a", "b"], ["b", "c", "b"], ["c", "d", "a"]])
    assert np.isfinite(fitted.rules_.data).all()
    assert fitted.predict([["a"]], k=3).shape == (1, 3)


@pytest.mark.parametrize("model", EVERY)
@pytest.mark.parametrize(
    "ids",
    [
        [1, 2, 3],
        [0.5, 1.0, 2.0],
        [(1, 2), (2, 3), (3, 4)],
        [UUID(int=1), UUID(int=2), UUID(int=3)],
        [Decimal(1), Decimal(2), Decimal(3)],
        [b"a", b"b", b"c"],
    ],
    ids=lambda ids: type(ids[0]).__name__,
)
def test_ids_of_every_kind(model: Any, ids: list[Any]) -> None:
    one, two, three = ids
    fitted = model().fit([[one, two, three], [], [one, two], [three]])
    assert fitted.n_items_ == 3
    assert set(fitted.predict([[one]], k=3)[0].tolist()) == set(ids)


@pytest.mark.parametrize("model", GROWING)
def test_nothing_new_changes_nothing(model: Any) -> None:
    lists = [["a", "b"], ["b", "c", "b"], ["a"]]
    fitted = model().fit(lists)
    before = fitted.predict_topk(lists, k=3, return_scores=True)
    for nothing in ([], [[], []]):
        assert fitted.partial_fit(nothing) is fitted
    after = fitted.predict_topk(lists, k=3, return_scores=True)
    assert before[0].tolist() == after[0].tolist()
    assert before[1].tolist() == after[1].tolist()
    assert "new" in fitted.partial_fit([["new"]]).items_
    with pytest.raises(ValueError, match="the 0 sessions of X hold no event"):
        model().partial_fit([])
