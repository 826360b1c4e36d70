"""Metrics of ranks equal their slow twins, and their names are checked."""

from __future__ import annotations

import re

import numpy as np
import pytest
from figures import ALL_NAMES, CUTOFFS, integer_ranks, laws
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sessionprompt.metrics import metric_names, parse_metric, ranking_metrics


class TestNames:
    @pytest.mark.parametrize(
        "kind",
        ["mrr", "recall", "ndcg", "coverage", "precision", "map", "novelty", "diversity", "gini"],
    )
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

    def test_no_diversity_of_one_item(self):
        with pytest.raises(ValueError, match="'diversity@1' has no meaning; .* at least 2"):
            parse_metric("diversity@1")

    def test_lists_of_names(self):
        assert metric_names("mrr@5") == ["mrr@5"]
        assert metric_names(("mrr@5", "hr@1")) == ["mrr@5", "hr@1"]
        with pytest.raises(ValueError, match="metrics is empty"):
            metric_names([])
        with pytest.raises(TypeError, match="metrics=5 must be a name or a list of names"):
            metric_names(5)


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
            assert figures[f"map@{k}"] == figures[f"mrr@{k}"]
            assert figures[f"precision@{k}"] == pytest.approx(figures[f"recall@{k}"] / k)
            assert figures[f"ndcg@{k}"] == pytest.approx(
                sum(1 / np.log2(r + 1) for r in hits) / len(ranks)
            )

    @given(integer_ranks())
    @laws
    def test_bounded_and_monotone(self, ranks):
        figures = ranking_metrics(ranks, ALL_NAMES)
        assert all(0 <= value <= 1 for value in figures.values())
        for kind in ("mrr", "recall", "ndcg", "map"):
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
