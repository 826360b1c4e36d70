"""Baselines of attributes: by their formulas, in files, and on items that nobody has clicked."""

from __future__ import annotations

import numpy as np
import pytest

from sessionprompt import ItemAttributes, PromptedSessionRecommender, load
from sessionprompt.baselines import AttributeKNN, AttributeRules
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


def test_transitions_times_popularity_inside_the_value() -> None:
    model = AttributeRules("aisle").fit(SESSIONS)
    assert model.items_.tolist() == ["jam", "milk", "pen", "tea"]
    newness = {"tea": 1 / 9, "jam": 2 / 9, "pen": 4 / 9, "milk": 1}
    inside = 4 + newness["tea"] + newness["milk"]
    for clicked in ("tea", "milk"):  # of one aisle, one of them never clicked
        scores = scores_of(model, [clicked])
        assert scores["jam"] == pytest.approx(2 / 3)
        assert scores["pen"] == pytest.approx(1 / 3)
    scores = scores_of(model, ["pen"])
    assert scores["tea"] == pytest.approx((4 + newness["tea"]) / inside)
    assert scores["milk"] == pytest.approx(newness["milk"] / inside)
    ranked = model.ranks(ATTRIBUTES.transform([["pen", "milk"], ["pen", "blank"]]))
    assert ranked.ranks.tolist() == [2, np.inf]
    assert "milk" not in AttributeRules("aisle", cold_items=False).fit(SESSIONS).items_


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
