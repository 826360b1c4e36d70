"""What is served filtered is measured filtered: candidates, seen items, blanks, unknown ones."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline as SklearnPipeline

from sessionprompt import PromptedSessionRecommender, Sessions
from sessionprompt.backbones import BACKBONES
from sessionprompt.baselines import VSKNN, ItemKNN, Popularity
from sessionprompt.metrics import SessionScorer
from sessionprompt.pipeline import make_session_pipeline
from sessionprompt.testing import tiny_world

SMALL = {"dim": 8, "max_epochs": 1, "random_state": 0, "validation_fraction": None}
WORLD = tiny_world(100)
IDS = WORLD.vocabulary.ids.tolist()
USERS = [f"user-{row % 7}" for row in range(len(WORLD))]
TRAIN = Sessions.from_lists(WORLD.to_lists(), users=USERS)
LISTS = [*WORLD.to_lists()[:6], [IDS[0], "new", IDS[1], IDS[0]], ["new", "newer", IDS[2]]]
TEST = Sessions.from_lists(LISTS, users=["user-0"] * 7 + ["nobody"])
SHARED = IDS[2:9]
OWN = [IDS[row : row + 3 + row] for row in range(len(LISTS))]
FILTERS = [
    {"exclude_seen": True},
    {"exclude_seen": TRAIN},
    {"candidates": SHARED},
    {"candidates": OWN},
    {"exclude_seen": True, "candidates": SHARED},
    {"exclude_seen": TRAIN, "candidates": OWN},
]


def model_of(name: str) -> Any:
    for baseline in (VSKNN, ItemKNN, Popularity):
        if baseline.__name__ == name:
            return baseline()
    return make_session_pipeline(name, **SMALL)


def ranks_by_hand(model: Any, **filters: Any) -> list[float]:
    """Place of every target in the full filtered list of its prefix."""
    ends = [(row, t) for row, events in enumerate(LISTS) for t in range(1, len(events))]
    if filters.get("candidates") is OWN:
        filters["candidates"] = [OWN[row] for row, _ in ends]
    users = [TEST.users[row] for row, _ in ends]
    prefixes = Sessions.from_lists([LISTS[row][:t] for row, t in ends], users=users)
    served = model.predict_topk(prefixes, k=30, return_scores=True, **filters)
    ranks = []
    for (row, t), items, scores in zip(ends, *served, strict=True):
        found = scores[items == LISTS[row][t]]
        ranks.append(np.inf)
        if len(found):
            ranks[-1] = float((scores >= found[0] - 1e-5).sum())
    return ranks


@pytest.mark.filterwarnings("ignore:.*nothing that the model knows")
@pytest.mark.parametrize("name", [*BACKBONES, "VSKNN", "ItemKNN", "Popularity"])
def test_filtered_ranks_are_places_in_filtered_lists(name: str) -> None:
    model = model_of(name).fit(TRAIN)
    for filters in FILTERS:
        found = model.ranks(TEST, **filters)
        assert found.ranks.tolist() == ranks_by_hand(model, **filters), filters


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return make_session_pipeline("gru4rec", **SMALL).fit(TRAIN)


def test_filters_are_the_same_by_every_way(pipeline: Any) -> None:
    lists = [["only one"], *LISTS]  # the first is no session of a target
    own = [[IDS[0]], *OWN]
    names = ["mrr@5", "coverage@3"]
    for filters in ({"exclude_seen": True, "candidates": own}, {"candidates": SHARED}):
        expected = pipeline.evaluate(lists, metrics=names, **filters)
        plain = SklearnPipeline(pipeline.steps)
        for model in (pipeline, plain):
            assert SessionScorer(names, **filters)(model, lists) == {
                name: expected[name] for name in names
            }
        assert np.isfinite(pipeline.ranks(lists, **filters).ranks).any()


def test_left_out_targets_are_misses_and_counted(pipeline: Any) -> None:
    a, b = IDS[:2]
    result = pipeline.evaluate([[a, b, a, "never"]], metrics=["recall@20"], exclude_seen=True)
    assert result["n_targets"] == 3
    assert result["n_excluded_targets"] == 1 and result["n_unknown_targets"] == 1
    assert result["recall@20"] <= 1 / 3
    assert "n_excluded_targets" not in pipeline.evaluate([[a, b]], metrics=["recall@20"])


def test_unknown_candidates_are_left_out_and_said(pipeline: Any) -> None:
    with pytest.warns(UserWarning, match="1 ids that the model does not know, such as 'SKU-NEW'"):
        items = pipeline.predict_topk([[IDS[0]]], k=2, candidates=[IDS[3], "SKU-NEW"])
    assert items.tolist() == [[IDS[3], None]]
    with pytest.warns(UserWarning, match="does not know"):
        pipeline.evaluate([[IDS[0], IDS[3]]], candidates=[[IDS[3], "SKU-NEW"]])


def test_every_session_has_a_list_of_its_own(pipeline: Any) -> None:
    given: list[Any] = [{IDS[1], IDS[4]}, (IDS[2],), np.array([IDS[5]], dtype=object), []]
    items = pipeline.predict_topk([[IDS[0]]] * 4, k=2, candidates=given)
    assert set(items[0]) == {IDS[1], IDS[4]}
    assert items[1:].tolist() == [[IDS[2], None], [IDS[5], None], [None, None]]


@pytest.mark.parametrize(
    ("ids", "blank"),
    [
        (np.array([10, 20, 30]), -1),
        (np.array([-1, 20, 30]), np.iinfo(np.int64).min),
        (np.array([0.5, 1.5, 2.5]), np.nan),
        (np.array(["a", "b", "c"], dtype=object), None),
    ],
)
def test_blanks_by_type(ids: np.ndarray, blank: Any) -> None:
    rows = [ids[[0, 1]], ids[[1, 2]]]
    model = Popularity().fit(rows)
    items, scores = model.predict_topk(
        [ids[[0]]], k=3, exclude_seen=True, candidates=ids[[0, 1]], return_scores=True
    )
    assert items[0, 0] == ids[1]
    for value in items[0, 1:]:
        assert value == blank or (value != value and blank != blank)
    assert scores[0, 1:].tolist() == [-np.inf, -np.inf]


def test_few_known_targets_are_said(pipeline: Any) -> None:
    known = [IDS[0], IDS[1]]
    with pytest.warns(UserWarning, match="the model knows only 1 of 3 targets"):
        pipeline.evaluate([known, [IDS[0], "x", "y"]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.evaluate([known, [IDS[0], "x"]])


# ---------------------------------------------------------------------- unknown items
@pytest.mark.parametrize("name", list(BACKBONES))
def test_the_cluster_of_every_unknown_item_counts(name: str) -> None:
    """Different unknown items are different nodes; the same item twice is one."""
    train = TRAIN.with_labels(TRAIN.codes % 2)
    model = PromptedSessionRecommender(name, **SMALL).fit(train)

    def scores(items: list[str], clusters: list[int]) -> np.ndarray:
        X = Sessions.from_lists([items]).with_labels(clusters)
        found, values = model.predict_topk(X, k=model.n_items_, return_scores=True)
        return values[0, np.argsort(found[0])]

    pair = ["new a", IDS[0], IDS[1], "new b"]
    apart = scores(pair, [0, 0, 1, 1])
    together = scores(pair, [0, 0, 1, 0])
    assert np.abs(apart - together).max() > 1e-4
    named = scores(["any", IDS[0], IDS[1], "other"], [0, 0, 1, 1])
    np.testing.assert_allclose(named, apart, rtol=1e-5)
    if model.backbone in ("srgnn", "tagnn", "gcsan", "gcegnn", "lessr"):
        one = scores(["new", IDS[0], IDS[1], "new"], [0, 0, 1, 0])
        assert np.abs(one - together).max() > 1e-4  # a path that comes back is another graph
