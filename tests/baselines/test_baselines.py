"""The baselines: each against a slow twin, all by the contract, and no torch in sight."""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations
from math import exp, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.model_selection import GridSearchCV

from sessionprompt import Sessions, baselines
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
    ridge,
)
from sessionprompt.baselines.per_row import largest_per_row
from sessionprompt.baselines.rows import ItemRows
from sessionprompt.metrics import SessionScorer
from sessionprompt.model_selection import TemporalSessionSplit, temporal_train_test_split
from sessionprompt.pipeline import Pipeline
from sessionprompt.testing import check_session_estimator, tiny_world

WORLD, TEST = temporal_train_test_split(tiny_world(150, repeat_rate=0.3, mean_length=5))
LISTS = WORLD.to_lists()  # oldest first
A, B, C, D = WORLD.vocabulary.ids[:4].tolist()
PREFIXES = [[A], [B, A], [A, B, A, C], [C, "unknown", D, D], *TEST.to_lists()[:6]]

Scores = dict[Any, float]


# ---------------------------------------------------------------------- slow twins
def popularity(prefix: list[Any]) -> Scores:
    return {}


def session_popularity(prefix: list[Any]) -> Scores:
    latest = {item: place for place, item in enumerate(prefix, 1)}
    return {
        item: count + latest[item] / (len(prefix) + 1) for item, count in Counter(prefix).items()
    }


def spoken(rules: dict[Any, Scores], prefix: list[Any], last_n: int | None = 1) -> Scores:
    """What the last items say, each divided by the steps back to it."""
    scores: Scores = defaultdict(float)
    for steps, said in enumerate(prefix[::-1][:last_n], 1):
        for item, weight in rules.get(said, {}).items():
            scores[item] += weight / steps
    return scores


def association_rules(prefix: list[Any], last_n: int | None = 1) -> Scores:
    rules: dict[Any, Scores] = defaultdict(lambda: defaultdict(float))
    for events in LISTS:
        for one, other in combinations(events, 2):
            rules[one][other] += 1
            rules[other][one] += 1
    return spoken(rules, prefix, last_n)


def sequential_rules(
    prefix: list[Any],
    steps: int = 10,
    last_n: int | None = 1,
    backward: float = 0,
    shrinkage: float | None = None,
    repeats: float = 0,
) -> Scores:
    rules: dict[Any, Scores] = defaultdict(lambda: defaultdict(float))
    for events in LISTS:
        for x, y in combinations(range(len(events)), 2):
            if y - x <= steps:
                rules[events[x]][events[y]] += 1 / (y - x)
                rules[events[y]][events[x]] += backward / (y - x)
    support = Counter(item for events in LISTS for item in events)
    for said, weights in rules.items():
        for item in weights:
            weights[item] /= 1 if shrinkage is None else support[said] + shrinkage
        weights[said] += repeats
    return spoken(rules, prefix, last_n)


def item_knn(
    prefix: list[Any],
    n_neighbors: int = 100,
    shrinkage: float = 20,
    alpha: float = 0.5,
    last_n: int | None = 1,
) -> Scores:
    sets = [set(events) for events in LISTS]
    support = Counter(item for items in sets for item in items)
    rules: dict[Any, Scores] = {}
    for said in support:
        together = Counter(item for items in sets if said in items for item in items - {said})
        for item in together:
            together[item] /= (support[said] + shrinkage) ** alpha * (
                support[item] + shrinkage
            ) ** (1 - alpha)
        best = sorted(together, key=lambda item: (-np.float32(together[item]), item))[:n_neighbors]
        rules[said] = {item: together[item] for item in best}
    return spoken(rules, prefix, last_n)


def nearest(similarities: dict[int, float], sample_size: int | None, n_neighbors: int) -> list[int]:
    newest = sorted(similarities, reverse=True)[:sample_size]
    return sorted(newest, key=lambda session: (-np.float32(similarities[session]), -session))[
        :n_neighbors
    ]


def vsknn(prefix: list[Any], n_neighbors: int = 100, sample_size: int | None = 1000) -> Scores:
    place = {item: number for number, item in enumerate(prefix, 1)}
    near = {
        s: sum(place[i] for i in set(events) & set(prefix)) / len(prefix)
        for s, events in enumerate(LISTS)
    }
    scores: Scores = defaultdict(float)
    for session in nearest(
        {s: value for s, value in near.items() if value}, sample_size, n_neighbors
    ):
        steps = next(n for n, item in enumerate(reversed(prefix), 1) if item in LISTS[session])
        for item in set(LISTS[session]):
            scores[item] += near[session] / steps
    return scores


