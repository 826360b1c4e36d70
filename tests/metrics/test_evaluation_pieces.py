"""Sessions that are evaluated piece by piece have the ranks that they have as one piece."""

from __future__ import annotations

import warnings
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline as SklearnPipeline

from sessionprompt import ItemClusterer, PromptedSessionRecommender, Sessions
from sessionprompt.baselines import VSKNN, SequentialRules
from sessionprompt.metrics import SessionScorer, evaluation_pieces, pieces
from sessionprompt.pipeline import Pipeline, make_session_pipeline
from sessionprompt.stacking import StackedSessionRecommender
from sessionprompt.testing import tiny_world

WORLD = tiny_world(100)
ITEMS = WORLD.vocabulary.ids.tolist()
SMALL = {"dim": 8, "max_epochs": 1, "batch_size": 64, "random_state": 0}
HIDDEN = {"backbone_params": {"hidden": 8}}
METRICS = ["mrr@5", "coverage@3", "novelty@3", "gini@3"]

laws = settings(max_examples=6, deadline=None)


def _stack() -> StackedSessionRecommender:
    clustered = make_session_pipeline(resolution=1.0, **SMALL, **HIDDEN)
    members = [("rules", SequentialRules()), ("net", clustered)]
    return StackedSessionRecommender(members, refit=False, random_state=0)


MADE = {
    "network": lambda: PromptedSessionRecommender(
        prompts=("user",), prefixes="expanded", max_length=3, **SMALL, **HIDDEN
    ),
    "own annotator": lambda: PromptedSessionRecommender(refit=False, **SMALL, **HIDDEN),
    "rules": SequentialRules,
    "neighbours": VSKNN,
    "pipeline": lambda: make_session_pipeline(
        resolution=(1.0, 4.0), max_length=4, **SMALL, **HIDDEN
    ),
    "stack": _stack,
}


CLUSTERS = ItemClusterer(random_state=0).fit(WORLD)


def labelled(name, sessions):
    """Sessions as a model takes them."""
    if name == "own annotator":
        return CLUSTERS.transform(sessions)
    return sessions


@pytest.fixture(scope="module")
def models():
    return {name: make().fit(labelled(name, WORLD)) for name, make in MADE.items()}


@st.composite
def evaluated(draw):
    """Sessions of known and unknown items, with users; some of one event or of none."""
    items = st.sampled_from([*ITEMS, *ITEMS, "new 1", "new 2", "new 3"])
    lists = draw(st.lists(st.lists(items, max_size=8), min_size=3, max_size=15))
    lists.append(draw(st.lists(items, min_size=2, max_size=3)))
    users = draw(st.lists(st.integers(0, 25), min_size=len(lists), max_size=len(lists)))
    return Sessions.from_lists(lists, users=[f"user-{number:02}" for number in users])


def in_pieces(size, function):
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        patch.setattr(pieces, "PIECE", size)
        result = function()
    return result, [str(one.message) for one in caught]


def assert_same(one, other):
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
        if isinstance(getattr(one, field.name), np.ndarray):
            assert getattr(one, field.name).dtype == getattr(other, field.name).dtype


@pytest.mark.parametrize("name", MADE)
@given(sessions=evaluated(), size=st.integers(1, 20), data=st.data())
@laws
def test_ranks_and_lists_do_not_depend_on_pieces(models, name, sessions, size, data):
    model = models[name]
    sessions = labelled(name, sessions)
    own = [[*ITEMS[number % 7 :], "never"] for number in range(len(sessions))]
    filters = {
        "exclude_seen": data.draw(st.sampled_from([False, True, WORLD])),
        "candidates": data.draw(st.sampled_from([None, [*ITEMS[::2], "never"], own])),
    }
    ties = data.draw(st.sampled_from(["pessimistic", "midpoint"]))

    def ranks():
        return model.ranks(sessions, ties=ties, top=3, **filters)

    whole, told = in_pieces(10**6, ranks)
    ranked, told_again = in_pieces(size, ranks)
    assert_same(ranked, whole)
    assert told_again == told

    def measured():
        weights = np.arange(len(sessions)) + 1.0
        return model.evaluate(
            sessions,
            metrics=METRICS,
            slices=["length", "cold", "repeat"],
            sample_weight=weights,
            **filters,
        )

    expected, told = in_pieces(10**6, measured)
    assert in_pieces(size, measured) == (expected, told)


