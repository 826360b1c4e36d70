"""Explanations: shares and parts add up to the score, and evidence comes from the log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sessionprompt import (
    Pipeline,
    PrecomputedClusters,
    PromptedSessionRecommender,
    Sessions,
    StackedSessionRecommender,
)
from sessionprompt.baselines import ItemKNN, SequentialRules
from sessionprompt.datasets import make_sessions
from sessionprompt.explaining import explain
from sessionprompt.explaining.attribution import attributed

WORLD = make_sessions(150, n_items=30, n_clusters=3, n_users=9, random_state=0)
LABELS = {id_: number % 3 for number, id_ in enumerate(WORLD.vocabulary.ids)}
SESSION = ["item-03", "item-04", "item-03", "tea"]
LONG = [f"item-{number:02}" for number in (3, 4, 3, 5, 6, 7, 3, 8, 9, 1)]


def network(**params: Any) -> PromptedSessionRecommender:
    return PromptedSessionRecommender(dim=8, max_epochs=1, refit=False, random_state=0, **params)


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """Fitted models of all kinds."""
    clusters = PrecomputedClusters(LABELS)
    prompted = Pipeline([("clu", clusters), ("rec", network(prompts=("cluster", "user")))])
    members = [("rules", SequentialRules()), ("net", network(backbone="stamp", prompts=()))]
    stack = StackedSessionRecommender(members, refit=False, random_state=0)
    return {
        "prompted": prompted.fit(WORLD),
        "tagnn": network(backbone="tagnn", prompts=(), repeats=None).fit(WORLD),
        "stack": stack.set_params(net__refit=True).fit(WORLD),
        "knn": ItemKNN().fit(WORLD),
    }


def asked(name: str, session: list[str]) -> Any:
    """A session as a model of this name takes it."""
    if name == "prompted":
        return Sessions.from_lists([session], users=WORLD.users[:1])
    return Sessions.from_lists([session])


@pytest.mark.parametrize("session", [SESSION, LONG])
@pytest.mark.parametrize("name", ["prompted", "tagnn", "stack", "knn"])
def test_sums_are_the_score(name: str, session: list[str], models: dict[str, Any]) -> None:
    model = models[name]
    given = asked(name, session)
    for item in ("item-03", "item-05"):
        found = explain(model, given, item)
        _, [[score]] = model.predict_topk(given, k=1, candidates=[item], return_scores=True)
        assert found.score == pytest.approx(score, abs=1e-5)
        assert found.shares.sum() + found.rest == pytest.approx(score, abs=1e-5)
        assert sum(found.parts.values()) == pytest.approx(score, abs=1e-4)
        assert (found.method == "all subsets") == (len(session) <= 8) == (found.rest == 0)


def test_parts_are_those_of_the_model(models: dict[str, Any]) -> None:
    found = explain(models["prompted"], asked("prompted", SESSION), "item-05")
    assert list(found.parts) == ["item vectors", "prompts: cluster", "prompts: user", "repeats"]
    assert found.parts["repeats"] == pytest.approx(0, abs=1e-5)  # the session has not seen it
    assert found.parts["prompts: user"] != 0
    again = explain(models["prompted"], asked("prompted", SESSION), "item-03")
    assert abs(again.parts["repeats"]) > 1e-4
    assert list(explain(models["tagnn"], SESSION, "item-05").parts) == ["item vectors"]
    assert list(explain(models["stack"], SESSION, "item-05").parts) == ["rules", "net", "repeats"]
    assert list(explain(models["knn"], SESSION, "item-05").parts) == ["ItemKNN"]


def test_events_without_a_say_have_no_share(models: dict[str, Any]) -> None:
    found = explain(models["knn"], SESSION, "item-05")
    assert found.shares[3] == 0  # nothing is known of tea
    assert found.shares[0] == pytest.approx(found.shares[2])  # the same item


def test_shapley_values_of_a_game_that_is_known() -> None:
    rng = np.random.default_rng(0)
    single = rng.normal(size=5)
    pairs = np.triu(rng.normal(size=(5, 5)), 1)

    def value(subsets: np.ndarray) -> np.ndarray:
        present = subsets.astype(float)
        return present @ single + np.einsum("si,ij,sj->s", present, pairs, present)

    shares, rest = attributed(value, 5)
    np.testing.assert_allclose(shares, single + (pairs + pairs.T).sum(axis=1) / 2)
    assert rest == 0


@pytest.mark.parametrize("name", ["prompted", "knn"])
def test_evidence_is_near(name: str, models: dict[str, Any]) -> None:
    log = Sessions.from_lists(
        [["item-09", "item-11"], ["item-03", "item-04", "item-07"], ["item-03"]],
        users=WORLD.users[:1].repeat(3),
        ids=["far", "near", "short"],
    )
    found = explain(models[name], asked(name, SESSION[:2]), "item-05", log=log, n_sessions=2)
    table = found.to_frame("evidence")
    assert table["session"].tolist() == ["near", "far"]
    assert table["events"].tolist() == [["item-03", "item-04"], ["item-09"]]
    assert table["chosen"].tolist() == ["item-07", "item-11"]
    assert table["similarity"][0] == pytest.approx(1, abs=1e-5)
    asked_for = log.with_targets(np.isin(log.vocabulary.ids[log.codes], ["item-04", "item-11"]))
    found = explain(models[name], asked(name, SESSION[:2]), "item-05", log=asked_for, n_sessions=2)
    table = found.to_frame("evidence")
    assert dict(zip(table["session"], table["chosen"], strict=True)) == {
        "near": "item-04",
        "far": "item-11",
    }


def test_frames(models: dict[str, Any]) -> None:
    short = explain(models["knn"], SESSION, "item-05")
    table = short.to_frame()
    assert table["item"].tolist() == SESSION and table["place"].tolist() == [0, 1, 2, 3]
    assert table["share"].sum() == pytest.approx(short.score)
    table = explain(models["knn"], LONG, "item-05").to_frame(as_frame="polars")
    assert table["method"].to_list() == ["leave one out"] * 10 + ["together"]
    parts = short.to_frame("parts")
    assert parts.to_dict("list") == {"part": ["ItemKNN"], "share": [short.score]}
    with pytest.raises(ValueError, match="no evidence was asked for; give explain .* log="):
        short.to_frame("evidence")


@pytest.mark.parametrize(
    ("session", "item", "words"),
    [
        (["item-03"], "tea", "item='tea' is not known to the model"),
        (["tea", "cup"], "item-03", "holds no item that the model knows"),
        ([], "item-03", "session holds 1 sessions and 0 events; give one session of one event"),
        (WORLD, "item-03", "session holds 150 sessions"),
    ],
)
def test_what_cannot_be_explained(
    session: Any, item: str, words: str, models: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=words):
        explain(models["knn"], session, item)
