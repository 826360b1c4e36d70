"""Recommendations as tables: of recommenders and pipelines, in every library."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pytest

from sessionprompt import ItemClusterer, Pipeline, Sessions
from sessionprompt.baselines import SequentialRules

LOG = [["tea", "cup"], ["tea", "pot"], ["tea", "pot"], ["pot", "jam"]]
MODEL = SequentialRules().fit(LOG)
PIPELINE = Pipeline([("clu", ItemClusterer(random_state=0)), ("rec", SequentialRules())]).fit(LOG)
ASKED = Sessions.from_lists(
    [["tea"], ["tea", "pot"], ["pot"], ["cup"]],
    users=["ann", "bob", "ann", "cid"],
    times=[30, 10, 20, 40],
    ids=["s1", "s2", "s3", "s4"],
)
TITLES = {"pot": "Tea pot", "jam": "Jam"}


def columns_of(frame: Any) -> dict[str, list[Any]]:
    return {name: list(values) for name, values in nw.from_native(frame).to_dict().items()}


@pytest.mark.parametrize("model", [MODEL, PIPELINE], ids=["recommender", "pipeline"])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_the_table_is_what_predict_topk_lists(model: Any, library: Any) -> None:
    items, scores = model.predict_topk(ASKED, k=3, return_scores=True)
    frame = model.recommend(ASKED, 3, titles=TITLES, as_frame=library)
    assert nw.from_native(frame).implementation.value == library
    columns = columns_of(frame)
    assert list(columns) == ["session", "user", "rank", "item", "title", "score"]
    assert columns["session"] == np.repeat(ASKED.ids, 3).tolist()
    assert columns["user"] == np.repeat(ASKED.users, 3).tolist()
    assert columns["rank"] == [1, 2, 3] * 4
    assert columns["item"] == items.ravel().tolist()
    missing = nw.from_native(frame, eager_only=True)["title"].is_null().to_list()
    for title, item, is_missing in zip(columns["title"], columns["item"], missing, strict=True):
        assert is_missing == (item not in TITLES)
        assert is_missing or title == TITLES[item]
    np.testing.assert_array_equal(columns["score"], scores.ravel())


def test_without_users_and_titles_there_are_no_such_columns() -> None:
    frame = MODEL.recommend([["tea"]], k=1)
    assert list(frame.columns) == ["session", "rank", "item", "score"]
    assert frame["item"].tolist() == ["pot"]


def test_short_lists_have_fewer_rows() -> None:
    frame = PIPELINE.recommend(ASKED, k=3, candidates=["pot", "jam"], exclude_seen=True)
    assert frame.groupby("session").size().to_dict() == {"s1": 2, "s2": 1, "s3": 1, "s4": 2}


@pytest.mark.parametrize("model", [MODEL, PIPELINE], ids=["recommender", "pipeline"])
def test_the_newest_session_of_each_user(model: Any) -> None:
    frame = model.recommend(ASKED, k=2, per="user")
    assert frame["session"].unique().tolist() == ["s1", "s2", "s4"]
    own = [["pot"], ["jam"], ["cup"], ["tea"]]
    one = model.recommend(ASKED, k=1, per="user", candidates=own)
    assert dict(zip(one["user"], one["item"], strict=True)) == {
        "ann": "pot",
        "bob": "jam",
        "cid": "tea",
    }


def test_without_times_the_last_session_of_a_user_is_the_newest() -> None:
    asked = Sessions.from_lists([["tea"], ["pot"]], users=["ann", "ann"])
    assert MODEL.recommend(asked, k=1, per="user")["session"].tolist() == [1]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="per='user' needs users, and X has none"):
        MODEL.recommend([["tea"]], per="user", k=1)
    with pytest.raises(ValueError, match="per='week' is not known"):
        MODEL.recommend([["tea"]], per="week", k=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Unsupported as_frame='dask'"):
        MODEL.recommend([["tea"]], as_frame="dask", k=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="titles names none of the 4 items"):
        MODEL.recommend([["tea"]], titles={1: "One"}, k=1)
    with pytest.raises(ValueError, match="k=9 is larger than the 4 known items"):
        MODEL.recommend([["tea"]], k=9)
