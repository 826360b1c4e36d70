"""Baselines on sessions longer than `max_length`: which events count, and what memory they take."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sessionprompt import Sessions
from sessionprompt.baselines import (
    SLIST,
    STAN,
    VSKNN,
    AssociationRules,
    ItemKNN,
    Popularity,
    SequentialRules,
    SessionPopularity,
    base,
    session_knn,
)
from sessionprompt.testing import tiny_world

WORLD = tiny_world(150, repeat_rate=0.3, mean_length=8)
LISTS = WORLD.to_lists()
CUT = [events[-4:] for events in LISTS]
LEARN_FROM_THE_NEWEST = [
    AssociationRules(last_n=None),
    ItemKNN(last_n=None),
    VSKNN(sample_size=20),
    STAN(),
    SLIST(past="all"),
]
WITH_A_BOUND = [*LEARN_FROM_THE_NEWEST, SessionPopularity(), SequentialRules(last_n=None)]
by_name = {"ids": lambda model: type(model).__name__}


def relevant(model: Any, prefix: list[Any]) -> dict[Any, float]:
    """Scores of the items that a model says anything of."""
    items, scores = model.predict_topk([prefix], k=model.n_items_, return_scores=True)
    pairs = zip(items[0].tolist(), scores[0].tolist(), strict=True)
    return {item: score for item, score in pairs if score > 0}


@pytest.mark.parametrize("model", LEARN_FROM_THE_NEWEST, **by_name)
def test_the_newest_events_of_training_sessions_count(model: Any) -> None:
    bounded = type(model)(**{**model.get_params(), "max_length": 4}).fit(LISTS)
    of_cut = model.fit(CUT)
    for prefix in CUT[:10]:
        assert relevant(bounded, prefix) == pytest.approx(relevant(of_cut, prefix), rel=1e-5)
    assert bounded.n_items_ == len({item for events in LISTS for item in events})


@pytest.mark.parametrize("model", WITH_A_BOUND, **by_name)
def test_the_newest_known_events_of_the_running_session_count(model: Any) -> None:
    fitted = model.set_params(max_length=4).fit(LISTS)
    long = [*LISTS[0][:3], "unknown", *LISTS[1][:3], "unknown", "unknown"]
    newest = [item for item in long if item != "unknown"][-4:]
    assert relevant(fitted, long) == relevant(fitted, newest)
    ranked = fitted.ranks([[*long, LISTS[2][0]]], top=5)
    alone = fitted.ranks([[*newest, LISTS[2][0]]], top=5)
    assert ranked.ranks[-1] == alone.ranks[-1]
    assert ranked.top[-1].tolist() == alone.top[-1].tolist()


@pytest.mark.parametrize("model", WITH_A_BOUND, **by_name)
def test_a_bound_above_all_sessions_changes_nothing(model: Any) -> None:
    longest = int(WORLD.lengths.max())
    found = []
    for bound in (longest, 1000, 2**63 - 1):
        fitted = model.set_params(max_length=bound).fit(WORLD)
        found.append([relevant(fitted, prefix) for prefix in LISTS[:10]])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("model", [Popularity(), SequentialRules(), *WITH_A_BOUND], **by_name)
def test_memory_grows_with_the_events_and_not_with_their_square(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "BLOCK", 2**13)
    if not isinstance(model, Popularity):
        model.set_params(max_length=30)
    others = [[item, item + 1] for item in range(0, 600, 2)]

    def fit(n: int) -> None:
        model.fit(Sessions.from_lists([*others, list(range(n))]))

    def rank(n: int) -> None:
        model.ranks(Sessions.from_lists([list(range(n))]))

    for action in (fit, rank):
        action(2)  # what is imported or kept once does not count
        assert peak(lambda do=action: do(1000)) < 3 * peak(lambda do=action: do(500)), action


def peak(action: Callable[[], None]) -> int:
    """Most bytes held at a time."""
    tracemalloc.start()
    action()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_many_long_neighbours_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = VSKNN().fit(WORLD)
    whole = fitted.ranks(WORLD, top=5)
    monkeypatch.setattr(session_knn, "CLICKS", 100)
    parts = fitted.ranks(WORLD, top=5)
    np.testing.assert_array_equal(parts.ranks, whole.ranks)
    np.testing.assert_array_equal(parts.top, whole.top)


@pytest.mark.parametrize("model", WITH_A_BOUND, **by_name)
def test_bounds_are_checked_whenever_they_are_read(model: Any) -> None:
    fitted = model.set_params(max_length=30).fit(WORLD)
    for bound, error in ((0, ValueError), (2**70, ValueError), (2.5, TypeError)):
        fitted.set_params(max_length=bound)
        for call in (fitted.fit, fitted.predict, fitted.ranks):
            with pytest.raises(error, match="max_length="):
                call(WORLD)
