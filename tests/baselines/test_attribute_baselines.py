"""Baselines of attributes: by their formulas, in files, and on items that nobody has clicked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sessionprompt import ItemAttributes, PromptedSessionRecommender, load
from sessionprompt.baselines import AttributeKNN, AttributeRules
from sessionprompt.baselines.attributes import MASS
from sessionprompt.testing import check_session_estimator

TABLE = {
    "item": ["tea", "milk", "jam", "pen", "blank"],
    "aisle": ["drink", "drink", "food", "desk", None],
    "text": [[1.0, 0.0], [0.9, 0.2], [0.5, 0.5], [0.0, 1.0], None],
}
LISTS = [["tea", "jam"], ["tea", "pen"], ["pen", "tea"], ["tea", "jam"]]
ATTRIBUTES = ItemAttributes(TABLE, min_support=1)
SESSIONS = ATTRIBUTES.fit_transform(LISTS)


def scores_of(model, session):
    items, scores = model.predict_topk([session], k=model.n_items_, return_scores=True)
    return dict(zip(items[0].tolist(), scores[0].tolist(), strict=True))


def by_loops(clicked: str) -> dict[str, float]:
    """Scores of AttributeRules on the aisles above."""
    aisle = dict(zip(TABLE["item"], TABLE["aisle"], strict=True))
    steps = [(aisle[one], aisle[other]) for one, other in LISTS]
    of_first = Counter(one for one, _ in steps)
    of_second = Counter(other for _, other in steps)
    events = [item for items in LISTS for item in items]
    scores = {}
    for item in ("tea", "milk", "jam", "pen"):
        newness = 1.0
        if item in events:
            newness = (events.index(item) + 1) / (len(events) + 1)
        step = (aisle[clicked], aisle[item])
        lift = MASS
        if step in steps:
            lift += steps.count(step) * len(steps) / of_second[step[1]]
        scores[item] = (events.count(item) + newness) * lift / (of_first[step[0]] + MASS)
    return scores


def test_lifts_of_transitions_times_popularity() -> None:
    model = AttributeRules("aisle").fit(SESSIONS)
    assert model.items_.tolist() == ["jam", "milk", "pen", "tea"]
    for clicked in ("tea", "milk", "pen", "jam"):  # milk was never clicked
        assert scores_of(model, [clicked]) == pytest.approx(by_loops(clicked), rel=1e-6)
    ranked = model.ranks(ATTRIBUTES.transform([["pen", "milk"], ["pen", "blank"]]))
    assert np.isfinite(ranked.ranks).tolist() == [True, False]
    assert "milk" not in AttributeRules("aisle", cold_items=False).fit(SESSIONS).items_


def test_items_that_never_came_up_share_as_many_events_as_items_came_up_once() -> None:
    table = {"item": list("abcdef"), "brand": ["x"] * 6}
    with pytest.warns(UserWarning, match="one value for all"):
        attributes = ItemAttributes(table, min_support=1)
        sessions = attributes.fit_transform([["a", "b", "a"], ["c", "a"], ["d", "a"]])
    scores = scores_of(AttributeRules("brand").fit(sessions), ["a"])
    assert scores["e"] == scores["f"] == pytest.approx(3 / 2 + 1)  # once came b, c and d
    assert scores["a"] == pytest.approx(4 + 1 / 8)


def test_kinds_confirm_each_other_and_those_without_a_value_say_nothing() -> None:
    table = {
        "item": ["a", "b", "new", "other", "bare"],
        "brand": ["x", "x", "x", "y", "y"],
        "colour": ["red", "red", "red", "blue", None],
    }
    attributes = ItemAttributes(table, min_support=1)
    lists = [["a", "b"]] * 5 + [["other", "bare"]] * 5 + [["bare", "other"]]
    sessions = attributes.fit_transform(lists)
    both = AttributeRules(("brand", "colour")).fit(sessions)
    one = AttributeRules("brand").fit(sessions)
    colour = AttributeRules("colour").fit(sessions)
    alone = scores_of(colour, ["bare"])  # of no colour: popularity and newness
    newness = {"a": 1, "b": 2, "other": 11, "bare": 12, "new": 23}
    counts = {"a": 5, "b": 5, "other": 6, "bare": 6, "new": 0}
    assert alone == pytest.approx({item: counts[item] + newness[item] / 23 for item in counts})
    product = {
        item: scores_of(one, ["a"])[item] * scores_of(colour, ["a"])[item] / alone[item]
        for item in alone
    }
    assert scores_of(both, ["a"]) == pytest.approx(product, rel=1e-5)


def test_cosines_of_the_session_and_all_items() -> None:
    model = AttributeKNN("text").fit(SESSIONS)
    rows = np.array(TABLE["text"][:4])
    rows -= rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query = rows[0] + rows[2] / 2
    cosines = rows @ query / np.linalg.norm(query)
    scores = scores_of(model, ["jam", "tea"])
    for item, cosine in zip(TABLE["item"], cosines, strict=False):
        if cosine > -1:
            assert scores[item] == pytest.approx((1 + cosine) / 2, abs=1e-6)
    words = ItemAttributes(
        {"item": ["a", "b", "c"], "t": ["red cup", "red", "pen"]}, columns={"t": "text"}
    )
    model = AttributeKNN("t").fit(words.fit_transform([["a", "c"]]))
    assert scores_of(model, ["a"])["b"] == pytest.approx(2**-0.5)


@pytest.mark.parametrize("model", [AttributeRules(("aisle",)), AttributeKNN("text")])
def test_files(model, tmp_path) -> None:
    model.fit(SESSIONS)
    model.save(tmp_path / "model.zip")
    read = load(tmp_path / "model.zip")
    for session in LISTS:
        assert scores_of(read, session) == scores_of(model, session)


@pytest.mark.parametrize(
    "model",
    [
        AttributeRules(("brand", "shop")),
        AttributeKNN("brand"),
        pytest.param(
            PromptedSessionRecommender(
                prompts=("cluster", "brand"),
                cold_items="attributes",
                dim=4,
                max_epochs=1,
                random_state=0,
            ),
            marks=pytest.mark.slow,  # tests/test_cold_items.py has its promises on one model
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_contract(model) -> None:
    check_session_estimator(model)


def test_faults() -> None:
    with pytest.raises(ValueError, match="kinds='cluster' names no attribute"):
        AttributeRules("cluster").fit(SESSIONS)
    with pytest.raises(ValueError, match="'text', a column of vectors"):
        AttributeRules("text").fit(SESSIONS)
    with pytest.raises(ValueError, match="must name one column"):
        AttributeKNN(("aisle", "text")).fit(SESSIONS)
    with pytest.raises(ValueError, match="know no attribute of that name"):
        AttributeRules("aisle").fit(LISTS)
    with pytest.raises(TypeError, match="cold_items='all' must be True or False"):
        AttributeRules("aisle", cold_items="all").fit(SESSIONS)
