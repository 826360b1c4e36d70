"""Lists that keep to rules, beside choices made one by one in plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sessionprompt import Pipeline, PrecomputedClusters, PromptedSessionRecommender, Sessions
from sessionprompt.baselines import ItemKNN
from sessionprompt.datasets import make_sessions
from sessionprompt.reranking import RerankedRecommender
from sessionprompt.reranking.greedy import chosen_places

WORLD = make_sessions(150, n_items=40, n_clusters=4, n_users=9, random_state=0)
LABELS = {id_: number % 4 for number, id_ in enumerate(WORLD.vocabulary.ids)}
ASKED = [["item-03", "item-04"], ["item-11"], ["item-20", "item-20", "item-05"]]


@pytest.fixture(scope="module")
def model() -> Pipeline:
    network = PromptedSessionRecommender(dim=8, max_epochs=1, refit=False, random_state=0)
    return Pipeline([("clu", PrecomputedClusters(LABELS)), ("rec", network)]).fit(WORLD)


def test_without_rules_lists_are_the_models(model: Pipeline) -> None:
    items, scores = RerankedRecommender(model).predict_topk(ASKED, k=6, return_scores=True)
    expected, values = model.predict_topk(ASKED, k=6, return_scores=True)
    assert (items == expected).all() and np.allclose(scores, values)
    assert (RerankedRecommender(model).predict(ASKED, k=6) == expected).all()


def test_blocked_items_are_left_out(model: Pipeline) -> None:
    first = model.predict_topk(ASKED, k=3)
    blocked = [*first[:, 0], "tea"]
    items = RerankedRecommender(model, exclude_items=blocked).predict_topk(
        ASKED, k=model[-1].n_items_
    )
    there = [set(row) - {None} for row in items]
    assert all(row == set(model[-1].items_) - set(blocked) for row in there)
    among = RerankedRecommender(model, exclude_items=blocked)
    one, other = [id_ for id_ in model[-1].items_ if id_ not in blocked][:2]
    assert (
        among.predict_topk(ASKED, k=2, candidates=[blocked[0], one]).tolist() == [[one, None]] * 3
    )
    own = among.predict_topk(ASKED, k=1, candidates=[[one], [blocked[0]], [blocked[0], other]])
    assert own.tolist() == [[one], [None], [other]]
    with pytest.raises(ValueError, match="exclude_items leaves none of the candidates"):
        among.predict_topk(ASKED, k=1, candidates=blocked[:1])


@pytest.mark.parametrize("groups", ["cluster", LABELS])
def test_no_group_has_more_than_its_share(model: Pipeline, groups: Any) -> None:
    rules = RerankedRecommender(model, max_per_group=2, groups=groups, pool=1)
    items, scores = rules.predict_topk(ASKED, k=10, return_scores=True)
    full = model.predict_topk(ASKED, k=model[-1].n_items_)
    for row in range(len(ASKED)):
        held = dict.fromkeys(range(4), 0)
        expected = []
        for item in full[row]:
            held[LABELS[item]] += 1
            if held[LABELS[item]] <= 2:
                expected.append(item)
        assert items[row].tolist() == [*expected, None, None]  # four groups of two
        assert np.isfinite(scores[row, :8]).all() and (scores[row, 8:] == -np.inf).all()


def test_items_without_a_group_are_not_counted(model: Pipeline) -> None:
    some = {"item-03": "tea", "item-04": "tea", "elsewhere": "tea"}
    rules = RerankedRecommender(model, max_per_group=1, groups=some)
    items = rules.predict_topk(ASKED, k=model[-1].n_items_ - 1)
    assert all(len({"item-03", "item-04"} & set(row)) == 1 and None not in row for row in items)


@pytest.mark.parametrize("diversify", [0.3, 1.0])
def test_diverse_lists_are_those_of_the_formula(model: Pipeline, diversify: float) -> None:
    rules = RerankedRecommender(model, diversify=diversify, pool=25)
    items = rules.predict_topk(ASKED, k=5)
    last = model[-1]
    directions = last.item_vectors_ / np.linalg.norm(last.item_vectors_, axis=1, keepdims=True)
    pool, values = model.predict_topk(ASKED, k=25, return_scores=True)
    for row in range(len(ASKED)):
        codes = np.searchsorted(last.items_, pool[row])
        cosines = directions[codes] @ directions[codes].T
        relevance = (values[row] - values[row].min()) / np.ptp(values[row])
        chosen: list[int] = []
        for _ in range(5):
            best, place = -np.inf, -1
            for other in sorted(set(range(25)) - set(chosen)):
                close = max((cosines[other, one] for one in chosen), default=0)
                value = (1 - diversify) * relevance[other] - diversify * close
                if value > best + 1e-9:
                    best, place = value, other
            chosen.append(place)
        assert items[row].tolist() == pool[row, chosen].tolist()


def test_lists_are_more_diverse(model: Pipeline) -> None:
    last = model[-1]
    directions = last.item_vectors_ / np.linalg.norm(last.item_vectors_, axis=1, keepdims=True)

    def closeness(share: float) -> float:
        items = RerankedRecommender(model, diversify=share).predict_topk(ASKED, k=6)
        vectors = directions[np.searchsorted(last.items_, items)]
        return float(np.einsum("npd,nqd->", vectors, vectors))

    assert closeness(0.8) < closeness(0.4) < closeness(0)


def test_options_of_the_model_go_through(model: Pipeline) -> None:
    rules = RerankedRecommender(model, diversify=0.5, max_per_group=3)
    items = rules.predict_topk(ASKED, k=5, exclude_seen=True)
    assert not any(set(row) & set(session) for row, session in zip(items, ASKED, strict=True))
    table = rules.recommend(Sessions.from_lists(ASKED, ids=["a", "b", "c"]), k=2)
    assert table["session"].tolist() == ["a", "a", "b", "b", "c", "c"]


def test_one_list_by_hand() -> None:
    scores = np.array([[5.0, 4.0, 3.0, -np.inf], [1.0, -np.inf, -np.inf, -np.inf]])
    groups = np.array([[0, 0, -1, 0], [2, -1, -1, -1]])
    assert chosen_places(scores, 3, groups=groups, most=1).tolist() == [[0, 2, -1], [0, -1, -1]]
    assert chosen_places(scores, 2).tolist() == [[0, 1], [0, -1]]


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ({"diversify": 1.5}, ValueError, "diversify=1.5 must be from 0 to 1"),
        ({"diversify": "high"}, TypeError, "diversify='high' must be a number from 0 to 1"),
        ({"diversify": 0.5}, ValueError, "diversify reads item vectors, and ItemKNN has none"),
        ({"max_per_group": 0}, ValueError, "max_per_group=0 must be an integer of at least 1"),
        ({"max_per_group": 1}, ValueError, "groups='cluster' needs a model that was fitted with"),
        ({"max_per_group": 1, "groups": "shelf"}, ValueError, "groups='shelf' must be 'cluster'"),
        ({"max_per_group": 1, "groups": {"x": 1}}, ValueError, "groups names 1 items, none of"),
        ({"exclude_items": "tea"}, TypeError, "exclude_items='tea' must be a list of ids"),
        ({"exclude_items": ["a", "b"]}, ValueError, "exclude_items holds all items"),
        ({"pool": 0}, ValueError, "pool=0 must be"),
    ],
)
def test_rules_that_are_none(params: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        RerankedRecommender(ItemKNN().fit([["a", "b"], ["a", "b"]]), **params)
