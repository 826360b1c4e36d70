"""Ranks, figures made of ranks, the arithmetic lint, and the scorer that hides the answers."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import Pipeline

from sessionprompt.metrics import (
    SessionScorer,
    check_arithmetic,
    coverage,
    metric_names,
    parse_metric,
    ranking_metrics,
    slice_by_length,
    slice_by_popularity,
    slice_by_repeat,
    sliced_metrics,
    target_ranks,
)
from sessionprompt.sessions import Sessions, as_sessions

TIES = ("pessimistic", "midpoint", "optimistic")
CUTOFFS = (1, 2, 5, 10, 20)
ALL_NAMES = [f"{kind}@{k}" for kind in ("mrr", "recall", "hr", "ndcg") for k in CUTOFFS]

laws = settings(max_examples=50, deadline=None)


@st.composite
def scored_targets(draw):
    """Scores of few distinct values, so that ties abound, some of them broken; and a target per row."""
    n, n_items = draw(st.integers(1, 5)), draw(st.integers(1, 20))
    values = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 1.0, np.inf, np.nan])
    scores = draw(arrays(np.float64, (n, n_items), elements=values))
    return scores, draw(arrays(np.int64, n, elements=st.integers(0, n_items - 1)))


@st.composite
def integer_ranks(draw):
    ranks = draw(st.lists(st.integers(1, 40), min_size=1, max_size=30))
    return np.array([np.inf if rank > 30 else rank for rank in ranks])


class TestTargetRanks:
    @given(scored_targets(), st.sampled_from(TIES))
    @laws
    def test_equals_slow_twin(self, scored, ties):
        scores, targets = scored
        share = {"pessimistic": 1, "midpoint": 0.5, "optimistic": 0}[ties]
        expected = []
        for row, target in zip(scores, targets, strict=True):
            others = np.delete(row, target)
            above = sum(not score <= row[target] for score in others)
            equal = sum(score == row[target] for score in others)
            expected.append(len(row) if np.isnan(row[target]) else 1 + above + share * equal)
        assert target_ranks(scores, targets, ties=ties).tolist() == expected

    @given(scored_targets(), st.sampled_from(TIES))
    @laws
    def test_torch_equals_numpy(self, scored, ties):
        scores, targets = scored
        ranks = target_ranks(torch.from_numpy(scores), torch.from_numpy(targets), ties=ties)
        assert isinstance(ranks, torch.Tensor)
        assert ranks.is_floating_point() == (ties == "midpoint")
        assert ranks.tolist() == target_ranks(scores, targets, ties=ties).tolist()

    def test_distinct_scores_give_the_place_in_the_sorted_list(self):
        rng = np.random.default_rng(0)
        scores, targets = (
            rng.permuted(np.tile(np.arange(50.0), (30, 1)), axis=1),
            rng.integers(50, size=30),
        )
        place = (np.argsort(-scores, axis=1) == targets[:, None]).argmax(axis=1)
        for ties in TIES:
            assert target_ranks(scores, targets, ties=ties).tolist() == (place + 1).tolist()

    def test_all_equal_scores(self):
        scores, targets = np.zeros((1, 9)), np.array([4])
        assert [target_ranks(scores, targets, ties=ties).item() for ties in TIES] == [9, 5, 1]

    @pytest.mark.parametrize("ties", TIES)
    def test_broken_scores_are_never_good(self, ties):
        scores = np.array([[np.nan, 1.0, 0.0], [np.nan] * 3, [1.0, np.nan, 0.0]])
        assert target_ranks(scores, np.array([0, 1, 0]), ties=ties).tolist() == [3, 3, 2]

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
    def test_torch_dtypes_and_narrow_codes(self, dtype):
        scores = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], dtype=dtype)
        assert target_ranks(scores, torch.tensor([0, 0], dtype=torch.int32)).tolist() == [3, 1]

    def test_no_targets(self):
        assert target_ranks(np.empty((0, 3)), np.empty(0, dtype=np.int64)).shape == (0,)

    @pytest.mark.parametrize("target", [-1, 3])
    @pytest.mark.parametrize("kind", [np.array, torch.tensor])
    def test_refuses_codes_of_no_item(self, target, kind):
        with pytest.raises(
            ValueError, match=rf"targets hold {target}, but codes run 0\.\.2; .* rank inf"
        ):
            target_ranks(kind([[0.0, 1.0, 2.0]] * 2), kind([1, target]))

    def test_refuses_shapes_that_would_broadcast(self):
        with pytest.raises(
            ValueError, match=r"shape \(2, 3\) and targets of shape \(1,\) do not fit"
        ):
            target_ranks(np.zeros((2, 3)), np.array([0]))

    def test_refuses_unknown_ties(self):
        with pytest.raises(ValueError, match="ties='random' is not known; choose one of"):
            target_ranks(np.zeros((1, 2)), np.array([0]), ties="random")


class TestNames:
    @pytest.mark.parametrize("kind", ["mrr", "recall", "ndcg", "coverage"])
    def test_kind_and_cutoff(self, kind):
        assert parse_metric(f"{kind}@12") == (kind, 12)

    def test_hit_rate_is_recall(self):
        assert parse_metric("hr@3") == parse_metric("recall@3")

    @pytest.mark.parametrize(
        "name",
        [
            "mrr",
            "mrr@",
            "mrr@0",
            "mrr@-1",
            "mrr@05",
            "mrr@5.0",
            "accuracy@5",
            "MRR@5",
            "",
            5,
            None,
        ],
    )
    def test_errors_list_what_is_known(self, name):
        with pytest.raises(ValueError, match="mrr, recall, hr, ndcg, coverage") as error:
            parse_metric(name)
        assert repr(name) in str(error.value)

    def test_lists_of_names(self):
        assert metric_names("mrr@5") == ["mrr@5"]
        assert metric_names(("mrr@5", "hr@1")) == ["mrr@5", "hr@1"]
        with pytest.raises(ValueError, match="metrics is empty"):
            metric_names([])


class TestRankingMetrics:
    def test_known_values(self):
        figures = ranking_metrics(
            [1, 3, 6, np.inf], ["mrr@5", "recall@5", "hr@5", "ndcg@5", "recall@6"]
        )
        expected = {
            "mrr@5": (1 + 1 / 3) / 4,
            "recall@5": 2 / 4,
            "hr@5": 2 / 4,
            "ndcg@5": (1 + 1 / 2) / 4,
            "recall@6": 3 / 4,
        }
        assert figures == pytest.approx(expected)
        assert list(figures) == list(expected)

    @given(integer_ranks())
    @laws
    def test_equals_slow_twin(self, ranks):
        figures = ranking_metrics(ranks, ALL_NAMES)
        for k in CUTOFFS:
            hits = [rank for rank in ranks if rank <= k]
            assert (
                figures[f"recall@{k}"]
                == figures[f"hr@{k}"]
                == pytest.approx(len(hits) / len(ranks))
            )
            assert figures[f"mrr@{k}"] == pytest.approx(sum(1 / r for r in hits) / len(ranks))
            assert figures[f"ndcg@{k}"] == pytest.approx(
                sum(1 / np.log2(r + 1) for r in hits) / len(ranks)
            )

    @given(integer_ranks())
    @laws
    def test_bounded_and_monotone(self, ranks):
        figures = ranking_metrics(ranks, ALL_NAMES)
        assert all(0 <= value <= 1 for value in figures.values())
        for kind in ("mrr", "recall", "ndcg"):
            curve = [figures[f"{kind}@{k}"] for k in CUTOFFS]
            assert curve == sorted(curve)

    @given(integer_ranks(), st.data())
    @laws
    def test_integer_weights_are_repetitions(self, ranks, data):
        weights = data.draw(arrays(np.int64, len(ranks), elements=st.integers(0, 3)).filter(np.any))
        weighted = ranking_metrics(ranks, ALL_NAMES, weights=weights)
        assert weighted == pytest.approx(ranking_metrics(np.repeat(ranks, weights), ALL_NAMES))

    def test_unknown_targets_are_misses_at_any_cutoff(self):
        assert ranking_metrics([1, np.inf], "recall@1000000") == {"recall@1000000": 0.5}

    def test_midpoint_ranks(self):
        assert ranking_metrics([1.5, 5.5], "mrr@5") == {"mrr@5": pytest.approx(1 / 3)}

    @pytest.mark.parametrize(
        ("ranks", "metrics", "weights", "message"),
        [
            ([], "mrr@5", None, "nothing to average; pass at least one rank"),
            ([0, 1], "mrr@5", None, "ranks hold 0.0; ranks start at 1, and a miss is inf"),
            ([np.nan], "mrr@5", None, "ranks hold nan"),
            ([1, 2], "coverage@5", None, "cannot be made of ranks alone; use coverage()"),
            ([1, 2], "mrr@0", None, "metric 'mrr@0' is not known"),
            ([1, 2], "mrr@5", [1], "weights of shape (1,) do not fit 2 ranks"),
            ([1, 2], "mrr@5", [0, 0], "not all zero"),
            ([1, 2], "mrr@5", [2, -1], "not negative"),
            ([1, 2], "mrr@5", [1, np.nan], "finite"),
            ([1, 2], "mrr@5", [1, np.inf], "finite"),
        ],
    )
    def test_errors(self, ranks, metrics, weights, message):
        with pytest.raises(ValueError, match=re.escape(message)):
            ranking_metrics(ranks, metrics, weights=weights)


class TestCoverage:
    def test_counts_distinct_items_of_the_first_k(self):
        lists = [[0, 1, 4], [0, 2, 4]]
        assert [coverage(lists, k, 5) for k in (1, 2, 3)] == [0.2, 0.6, 0.8]

    def test_empty_places_and_no_lists(self):
        assert coverage([[3, -1], [-1, -1]], 2, 4) == 0.25
        assert coverage(np.empty((0, 2), dtype=int), 2, 4) == 0.0

    @given(arrays(np.int64, (4, 6), elements=st.integers(-1, 9)), st.integers(1, 6))
    @laws
    def test_equals_slow_twin(self, codes, k):
        seen = {code for row in codes.tolist() for code in row[:k] if code >= 0}
        assert coverage(codes, k, 10) == pytest.approx(len(seen) / 10)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"k=3 does not fit topk_codes of shape \(1, 2\)"):
            coverage([[0, 1]], 3, 4)
        with pytest.raises(ValueError, match="topk_codes hold 4, outside a catalogue of n_items=4"):
            coverage([[0, 4]], 2, 4)


class TestSlices:
    def test_every_edge(self):
        lengths = slice_by_length([1, 2, 3, 4, 5, 9, 10, 500]).tolist()
        assert lengths == ["1", "2", "3-4", "3-4", "5-9", "5-9", "10+", "10+"]
        counts = slice_by_popularity([0, 1, 5, 6, 20, 21, 100, 101]).tolist()
        assert counts == ["unknown", "1-5", "1-5", "6-20", "6-20", "21-100", "21-100", "101+"]
        assert slice_by_repeat([0, 1]).tolist() == ["new", "repeat"]

    def test_impossible_values(self):
        with pytest.raises(ValueError, match="prefix_lengths hold 0; they start at 1"):
            slice_by_length([3, 0])
        with pytest.raises(ValueError, match="target_counts hold -1; they start at 0"):
            slice_by_popularity([-1])

    @given(integer_ranks(), st.data())
    @laws
    def test_each_label_is_a_metric_of_its_rows(self, ranks, data):
        lengths = data.draw(arrays(np.int64, len(ranks), elements=st.integers(1, 12)))
        weights = data.draw(arrays(np.float64, len(ranks), elements=st.sampled_from([1.0, 2.0])))
        labels = slice_by_length(lengths)
        table = sliced_metrics(ranks, ["mrr@5", "recall@5"], {"length": labels}, weights)["length"]
        assert sum(row["n"] for row in table.values()) == len(ranks)
        for label, row in table.items():
            own = labels == label
            assert row == {
                "n": own.sum(),
                **ranking_metrics(ranks[own], ["mrr@5", "recall@5"], weights=weights[own]),
            }

    def test_labels_come_in_their_natural_order(self):
        groups = {"popularity": slice_by_popularity([101, 6, 0, 21, 1])}
        table = sliced_metrics(np.ones(5), "mrr@5", groups)["popularity"]
        assert list(table) == ["unknown", "1-5", "6-20", "21-100", "101+"]

    def test_weight_zero_is_absence(self):
        table = sliced_metrics([1, 9, 2], "recall@5", {"g": ["a", "a", "b"]}, [1, 0, 0])
        assert table == {"g": {"a": {"n": 1, "recall@5": 1.0}}}

    def test_labels_must_fit(self):
        with pytest.raises(
            ValueError, match=r"groups\['g'\] has shape \(1,\); pass one label per rank"
        ):
            sliced_metrics([1, 2], "mrr@5", {"g": ["a"]})


class TestCheckArithmetic:
    @given(integer_ranks())
    @laws
    def test_nothing_to_say_about_figures_of_ranks(self, ranks):
        assert check_arithmetic(ranking_metrics(ranks, ALL_NAMES)) == []

    @given(integer_ranks())
    @laws
    def test_nothing_to_say_about_rounded_figures_with_tolerance(self, ranks):
        rounded = {
            name: round(value, 4) for name, value in ranking_metrics(ranks, ALL_NAMES).items()
        }
        assert check_arithmetic(rounded, tolerance=2e-4) == []

    @pytest.mark.parametrize(
        ("results", "sentence"),
        [
            ({"recall@5": 41.2}, "recall@5 = 41.2 is outside 0..1"),
            ({"mrr@5": float("nan")}, "mrr@5 = nan is outside 0..1"),
            (
                {"coverage@5": 0.5, "coverage@10": 0.4},
                "coverage@10 = 0.4 is below coverage@5 = 0.5",
            ),
            ({"hr@5": 0.3, "recall@5": 0.4}, "recall@5 is given twice, as 0.3 and 0.4"),
            ({"recall@5": 0.3, "mrr@5": 0.31}, "mrr@5 = 0.31 is outside 0.06..0.3"),
            ({"recall@5": 0.5, "mrr@5": 0.09}, "mrr@5 = 0.09 is outside 0.1..0.5"),
            ({"recall@1": 0.3, "ndcg@1": 0.2}, "ndcg@1 = 0.2 is outside 0.3..0.3"),
        ],
    )
    def test_says_what_is_wrong(self, results, sentence):
        violations = check_arithmetic(results)
        assert len(violations) == 1
        assert violations[0].startswith(sentence)

    @pytest.mark.parametrize(
        ("mrr_20", "fine"), [(0.2049, False), (0.205, True), (0.2090, True), (0.2092, False)]
    )
    def test_gain_between_two_cutoffs(self, mrr_20, fine):
        """(R20 - R10) / 20 = .005 and (R20 - R10) / 11 = .00909 bound what MRR may gain."""
        results = {"recall@10": 0.4, "recall@20": 0.5, "mrr@10": 0.2, "mrr@20": mrr_20}
        assert (check_arithmetic(results) == []) is fine

    def test_other_keys_are_passed_over(self):
        assert check_arithmetic({"n": 1000, "recall@5": 0.4, "slices": {}}) == []

    def test_misspelt_metric(self):
        with pytest.raises(ValueError, match="metric 'mrr@0' is not known"):
            check_arithmetic({"mrr@0": 0.5})


class Popular(BaseEstimator):
    """Ranks items by how often they were seen in training, or the other way round."""

    def __init__(self, sign=1):
        self.sign = sign

    def fit(self, X, y=None):
        X = as_sessions(X)
        ids, counts = np.unique(X.vocabulary.decode(X.codes), return_counts=True)
        self.places_ = {
            item: place for place, item in enumerate(ids[np.argsort(-self.sign * counts)])
        }
        return self

    def evaluate(
        self, X, *, metrics, slices=None, ties="pessimistic", sample_weight=None, last_events=None
    ):
        self.asked_ = {
            "sample_weight": sample_weight,
            "ties": ties,
            "last_events": last_events,
            "X": X,
        }
        if last_events is None:
            last_events = [session[-1] for session in as_sessions(X)]
        ranks = [self.places_.get(item, np.inf) + 1 for item in last_events]
        return {**ranking_metrics(ranks, metrics, weights=sample_weight), "extra": "not asked for"}


SEEN: list[Sessions] = []


class Recorder(TransformerMixin, BaseEstimator):
    """Passes sessions on unchanged and keeps in SEEN what it transformed."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        SEEN.append(X)
        return X


