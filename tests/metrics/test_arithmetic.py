"""Figures of ranks pass the arithmetic; impossible ones are named."""

from __future__ import annotations

import pytest
from figures import ALL_NAMES, integer_ranks, laws
from hypothesis import given

from sessionprompt.metrics import check_arithmetic, ranking_metrics


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
            ({"recall@5": 0.5, "map@5": 0.6}, "map@5 = 0.6 is outside 0.1..0.5"),
            ({"recall@5": 0.5, "precision@5": 0.5}, "precision@5 = 0.5 is not recall@k / k = 0.1"),
            ({"map@5": 0.2, "mrr@5": 0.3}, "map@5 = 0.2 is not mrr@k = 0.3"),
            ({"gini@5": 1.2}, "gini@5 = 1.2 is outside 0..1"),
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

    def test_what_may_fall_or_has_no_bound(self):
        falling = {"precision@5": 0.1, "precision@10": 0.06, "diversity@5": 0.5, "gini@10": 0.2}
        assert check_arithmetic({**falling, "diversity@10": 0.3, "novelty@10": 12.5}) == []

    def test_other_keys_are_passed_over(self):
        assert check_arithmetic({"n": 1000, "recall@5": 0.4, "slices": {}}) == []

    def test_misspelt_metric(self):
        with pytest.raises(ValueError, match="metric 'mrr@0' is not known"):
            check_arithmetic({"mrr@0": 0.5})