def stan(
    prefix: list[Any],
    n_neighbors: int = 500,
    sample_size: int | None = None,
    lambda1: float | None = 1,
    lambda2: float | None = None,
    lambda3: float | None = 2,
) -> Scores:
    scales = [np.inf if scale is None else scale for scale in (lambda1, lambda2, lambda3)]
    after = {item: len(prefix) - number for number, item in enumerate(prefix, 1)}
    near = {}
    for session, events in enumerate(LISTS):
        if common := set(events) & set(prefix):
            age = (len(LISTS) - 1 - session) / len(LISTS)
            near[session] = sum(exp(-after[item] / scales[0]) for item in common) / sqrt(
                len(set(events))
            )
            near[session] *= exp(-age / scales[1])
    scores: Scores = defaultdict(float)
    for session in nearest(near, sample_size, n_neighbors):
        place = {item: number for number, item in enumerate(LISTS[session])}
        star = place[next(item for item in reversed(prefix) if item in place)]
        for item, number in place.items():
            scores[item] += near[session] * exp(-abs(number - star) / scales[2])
    return scores


def slist(
    prefix: list[Any],
    alpha: float = 0.5,
    reg: float = 10,
    train_decay: float = 1,
    predict_decay: float = 1,
    recency: float | None = None,
    past: str = "last",
) -> Scores:
    items = sorted({item for events in LISTS for item in events})
    unit = {item: np.eye(len(items))[code] for code, item in enumerate(items)}
    gram = reg * np.eye(len(items))
    moments = np.zeros((len(items), len(items)))
    for session, events in enumerate(LISTS):
        weight = exp(-(len(LISTS) - 1 - session) / len(LISTS) / (recency or np.inf))
        target = sum(unit[item] for item in set(events))
        rows = [(alpha, target / target.sum(), target)]
        for t in range(1, len(events)):
            seen = events[t - 1 : t] if past == "last" else events[:t]
            given = sum(exp(-d / train_decay) * unit[item] for d, item in enumerate(reversed(seen)))
            follows = sum(exp(-d / train_decay) * unit[item] for d, item in enumerate(events[t:]))
            rows.append((1 - alpha, given / given.sum(), follows))
        for share, given, follows in rows:
            gram += weight * share * np.outer(given, given)
            moments += weight * share * np.outer(given, follows)
    solution = np.maximum(np.linalg.solve(gram, moments), 0)
    scores = (
        sum(exp(-d / predict_decay) * unit[item] for d, item in enumerate(reversed(prefix)))
        @ solution
    )
    return dict(zip(items, scores, strict=True))


EXACT = {"n_neighbors": 30, "tol": 1e-9}
CASES: list[tuple[Any, Any, dict[str, Any]]] = [
    (Popularity(), popularity, {}),
    (SessionPopularity(), session_popularity, {}),
    (AssociationRules(), association_rules, {}),
    (AssociationRules(last_n=None), association_rules, {"last_n": None}),
    (SequentialRules(), sequential_rules, {}),
    (SequentialRules(steps=2, last_n=3), sequential_rules, {"steps": 2, "last_n": 3}),
    (
        SequentialRules(last_n=None, backward=0.5, shrinkage=5, repeats=0.3),
        sequential_rules,
        {"last_n": None, "backward": 0.5, "shrinkage": 5, "repeats": 0.3},
    ),
    (ItemKNN(), item_knn, {}),
    (
        ItemKNN(n_neighbors=3, shrinkage=0, alpha=0.8, last_n=2),
        item_knn,
        {"n_neighbors": 3, "shrinkage": 0, "alpha": 0.8, "last_n": 2},
    ),
    (VSKNN(), vsknn, {}),
    (VSKNN(n_neighbors=5, sample_size=20), vsknn, {"n_neighbors": 5, "sample_size": 20}),
    (VSKNN(n_neighbors=7, sample_size=None), vsknn, {"n_neighbors": 7, "sample_size": None}),
    (STAN(), stan, {}),
    (
        STAN(n_neighbors=6, sample_size=15, lambda1=2.5, lambda2=0.2, lambda3=None),
        stan,
        {"n_neighbors": 6, "sample_size": 15, "lambda1": 2.5, "lambda2": 0.2, "lambda3": None},
    ),
    (STAN(lambda1=None, lambda3=0.5), stan, {"lambda1": None, "lambda3": 0.5}),
    (SLIST(**EXACT), slist, {}),
    (
        SLIST(alpha=0.9, reg=0.5, train_decay=2, predict_decay=3, recency=0.3, past="all", **EXACT),
        slist,
        {
            "alpha": 0.9,
            "reg": 0.5,
            "train_decay": 2,
            "predict_decay": 3,
            "recency": 0.3,
            "past": "all",
        },
    ),
    (SLIST(alpha=1, **EXACT), slist, {"alpha": 1}),
    (SLIST(alpha=0, past="all", **EXACT), slist, {"alpha": 0, "past": "all"}),
]
EVERY = [
    Popularity,
    SessionPopularity,
    AssociationRules,
    SequentialRules,
    ItemKNN,
    VSKNN,
    STAN,
    SLIST,
]
GROWING = [Popularity, SessionPopularity, AssociationRules, SequentialRules, VSKNN, STAN]