@pytest.fixture
def world():
    """Sessions that end in their own, unmistakable item; some of them in item 'z', some of one event."""
    lists = (
        [["a", "b", f"end{i}"] for i in range(6)]
        + [["a", "c", "z"] for _ in range(6)]
        + [["z"], ["lone"]]
    )
    return Sessions.from_lists(lists, times=np.arange(len(lists)))


@pytest.fixture
def pipe(world):
    pipeline = Pipeline([("rec", Recorder()), ("skip", "passthrough"), ("pop", Popular())]).fit(
        world
    )
    SEEN.clear()
    return pipeline


class TestSessionScorer:
    def test_transformers_never_see_the_last_events(self, pipe, world):
        SessionScorer("mrr@5")(pipe, world)
        (seen,) = SEEN
        assert seen.to_lists() == [session[:-1] for session in world if len(session) > 1]
        assert pipe[-1].asked_["last_events"].tolist() == [s[-1] for s in world if len(s) > 1]

    def test_pipeline_scores_as_its_last_step(self, pipe, world):
        long = world[world.lengths > 1]
        direct = SessionScorer("mrr@5")(pipe[-1], long)
        assert 0 < direct < 1
        assert SessionScorer("mrr@5")(pipe, world) == direct

    def test_one_name_gives_a_float_and_several_the_names_asked_for(self, pipe, world):
        figures = SessionScorer(["mrr@5", "hr@20"])(pipe, world)
        assert list(figures) == ["mrr@5", "hr@20"]
        assert SessionScorer("hr@20")(pipe, world) == figures["hr@20"]
        assert type(SessionScorer("hr@20")(pipe, world)) is float

    def test_lists_of_lists(self, pipe, world):
        assert SessionScorer()(pipe, world.to_lists()) == SessionScorer()(pipe, world)

    def test_weights_follow_the_sessions_that_are_scored(self, pipe, world):
        weights = np.arange(len(world)) + 1.0
        SessionScorer()(pipe, world[::-1], sample_weight=weights)
        assert pipe[-1].asked_["sample_weight"].tolist() == weights[2:].tolist()

    def test_targets_begin_where_the_sessions_say(self, pipe, world):
        marked = Sessions(
            world.codes, world.offsets, world.vocabulary, target_start=np.arange(len(world)) + 1
        )
        SessionScorer()(pipe, marked)
        assert pipe[-1].asked_["X"].target_start.tolist() == list(range(1, len(world) - 1))

    def test_parameters_reach_evaluate(self, pipe, world):
        SessionScorer("mrr@5", ties="midpoint")(pipe, world)
        assert pipe[-1].asked_["ties"] == "midpoint"

    def test_estimator_with_evaluate_gets_whole_sessions(self, pipe, world):
        SessionScorer()(pipe[-1], world[:12], sample_weight=np.ones(12))
        assert pipe[-1].asked_["X"] == world[:12]
        assert pipe[-1].asked_["last_events"] is None

    @pytest.mark.parametrize("train", [True, False])
    def test_cross_validate(self, pipe, world, train):
        scores = cross_validate(
            clone(pipe),
            world,
            cv=KFold(3),
            scoring=SessionScorer(["mrr@5", "recall@5"]),
            return_train_score=train,
            error_score="raise",
        )
        assert np.isfinite(scores["test_mrr@5"]).all()
        assert ("train_recall@5" in scores) is train

    def test_grid_search_with_several_metrics(self, pipe, world):
        search = GridSearchCV(
            clone(pipe),
            {"pop__sign": [-1, 1]},
            cv=KFold(3),
            scoring=SessionScorer(["mrr@5", "recall@5"]),
            refit="mrr@5",
            error_score="raise",
        ).fit(world)
        assert search.best_params_ == {"pop__sign": 1}
        assert "mean_test_recall@5" in search.cv_results_

    def test_search_inside_cross_validation(self, pipe, world):
        search = GridSearchCV(
            clone(pipe), {"pop__sign": [-1, 1]}, cv=KFold(2), scoring=SessionScorer()
        )
        scores = cross_validate(
            search, world, cv=KFold(2), scoring=SessionScorer("hr@3"), error_score="raise"
        )
        assert len(scores["test_score"]) == 2

    def test_pickle_copy_and_equality(self):
        scorer = SessionScorer(["mrr@5"], ties="midpoint")
        assert pickle.loads(pickle.dumps(scorer)) == scorer == clone(scorer, safe=False)
        assert scorer != SessionScorer(["mrr@5"])
        assert scorer != SessionScorer("mrr@5", ties="midpoint")
        assert scorer != "mrr@5"
        assert eval(repr(scorer)) == scorer

    def test_refuses_a_misspelt_metric_at_once(self):
        with pytest.raises(ValueError, match="metric 'mrr5' is not known"):
            SessionScorer(["hr@5", "mrr5"])

    @pytest.mark.parametrize("estimator", [Recorder(), Pipeline([("rec", Recorder())])])
    def test_refuses_what_cannot_be_scored(self, estimator, world):
        with pytest.raises(TypeError, match=f"{type(estimator).__name__} cannot be scored"):
            SessionScorer()(estimator, world)

    def test_refuses_sessions_without_a_target(self, pipe, world):
        with pytest.raises(ValueError, match="none of the 2 sessions of X has two events"):
            SessionScorer()(pipe, world[-2:])