@given(sessions=evaluated(), size=st.integers(1, 20), data=st.data())
@laws
def test_targets_that_are_chosen_and_last_events_that_come_apart(models, sessions, size, data):
    rules = models["rules"]
    starts = data.draw(st.lists(st.integers(1, 4), min_size=len(sessions), max_size=len(sessions)))
    late = Sessions(
        sessions.codes, sessions.offsets, sessions.vocabulary, target_start=np.array(starts)
    )
    chosen = np.zeros(sessions.n_events, dtype=bool)
    chosen[-1] = True
    chosen[data.draw(st.integers(0, sessions.n_events - 1)) :: 3] = True
    for some in (late, sessions.with_targets(chosen)):
        for model in (rules, models["pipeline"]):
            whole = in_pieces(10**6, lambda model=model, some=some: model.ranks(some))[0]
            ranked = in_pieces(size, lambda model=model, some=some: model.ranks(some))[0]
            assert_same(ranked, whole)
    last = data.draw(st.lists(st.sampled_from(ITEMS), min_size=len(starts), max_size=len(starts)))
    whole = in_pieces(10**6, lambda: rules.ranks(sessions, last_events=last))[0]
    assert_same(in_pieces(size, lambda: rules.ranks(sessions, last_events=last))[0], whole)


def test_a_pipeline_of_scikit_learn_is_asked_in_pieces(models):
    plain = SklearnPipeline(models["pipeline"].steps)
    scorer = SessionScorer(["mrr@5", "recall@3"])

    def score():
        return scorer(plain, WORLD[:30])

    assert in_pieces(30, score) == in_pieces(10**6, score)


def test_an_evaluation_of_ones_own_is_asked():
    class Own(SequentialRules):
        def evaluate(self, X, **params):
            return {**super().evaluate(X, **params), "own": len(X)}

    pipeline = Pipeline([("rec", Own().fit(WORLD))])
    result = pipeline.evaluate(WORLD[:30])
    assert result.pop("own") == 30
    assert result == Pipeline([("rec", SequentialRules().fit(WORLD))]).evaluate(WORLD[:30])


def test_sessions_that_inform_each_other_are_one_piece(monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 5)
    together = ItemClusterer(attach="batch", random_state=0)
    model = Pipeline([("clu", together), ("rules", SequentialRules())])
    stack = StackedSessionRecommender([("one", model)])
    stack.estimators_ = [model]
    annotated = together.fit(WORLD).transform(WORLD)
    cases = [(WORLD, model), (annotated, SequentialRules()), (WORLD, stack)]
    assert [len(list(evaluation_pieces(*case))) for case in cases] == [1, 1, 1]
    assert len(list(evaluation_pieces(WORLD, SequentialRules()))) > 50


def test_opened_sessions_are_evaluated_where_they_are(models, tmp_path):
    WORLD.save(tmp_path / "log")
    opened = Sessions.open(tmp_path / "log")
    for name in ("rules", "pipeline", "stack"):
        ranked = in_pieces(50, lambda name=name: models[name].ranks(opened))[0]
        assert_same(ranked, models[name].ranks(WORLD))


def test_without_targets_there_is_nothing_to_rank(models):
    lonely = Sessions.from_lists([["a"], ["b"]] * 4)
    for name, message in (("rules", "X holds no session"), ("pipeline", "none of the 8 sessions")):
        with pytest.raises(ValueError, match=message):
            in_pieces(3, lambda name=name: models[name].ranks(lonely))