def scores_of(model: Any, prefix: list[Any]) -> Scores:
    items, scores = model.predict_topk([prefix], k=model.n_items_, return_scores=True)
    return dict(zip(items[0].tolist(), scores[0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("model", "twin", "params"),
    CASES,
    ids=lambda value: getattr(value, "__name__", repr(value)[:60]),
)
def test_scores_are_those_of_a_plain_loop(model: Any, twin: Any, params: dict[str, Any]) -> None:
    support = Counter(item for events in LISTS for item in events)
    places = {
        count: -place for place, count in enumerate(sorted(set(support.values()), reverse=True), 1)
    }
    model.fit(WORLD)
    for prefix in PREFIXES:
        expected = twin([item for item in prefix if item in support], **params)
        for item, score in scores_of(model, prefix).items():
            wanted = expected.get(item, 0)
            assert score == pytest.approx(
                wanted if wanted > 0 else places[support[item]], rel=1e-4, abs=1e-8
            ), (
                prefix,
                item,
            )


# ---------------------------------------------------------------------- surface
def test_every_model_is_exported() -> None:
    of_attributes = {"AttributeKNN", "AttributeRules"}  # in test_attribute_baselines.py
    assert {model.__name__ for model in EVERY} | of_attributes == set(baselines.__all__)


@pytest.mark.parametrize("model", EVERY)
def test_contract(model: Any) -> None:
    check_session_estimator(model())


@pytest.mark.parametrize("model", EVERY)
@pytest.mark.parametrize("block", [base.BLOCK, 70])
def test_ranks_are_those_of_every_prefix_by_hand(
    model: Any, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "BLOCK", block)
    fitted = model().fit(WORLD)
    test = Sessions.from_lists([*TEST.to_lists()[:5], [A, "new", B, "new"], ["new", A]])
    expected = []
    for events in test:
        for length in range(1, len(events)):
            with_scores = (
                scores_of(fitted, events[:length]) if set(events[:length]) != {"new"} else None
            )
            if with_scores is None:  # answered by popularity
                with_scores = dict(
                    zip(fitted.items_.tolist(), fitted.background_.tolist(), strict=True)
                )
            own = with_scores.get(events[length])
            expected.append(
                np.inf if own is None else sum(score >= own for score in with_scores.values())
            )
    ranked = fitted.ranks(test, top=3)
    assert ranked.ranks.tolist() == expected
    assert ranked.summary(["mrr@5"])["n_unknown_targets"] == 2
    best = [
        fitted.predict_topk([events[:n]], k=3)[0].tolist()
        for events in TEST[:5]
        for n in range(1, len(events))
    ]
    assert fitted.items_[ranked.top[: len(best)]].tolist() == best


def test_ties_count_as_asked_for() -> None:
    model = AssociationRules().fit([["a", "b"], ["a", "c"], ["a", "d"]])
    found = {
        ties: model.ranks([["a", "b"]], ties=ties).ranks[0]
        for ties in ("pessimistic", "midpoint", "optimistic")
    }
    assert found == {"pessimistic": 3, "midpoint": 2, "optimistic": 1}


@pytest.mark.parametrize("model", EVERY)
def test_unknown_items_are_answered_by_popularity(model: Any) -> None:
    fitted = model().fit(WORLD)
    with pytest.warns(
        UserWarning, match="1 sessions hold nothing that the model knows; they are answered by pop"
    ):
        items = fitted.predict([["unknown"], [A]], k=5)
    support = Counter(item for events in LISTS for item in events)
    assert [support[item] for item in items[0]] == sorted(support.values(), reverse=True)[:5]


@pytest.mark.parametrize("model", EVERY)
def test_items_can_be_left_out_or_named(model: Any) -> None:
    fitted = model().fit(WORLD)
    lists = [[A, B], [C], [A] * 3]
    for row, events in zip(fitted.predict_topk(lists, k=20, exclude_seen=True), lists, strict=True):
        assert not set(row) & set(events) and len(set(row)) == 20
    order = scores_of(fitted, lists[0])
    named = fitted.predict_topk(lists, k=3, candidates=[A, C, D])
    assert [set(row) for row in named] == [{A, C, D}] * 3
    assert named[0].tolist() == [item for item in order if item in {A, C, D}]
    assert fitted.predict_topk([[A, B]], k=2, candidates=[A, C, D], exclude_seen=True)[
        0
    ].tolist() == [item for item in order if item in {C, D}]
    few = fitted.predict_topk([[A, B]], k=3, candidates=[A, C, D], exclude_seen=True)[0]
    assert set(few[:2]) == {C, D} and few[2] is None


@pytest.mark.parametrize("model", GROWING)
def test_partial_fits_add_up_to_a_fit(model: Any) -> None:
    parts = [WORLD[:40], Sessions.from_lists([["a new item", A], [B, "a new item"]]), WORLD[40:]]
    whole = model().fit([events for part in parts for events in part])
    grown = model()
    for part in parts:
        assert grown.partial_fit(part.to_lists()) is grown
    assert grown.items_.tolist() == whole.items_.tolist()
    for prefix in PREFIXES:
        assert scores_of(grown, prefix) == pytest.approx(scores_of(whole, prefix), rel=1e-6)


def test_no_partial_fit_where_it_is_not_natural() -> None:
    assert [model for model in EVERY if not hasattr(model, "partial_fit")] == [ItemKNN, SLIST]


@pytest.mark.parametrize(
    "model",
    [VSKNN(n_neighbors=3, sample_size=9), STAN(n_neighbors=9, lambda2=0.2), SLIST(recency=0.1)],
)
def test_age_goes_by_time_where_it_is_known(model: Any) -> None:
    shuffled = WORLD[np.random.default_rng(0).permutation(len(WORLD))]
    by_time = scores_of(model.fit(WORLD), [A, B])
    as_given = scores_of(model.fit(shuffled), [A, B])
    assert as_given == pytest.approx(by_time)
    assert scores_of(model.fit(replace(shuffled, event_times=None)), [A, B]) != pytest.approx(
        by_time
    )


@pytest.mark.parametrize("model", EVERY)
def test_pipelines_pickles_and_single_events(model: Any) -> None:
    pipeline = Pipeline([("rec", model())]).fit(WORLD)
    assert (
        pipeline.score(TEST)
        == pickle.loads(pickle.dumps(pipeline)).score(TEST)
        == model().fit(WORLD).score(TEST)
    )
    alone = model().fit([["a"], ["b"], ["a"]])
    assert alone.predict([["b"]], k=2).shape == (1, 2)
    assert model().fit([["a"]]).predict([["a"]], k=1).tolist() == [["a"]]


def test_a_search_finds_the_better_parameter() -> None:
    search = GridSearchCV(
        SequentialRules(),
        {"steps": [1, 10]},
        cv=TemporalSessionSplit(2),
        scoring=SessionScorer(["mrr@5", "recall@5"]),
        refit="mrr@5",
        error_score="raise",
    ).fit(WORLD)
    assert set(search.best_params_) == {"steps"}


def test_score_takes_a_metric_and_k() -> None:
    model = VSKNN().fit(WORLD)
    expected = model.evaluate(TEST, metrics=["recall@3", "coverage@3"], slices=["length", "repeat"])
    assert (
        model.score(TEST, metric="recall", k=3) == expected["recall@3"]
        and 0 < expected["coverage@3"] <= 1
    )
    assert sum(row["n"] for row in expected["slices"]["repeat"].values()) == expected["n_targets"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (AssociationRules(last_n=0), "last_n=0 is below 1"),
        (SequentialRules(steps=0), "steps=0 is below 1"),
        (SequentialRules(shrinkage=-1), "shrinkage=-1 must be 0 or more"),
        (SequentialRules(repeats=-1), "repeats=-1 must be 0 or more"),
        (ItemKNN(n_neighbors=0), "n_neighbors=0 is below 1"),
        (ItemKNN(shrinkage=-1), "shrinkage=-1 must be 0 or more"),
        (ItemKNN(alpha=2), "alpha=2 must be between 0 and 1"),
        (VSKNN(n_neighbors=0), "n_neighbors=0 is below 1"),
        (VSKNN(sample_size=0), "sample_size=0 is below 1"),
        (STAN(lambda2=0), "lambda2=0 must be above 0, or None"),
        (SLIST(alpha=-0.1), "alpha=-0.1 must be between 0 and 1"),
        (SLIST(reg=0), "reg=0 must be above 0"),
        (SLIST(recency=0), "recency=0 must be above 0, or None"),
        (SLIST(past="none"), r"past='none' is not known; choose one of \['all', 'last'\]"),
        (SLIST(n_neighbors=0), "n_neighbors=0 is below 1"),
        (SLIST(tol=1), "tol=1 must be between 0 and 1"),
    ],
    ids=repr,
)
def test_parameters_out_of_bounds(model: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.fit(WORLD)


@pytest.mark.parametrize("X", [[], [[], []]])
def test_fitting_needs_an_event(X: Any) -> None:
    with pytest.raises(
        ValueError, match=f"the {len(X)} sessions of X hold no event; give at least one"
    ):
        Popularity().fit(X)


# ---------------------------------------------------------------------- worlds with known answers
@pytest.mark.parametrize("model", [SequentialRules(steps=1), SLIST(alpha=0)], ids=repr)
def test_a_ring_is_learnt(model: Any, ring: Sessions) -> None:
    assert model.fit(ring).score(ring, metric="recall", k=1) == 1


@pytest.mark.parametrize("model", EVERY)
def test_dice_are_not_learnt(model: Any, dice: Sessions) -> None:
    train, test = temporal_train_test_split(dice, test_size=0.5)
    assert model().fit(train).score(test, metric="recall", k=3) < 0.4


# ---------------------------------------------------------------------- parts
@given(
    st.lists(
        st.lists(st.sampled_from([0, 0, -2.5, -1, 0.5, 1, 1, 3]), min_size=7, max_size=7),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 8),
)
def test_largest_per_row_is_a_sort(rows: list[list[float]], k: int) -> None:
    kept = largest_per_row(sparse.csr_array(rows), k).toarray()
    for row, found in zip(rows, kept.tolist(), strict=True):
        best = sorted(range(len(row)), key=lambda column: (-abs(row[column]), row[column], column))[
            :k
        ]
        assert found == [value if column in best else 0 for column, value in enumerate(row)]


def test_largest_per_row_of_a_very_wide_matrix() -> None:
    width = 2**31 - 1  # one bit is left for the row, so the rows are taken by twos
    columns = [0, width - 1, width - 2, 5, 7, 1]
    wide = sparse.coo_array(
        ([1, 2, 3, 4, 6, 5], ([0, 0, 0, 1, 4, 4], columns)), shape=(5, width)
    ).tocsr()
    kept = largest_per_row(wide, 2).tocoo()
    assert sorted(
        zip(*(axis.tolist() for axis in kept.coords), kept.data.tolist(), strict=True)
    ) == [
        (0, width - 2, 3),
        (0, width - 1, 2),
        (1, 5, 4),
        (4, 1, 5),
        (4, 7, 6),
    ]


@given(st.lists(st.lists(st.integers(-1, 4), max_size=6), min_size=1, max_size=5))
def test_rows_know_their_events(lists: list[list[int]]) -> None:
    offsets = np.append(0, np.cumsum([len(events) for events in lists]))
    rows = ItemRows.of_known(
        np.array([item for events in lists for item in events], dtype=int), offsets
    )
    known = [[item for item in events if item >= 0] for events in lists]
    assert [
        rows.items[a:b].tolist() for a, b in zip(rows.offsets, rows.offsets[1:], strict=False)
    ] == known
    assert rows.steps.tolist() == [
        len(events) - place for events in known for place in range(len(events))
    ]
    last = {
        (row, item): place for row, events in enumerate(known) for place, item in enumerate(events)
    }
    found = rows.last_clicks(5)
    assert (
        dict(
            zip(
                zip(found.rows.tolist(), found.items.tolist(), strict=True),
                found.positions,
                strict=True,
            )
        )
        == last
    )
    order = np.arange(len(lists))[::-1]
    turned = rows.take(order)
    assert [
        turned.items[a:b].tolist() for a, b in zip(turned.offsets, turned.offsets[1:], strict=False)
    ] == known[::-1]


def ridge_problem(reg: float) -> tuple[Any, Any]:
    model = SLIST(alpha=0.9, reg=reg, past="all").fit(WORLD)
    return model._normal_equations(model._rows_of(WORLD))


@pytest.mark.parametrize("block", [ridge.BLOCK, 100])
@pytest.mark.parametrize("reg", [0.1, 10])
def test_the_ridge_is_solved(reg: float, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "BLOCK", block)
    gram, moments = ridge_problem(reg)
    exact = np.linalg.solve(gram.toarray(), moments.toarray())
    np.testing.assert_allclose(
        ridge.sparse_ridge(gram, moments, 30, 1e-6).toarray(), exact, atol=1e-5 * exact.max()
    )


@pytest.mark.parametrize("reg", [0.1, 1, 10])
@pytest.mark.parametrize("tol", [0.3, 0.01, 1e-4])
def test_the_error_of_the_ridge_is_within_its_tolerance(reg: float, tol: float) -> None:
    gram, moments = ridge_problem(reg)
    weight = np.sqrt(gram.diagonal())[:, None]
    exact = np.linalg.solve(gram.toarray(), moments.toarray())
    error = ridge.sparse_ridge(gram, moments, 30, tol).toarray() - exact
    assert 0 < np.linalg.norm(weight * error, 2) <= tol * np.linalg.norm(weight * exact, 2)


@pytest.mark.parametrize("n", [2, 50])  # all eigenvalues of a small matrix, both ends of a larger
def test_a_diagonal_ridge_is_a_division(n: int) -> None:
    scale = np.tile([4.0, 2.0], n // 2)
    moments = sparse.diags_array([scale, np.full(n - 1, 2.0)], offsets=[0, 1]).tocsr()
    found = ridge.sparse_ridge(sparse.diags_array(scale).tocsr(), moments, 2, 0.1)
    np.testing.assert_allclose(found.toarray(), moments.toarray() / scale[:, None], rtol=1e-6)


def test_the_spectrum_is_found() -> None:
    gram, _ = ridge_problem(1)
    root = np.diag(gram.diagonal() ** -0.5)
    values = np.linalg.eigvalsh(root @ gram.toarray() @ root)
    found = ridge._spectrum(gram, gram.diagonal())
    assert found == pytest.approx((values[0], values[-1]), rel=1e-3)
    assert ridge._spectrum(gram, gram.diagonal()) == found


def test_pruning_keeps_rows_short_and_close() -> None:
    gram, moments = ridge_problem(10)
    exact = np.linalg.solve(gram.toarray(), moments.toarray())
    pruned = ridge.sparse_ridge(gram, moments, 12, 0.01)
    assert np.diff(pruned.indptr).max() == 12
    best = np.sort(np.abs(exact), axis=1)[:, ::-1]
    missed = np.linalg.norm(pruned.toarray() - exact, axis=1)
    assert (
        missed <= np.linalg.norm(best[:, 12:], axis=1) + 0.05 * np.linalg.norm(exact, axis=1)
    ).all()


# ---------------------------------------------------------------------- published figures
@pytest.mark.slow
def test_published_figures_come_out(data_dir: Path) -> None:
    from sessionprompt.datasets import load_parquet

    metrics = ["mrr@20", "recall@20"]
    train, test = load_parquet(data_dir / "diginetica.parquet")
    counter = SessionPopularity().fit(train).evaluate(test, metrics=metrics, slices=["repeat"])
    found = counter["slices"]["repeat"]["repeat"]
    share = found["n"] / counter["n_targets"]  # the counter alone: only repeats can be found
    assert share * found["recall@20"] == pytest.approx(0.2051, abs=0.0005)
    assert share * found["mrr@20"] == pytest.approx(0.1389, abs=0.0005)
    train, test = load_parquet(data_dir / "yoochoose1_64.parquet")
    for model, recall, mrr in ((STAN(), 0.6945, 0.2874), (SLIST(alpha=0.4), 0.7088, 0.3083)):
        assert model.fit(train).evaluate(test, metrics=metrics) | {
            "recall@20": recall,
            "mrr@20": mrr,
        } == pytest.approx(model.evaluate(test, metrics=metrics), abs=0.01)
