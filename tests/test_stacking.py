"""Stacks: exact answers against a slow twin, what members see, and scikit-learn around them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from habits_by_hand import bonus_of_habits
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from sessionprompt import (
    ItemClusterer,
    PromptedSessionRecommender,
    Sessions,
    StackedSessionRecommender,
    load,
)
from sessionprompt.backbones import BACKBONES
from sessionprompt.baselines import ItemKNN, Popularity, SequentialRules, SessionPopularity
from sessionprompt.metrics import SessionScorer, last_step
from sessionprompt.model_selection import TemporalSessionSplit, temporal_train_test_split
from sessionprompt.persistence import check_storable
from sessionprompt.pipeline import Pipeline, make_session_pipeline
from sessionprompt.testing import check_session_estimator

SMALL = {"dim": 4, "max_epochs": 1, "validation_fraction": None}
FAST = [("rules", SequentialRules()), ("knn", ItemKNN())]


def world(n: int = 200) -> Sessions:
    """Sessions of neighbours in a ring that often go back to what they have seen."""
    rng = np.random.default_rng(0)
    lists = []
    for _ in range(n):
        items = [int(rng.integers(20))]
        for _ in range(int(rng.integers(1, 7))):
            step = (items[-1] + int(rng.integers(1, 4))) % 20
            if rng.random() < 0.4:
                step = items[int(rng.integers(len(items)))]
            items.append(step)
        lists.append([f"i{item:02}" for item in items])
    return Sessions.from_lists(lists, users=[f"u{row % 9}" for row in range(n)], times=range(n))


WORLD = world()
TRAIN, TEST = temporal_train_test_split(WORLD, test_size=20)


def network(**params: Any) -> PromptedSessionRecommender:
    return PromptedSessionRecommender("stamp", prompts=(), **{**SMALL, **params})


def clustered(**params: Any) -> Pipeline:
    return Pipeline(
        [
            ("clu", ItemClusterer(random_state=0)),
            ("rec", PromptedSessionRecommender(**{**SMALL, **params})),
        ]
    )


@pytest.fixture(scope="module")
def mixed() -> StackedSessionRecommender:
    """A stack of counters, a network and a pipeline."""
    members = [*FAST, ("net", network(repeats=None)), ("pipe", clustered(repeats=None))]
    return StackedSessionRecommender(members, random_state=0).fit(TRAIN)


@pytest.fixture(scope="module")
def counters() -> StackedSessionRecommender:
    return StackedSessionRecommender(FAST, random_state=0).fit(TRAIN)


# ---------------------------------------------------------------------- exact answers
def log_scores(member: Any, prefix: list[str], items: list[str]) -> np.ndarray:
    """Scores of a member as a stack weighs them, from its full list."""
    found, scores = member.predict_topk([prefix], k=len(items), return_scores=True)
    order = np.argsort(found[0])
    values = scores[0][order].astype(float)
    if not hasattr(member, "background_"):
        return values
    said = values > 0
    values[said] = np.log(values[said] / values.max() + 0.001)
    values[~said] = np.log(0.001) + values[~said] / -member.background_.min()
    return values


def by_hand(stack: StackedSessionRecommender, prefix: list[str]) -> dict[str, float]:
    """Score of every item, member by member and bonus by bonus."""
    items = stack.items_.tolist()
    weights = stack.blend_.to_dict()
    position = np.log([1, 2, 32])
    total = np.zeros(len(items))
    for name, member in stack.named_estimators_.items():
        trust = [weights[f"trust in {name} at length {knot}"] for knot in (1, 2, 32)]
        scores = log_scores(member, prefix, items)
        total += np.interp(np.log(len(prefix)), position, trust) * scores
        for item in set(prefix):
            code = items.index(item)
            total[code] += weights[f"own score of {name}"] * (scores[code] - scores.max())
    for item in set(prefix):
        total[items.index(item)] += bonus(weights, prefix, item)
    return dict(zip(items, total.tolist(), strict=True))


def bonus(weights: dict[str, float], prefix: list[str], item: str) -> float:
    count = prefix.count(item)
    facts = {"steps back": prefix[::-1].index(item), "times seen": count, "length": len(prefix)}
    total = weights["share of events"] * count / len(prefix)
    total += bonus_of_habits(weights, prefix, item)
    total += weights["log of times seen"] * np.log(count)
    for name, weight in weights.items():
        kind, _, bounds = name.rpartition(" ")
        low, _, high = bounds.strip("+").partition("-")
        if kind in facts:
            last = 10**6
            if not bounds.endswith("+"):
                last = int(high or low)
            total += weight * (int(low) <= facts[kind] <= last)
    return total


def test_scores_are_those_of_a_slow_twin(mixed: StackedSessionRecommender) -> None:
    for events in TEST.to_lists()[:6]:
        expected = by_hand(mixed, events)
        items, scores = mixed.predict_topk([events], k=mixed.n_items_, return_scores=True)
        found = dict(zip(items[0].tolist(), scores[0].tolist(), strict=True))
        assert found == pytest.approx(expected, abs=1e-4)


FILTERS = [
    {},
    {"exclude_seen": True},
    {"exclude_seen": TRAIN},
    {"candidates": TRAIN.vocabulary.ids.tolist()[3:12]},
    {"exclude_seen": True, "candidates": TRAIN.vocabulary.ids.tolist()[3:12]},
]


@pytest.mark.parametrize("filters", FILTERS)
def test_ranks_are_places_in_lists(
    mixed: StackedSessionRecommender, filters: dict[str, Any]
) -> None:
    few = TEST[:6]
    ranked = mixed.ranks(few, top=5, **filters)
    lists = few.to_lists()
    for row, position, rank, top in zip(
        ranked.sessions, ranked.positions, ranked.ranks, ranked.top, strict=True
    ):
        prefix = Sessions.from_lists([lists[row][:position]], users=[few.users[row]])
        items, scores = mixed.predict_topk(prefix, k=20, return_scores=True, **filters)
        place = np.flatnonzero(items[0] == lists[row][position])
        assert np.isinf(rank) == (len(place) == 0)
        if len(place):
            assert rank == (scores[0] >= scores[0][place[0]] - 1e-6).sum()
        codes = [np.searchsorted(mixed.items_, item) for item in items[0][:5] if item is not None]
        assert top[: len(codes)].tolist() == codes and (top[len(codes) :] == -1).all()


def test_equal_scores_count_by_the_rule() -> None:
    lists = [["a", "b"], ["b", "a"], ["c", "d"], ["d", "c"]] * 20
    stack = StackedSessionRecommender([("popular", Popularity())], random_state=0).fit(lists)
    ranks = [
        stack.ranks([["a", "b"]], ties=ties).ranks[0]
        for ties in ("optimistic", "midpoint", "pessimistic")
    ]
    # three items outside the prefix are level
    assert ranks == [1, 2, 3] or ranks == [2, 3, 4]


def test_a_stack_of_one_adds_what_the_session_has_seen() -> None:
    for counter in (SequentialRules(repeats=0), Popularity(), ItemKNN()):
        alone = clone(counter).fit(TRAIN)
        stack = StackedSessionRecommender([("only", counter)], random_state=0).fit(TRAIN)
        assert stack.score(TEST) > alone.score(TEST)
        outside = [model.predict(TEST, k=model.n_items_).tolist() for model in (alone, stack)]
        for events, first, second in zip(TEST.to_lists(), *outside, strict=True):
            kept = [[item for item in found if item not in events] for found in (first, second)]
            assert kept[0] == kept[1]


def test_a_stack_of_a_stack(counters: StackedSessionRecommender) -> None:
    outer = StackedSessionRecommender([("inner", counters)], random_state=0).fit(TRAIN)
    inner = outer.named_estimators_["inner"]
    assert inner.predict(TEST).tolist() == counters.predict(TEST).tolist()
    assert outer.score(TEST) > 0.3


@pytest.mark.filterwarnings("ignore:.*nothing that the model knows")
def test_unknown_items_are_answered(mixed: StackedSessionRecommender) -> None:
    answers = mixed.predict([["new"], ["i01", "new"], ["new", "newer"]], k=3)
    assert np.isin(answers, mixed.items_).all()
    ranked = mixed.ranks([["new", "i01", "i02", "newer"]])
    assert np.isfinite(ranked.ranks).tolist() == [True, True, False]


def test_a_warning_counts_sessions_without_a_known_item(
    counters: StackedSessionRecommender,
) -> None:
    with pytest.warns(UserWarning, match="^2 sessions hold nothing"):
        counters.predict([["new"], ["i01"], ["newer", "new"]])


# ---------------------------------------------------------------------- what members see
class Witness(TransformerMixin, BaseEstimator):
    """A step that notes the sessions that it sees."""

    fitted: list[list[list[str]]] = []
    seen: list[list[list[str]]] = []

    def fit(self, X: Sessions, y: None = None) -> Witness:
        self.fitted.append(X.to_lists())
        return self

    def transform(self, X: Sessions) -> Sessions:
        self.seen.append(X.to_lists())
        return X


def test_pipelines_see_cut_sessions_only() -> None:
    Witness.fitted.clear()
    Witness.seen.clear()
    tail = TRAIN.to_lists()[162:]
    whole = {tuple(events) for events in tail}
    members = [("knn", ItemKNN()), ("pipe", Pipeline([("w", Witness()), ("rec", ItemKNN())]))]
    stack = StackedSessionRecommender(members, random_state=0).fit(TRAIN)
    assert Witness.fitted == [TRAIN.to_lists()[:162], TRAIN.to_lists()]
    between = Witness.seen[1:-1]  # the first and the last fit transform what they have learned
    assert between
    cut = {tuple(events) for call in between for events in call}
    assert cut == {events[:-1] for events in whole}
    Witness.seen.clear()
    stack.evaluate(TEST)
    cut = {tuple(events) for call in Witness.seen for events in call}
    assert cut == {tuple(events[:-1]) for events in TEST.to_lists()}


def test_weights_are_learned_on_other_sessions_than_members() -> None:
    train, tail = temporal_train_test_split(TRAIN, test_size=0.1)
    stack = StackedSessionRecommender(FAST, random_state=0, refit=False).fit(TRAIN)
    given = StackedSessionRecommender(FAST, random_state=1).fit(train, X_val=tail)
    assert stack.blend_ == given.blend_
    assert stack.predict(TEST).tolist() == given.predict(TEST).tolist()
    refitted = StackedSessionRecommender(FAST, random_state=2).fit(TRAIN)
    assert refitted.blend_ == stack.blend_
    alone = SequentialRules().fit(TRAIN)
    assert refitted.named_estimators_.rules.predict(TEST).tolist() == alone.predict(TEST).tolist()


def test_a_sample_of_the_tail_teaches() -> None:
    blends = [
        StackedSessionRecommender(FAST, validation_size=size, random_state=seed).fit(TRAIN).blend_
        for size, seed in ((20, 0), (20, 0), (20, 1), (None, 0), (10**6, 1))
    ]
    assert blends[0] == blends[1] and blends[0] != blends[2]
    assert blends[3] == blends[4] and blends[0] != blends[3]


def test_clusters_of_the_sessions_are_learned_without_the_tail() -> None:
    members = [("net", PromptedSessionRecommender(**SMALL))]
    rows = [("clu", ItemClusterer(random_state=0)), ("rec", StackedSessionRecommender(members))]
    pipeline = Pipeline(rows).set_params(rec__random_state=0, rec__refit=False).fit(TRAIN)
    stack = pipeline.steps[-1][1]
    train, _ = temporal_train_test_split(TRAIN, test_size=0.1)
    alone = ItemClusterer(random_state=0).fit(train)
    assert stack.annotator_.labels_.tolist() == alone.labels_.tolist()
    assert pipeline.predict(TEST, k=3).shape == (20, 3)
    refitted = pipeline.set_params(rec__refit=True).fit(TRAIN)
    assert refitted.steps[-1][1].annotator_ is None


def test_the_seed_is_that_of_members_without_one() -> None:
    members = [("net", network()), ("pipe", clustered(random_state=5))]
    stacks = [
        StackedSessionRecommender(members, random_state=seed).fit(TRAIN) for seed in (0, 0, 1)
    ]
    scores = [stack.predict_topk(TEST, return_scores=True)[1] for stack in stacks]
    assert (scores[0] == scores[1]).all() and (scores[0] != scores[2]).any()
    kept = stacks[2].named_estimators_.pipe.get_params()
    assert kept["rec__random_state"] == 5 and kept["clu__random_state"] == 0
    assert members[0][1].random_state is None


@pytest.mark.parametrize("make", [network, clustered])
def test_networks_choose_their_epochs_on_what_the_stack_holds_out(make: Any) -> None:
    member = make(max_epochs=3, validation_fraction=0.5, patience=None)
    stack = StackedSessionRecommender([("net", member)], refit=False, random_state=0).fit(WORLD)
    train, tail = temporal_train_test_split(WORLD, test_size=0.1)
    weighed = last_step(stack.named_estimators_["net"])
    assert weighed.n_items_ == len(np.unique(train.codes))
    n_targets = np.maximum(tail.lengths - 1, 0).sum()
    assert {row["n_valid"] for row in weighed.history_} == {n_targets}
    again = StackedSessionRecommender([("net", member)], random_state=0).fit(WORLD)
    trained = last_step(again.named_estimators_["net"])
    assert trained.n_epochs_ == weighed.best_epoch_ and trained.n_items_ == again.n_items_
    assert "n_valid" not in trained.history_[0]  # on everything, with nothing held out


def test_checkpoints_of_each_fit_lie_apart(tmp_path: Any) -> None:
    members = [("net", network(checkpoint_dir=str(tmp_path)))]
    first = StackedSessionRecommender(members, random_state=0).fit(TRAIN)
    assert len(list(tmp_path.iterdir())) == 2
    again = StackedSessionRecommender(members, random_state=0).fit(TRAIN)  # takes them up
    assert again.predict(TEST).tolist() == first.predict(TEST).tolist()


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_can_be_a_member(name: str) -> None:
    pipeline = make_session_pipeline(name, **SMALL, repeats=None, random_state=0)
    stack = StackedSessionRecommender([("net", pipeline), *FAST], random_state=0)
    stack.fit(TRAIN[:60], X_val=TRAIN[60:90])
    events = TEST.to_lists()[0]
    items, scores = stack.predict_topk([events], k=stack.n_items_, return_scores=True)
    found = dict(zip(items[0].tolist(), scores[0].tolist(), strict=True))
    assert found == pytest.approx(by_hand(stack, events), abs=1e-4)


# ---------------------------------------------------------------------- scikit-learn and files
def test_it_keeps_the_promises_of_an_estimator() -> None:
    members = [("rules", SequentialRules()), ("pop", SessionPopularity())]
    check_session_estimator(StackedSessionRecommender(members, random_state=0))


def test_members_have_names_and_parameters() -> None:
    stack = StackedSessionRecommender([("rules", SequentialRules()), ("pipe", clustered())])
    params = stack.get_params()
    assert params["rules__last_n"] == SequentialRules().last_n and params["pipe__rec__dim"] == 4
    stack.set_params(rules__last_n=2, pipe__rec__dim=8, refit=False)
    assert stack.estimators[0][1].last_n == 2 and stack.estimators[1][1].steps[1][1].dim == 8
    stack.set_params(rules=ItemKNN())
    assert isinstance(stack.estimators[0][1], ItemKNN)
    copied = clone(stack)
    assert copied.estimators[0][1] is not stack.estimators[0][1]
    assert "StackedSessionRecommender" in repr(copied)


def test_a_search_over_a_member() -> None:
    stack = StackedSessionRecommender(FAST, random_state=0)
    grid = {"rules__last_n": [1, 3], "validation_fraction": [0.1]}
    search = GridSearchCV(stack, grid, cv=TemporalSessionSplit(2), scoring=SessionScorer("mrr@5"))
    search.fit(TRAIN)
    found = search.best_estimator_
    assert found.named_estimators_.rules.last_n == search.best_params_["rules__last_n"]
    assert search.score(TEST) == pytest.approx(found.score(TEST))


def test_stacks_come_back_from_files(mixed: StackedSessionRecommender, tmp_path: Any) -> None:
    check_storable(StackedSessionRecommender(mixed.estimators), TRAIN)
    mixed.save(tmp_path / "stack.zip")
    restored = [load(tmp_path / "stack.zip"), pickle.loads(pickle.dumps(mixed))]
    expected = mixed.predict_topk(TEST, return_scores=True)
    for stack in restored:
        assert stack.blend_ == mixed.blend_ and list(stack.named_estimators_) == [
            name for name, _ in mixed.estimators
        ]
        items, scores = stack.predict_topk(TEST, return_scores=True)
        assert (items == expected[0]).all() and (scores == expected[1]).all()
    again = restored[0].fit(TRAIN)
    assert again.predict(TEST).shape == (20, 10)


def test_a_parameter_called_steps_makes_no_pipeline() -> None:
    counter = SequentialRules(steps=3).fit(TRAIN)
    found = SessionScorer("mrr@5")(counter, TEST)
    assert found == pytest.approx(counter.score(TEST))
    check_storable(counter, TRAIN)


def test_what_cannot_be_stored_is_said_beforehand() -> None:
    class Own(ItemKNN):
        pass

    with pytest.raises(TypeError, match="Own"):
        check_storable(StackedSessionRecommender([("own", Own())]))
    members = [("net", PromptedSessionRecommender(prompts=("user",)))]
    odd = Sessions.from_lists([["a", "b"]], users=[frozenset({1})])
    with pytest.raises(TypeError, match="user ids are of type frozenset"):
        check_storable(StackedSessionRecommender(members), odd)


# ---------------------------------------------------------------------- refusals
class Forgetful(ItemKNN):
    """A recommender that leaves out sessions."""

    def fit(self, X: Any, y: None = None) -> Forgetful:
        return super().fit(X[:5])


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"estimators": []}, ValueError, "one pair .name, recommender. or more"),
        ({"estimators": ItemKNN()}, ValueError, "one pair"),
        ({"estimators": [ItemKNN()]}, ValueError, "which is no pair"),
        ({"estimators": [("a", ItemKNN)]}, TypeError, "the member 'a' of estimators"),
        ({"estimators": [("a", ItemClusterer())]}, TypeError, "a Pipeline that ends in one"),
        ({"estimators": [("a", ItemKNN()), ("a", ItemKNN())]}, ValueError, "not unique"),
        ({"estimators": [("a__b", ItemKNN())]}, ValueError, "must not contain __"),
        ({"estimators": [("refit", ItemKNN())]}, ValueError, "conflict with constructor"),
        ({"estimators": [("f", Forgetful())]}, ValueError, "the member 'f' knows .* items"),
        ({"validation_fraction": 1}, ValueError, "validation_fraction=1 must be between 0 and 1"),
        ({"validation_fraction": "1d"}, TypeError, "must be a number between 0 and 1"),
        ({"validation_size": 0}, ValueError, "validation_size=0 is below 1"),
        ({"refit": "yes"}, TypeError, "refit='yes' must be True or False"),
    ],
)
def test_parameters_out_of_bounds(params: dict[str, Any], error: type, message: str) -> None:
    stack = StackedSessionRecommender(**{"estimators": FAST, **params})
    with pytest.raises(error, match=message):
        stack.fit(TRAIN)


def test_sessions_that_teach_no_weights() -> None:
    stack = StackedSessionRecommender(FAST)
    with pytest.raises(ValueError, match="hold out another share .validation_fraction."):
        stack.fit([["a", "b"], ["b", "c"], ["x", "y"]])
    with pytest.raises(ValueError, match="a split needs at least 2"):
        stack.fit([["a", "b"]])
    with pytest.raises(ValueError, match="ask for 0 items"):
        stack.fit([["a", "b"], ["b", "a"]], X_val=[["a"]])
    with pytest.raises(NotFittedError):
        stack.predict([["a"]])
