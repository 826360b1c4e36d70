"""Vectors of sessions and items, neighbours of items, and the approximate index over them."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sessionprompt import Pipeline, PromptedSessionRecommender, make_session_pipeline
from sessionprompt.baselines import ItemKNN
from sessionprompt.datasets import make_sessions
from sessionprompt.retrieval import ItemIndex

WORLD = make_sessions(200, n_items=60, n_clusters=3, random_state=0)
ASKED = [["item-03", "item-04"], ["item-11"], ["item-20", "item-20", "item-05"]]


@pytest.fixture(scope="module")
def model() -> Pipeline:
    pipeline = make_session_pipeline("gru4rec", dim=8, max_epochs=1, refit=False, random_state=0)
    return pipeline.set_params(rec__repeats=None).fit(WORLD)


def test_scores_are_products_of_vectors(model: Pipeline) -> None:
    scores = model.session_vectors(ASKED) @ model[-1].item_vectors_.T
    items, values = model.predict_topk(ASKED, k=60, return_scores=True)
    codes = np.searchsorted(model[-1].items_, items)
    np.testing.assert_allclose(np.take_along_axis(scores, codes, axis=1), values, rtol=1e-5)
    with pytest.raises(ValueError, match="read-only"):
        model[-1].item_vectors_[0] = 0


def test_similar_items_are_those_of_the_highest_cosine(model: Pipeline) -> None:
    last = model[-1]
    vectors = last.item_vectors_ / np.linalg.norm(last.item_vectors_, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    found, values = last.similar_items(last.items_, k=59, return_scores=True)
    np.testing.assert_allclose(values, -np.sort(-cosines, axis=1)[:, :59], atol=1e-6)
    assert (found != last.items_[:, None]).all()
    assert (last.similar_items(last.items_[:2], k=4) == found[:2, :4]).all()


def test_an_item_is_no_neighbour_of_itself_among_equals() -> None:
    model = PromptedSessionRecommender(prompts=(), dim=4, max_epochs=1, repeats=None)
    model.fit(WORLD)
    model.network_.items.data[:] = 1.0
    found = model.similar_items(model.items_[[0, 30, 59]], k=2)
    assert (found != model.items_[[0, 30, 59], None]).all()


@pytest.mark.parametrize(
    ("items", "k", "message"),
    [
        (["item-03", "tea"], 2, "items holds 1 ids that the model does not know, such as 'tea'"),
        (["item-03"], 60, "k=60 is larger than the 59 other items"),
    ],
)
def test_neighbours_that_cannot_be_told(
    model: Pipeline, items: list[str], k: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model[-1].similar_items(items, k=k)


def test_sessions_without_a_vector() -> None:
    model = PromptedSessionRecommender("tagnn", prompts=(), dim=4, max_epochs=1).fit(WORLD)
    with pytest.raises(ValueError, match="TAGNN attends to each candidate"):
        model.session_vectors(ASKED)


def test_unknown_and_empty_sessions(model: Pipeline) -> None:
    with pytest.warns(UserWarning, match="1 sessions hold nothing that the model knows"):
        assert np.isfinite(model.session_vectors([["tea"], ["item-03"]])).all()
    with pytest.raises(ValueError, match="session 1 of X is empty"):
        model.session_vectors([["item-03"], []])
    with pytest.raises(NotFittedError):
        PromptedSessionRecommender().session_vectors(ASKED)


def test_the_index_finds_the_best_items(model: Pipeline) -> None:
    pytest.importorskip("faiss")
    index = ItemIndex(model)
    found, scores = index.search(ASKED, k=5)
    expected, values = model.predict_topk(ASKED, k=5, return_scores=True)
    assert (found == expected).all()
    np.testing.assert_allclose(scores, values, rtol=1e-5)
    assert index.recall(WORLD, k=5) > 0.99
    narrow = ItemIndex(model, n_links=2, build_effort=1, search_effort=1)
    assert 0 < narrow.recall(WORLD, k=1) < 1
    every, _ = narrow.search(ASKED, k=60)
    assert all(len(set(row)) == 60 for row in every)  # whatever the graph reaches


def test_an_index_of_something_else() -> None:
    pytest.importorskip("faiss")
    with pytest.raises(TypeError, match="has no item vectors; give a PromptedSession"):
        ItemIndex(ItemKNN().fit(WORLD))
    with pytest.raises(NotFittedError):
        ItemIndex(PromptedSessionRecommender())
    with pytest.raises(ValueError, match="n_links=1 must be an integer of at least 2"):
        ItemIndex(ItemKNN(), n_links=1)


def test_the_index_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == "faiss":
            raise ImportError(name)
        return plain(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'sessionprompt\[ann\]'"):
        ItemIndex(ItemKNN())
