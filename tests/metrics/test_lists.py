"""Metrics of lists equal their slow twins."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from figures import laws
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sessionprompt.metrics import cold_coverage, coverage, diversity, gini, novelty

lists_of_codes = arrays(np.int64, (4, 6), elements=st.integers(-1, 9))


class TestCoverage:
    def test_counts_distinct_items_of_the_first_k(self):
        lists = [[0, 1, 4], [0, 2, 4]]
        assert [coverage(lists, k, 5) for k in (1, 2, 3)] == [0.2, 0.6, 0.8]

    def test_empty_places_and_no_lists(self):
        assert coverage([[3, -1], [-1, -1]], 2, 4) == 0.25
        assert coverage(np.empty((0, 2), dtype=int), 2, 4) == 0.0
        assert cold_coverage([[3, 0], [1, 3]], 2, [4, 1, 0, 0]) == 0.5
        assert np.isnan(cold_coverage([[0, 1]], 2, [4, 1]))

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


class TestGini:
    def test_known_values(self):
        assert gini([[0, 1], [2, 3]], 2, 4) == 0
        assert gini([[0, 0], [0, 0]], 2, 5) == pytest.approx(0.8)
        assert gini([[0, 1], [0, 2]], 2, 3) == pytest.approx(1 / 6)
        assert gini(np.empty((0, 2), dtype=int), 2, 4) == 0

    @given(lists_of_codes, st.integers(1, 6))
    @laws
    def test_is_half_the_mean_difference_by_the_mean(self, codes, k):
        shown = codes[:, :k]
        counts = np.array([(shown == code).sum() for code in range(10)])
        if counts.sum():
            differences = np.abs(counts[:, None] - counts).mean()
            assert gini(codes, k, 10) == pytest.approx(differences / (2 * counts.mean()))


class TestNovelty:
    @given(lists_of_codes, st.integers(1, 6), arrays(np.int64, 10, elements=st.integers(0, 50)))
    @laws
    def test_equals_slow_twin(self, codes, k, counts):
        events = np.maximum(counts, 1)
        expected = []
        for row in codes[:, :k].tolist():
            bits = [-np.log2(events[code] / events.sum()) for code in row if code >= 0]
            expected.append(np.mean(bits) if bits else 0.0)
        assert novelty(codes, k, counts).tolist() == pytest.approx(expected)

    def test_rare_items_are_news(self):
        popular, rare = novelty([[0], [1]], 1, [99, 1])
        assert popular < 0.02 and rare == pytest.approx(np.log2(100))


class TestDiversity:
    @given(
        lists_of_codes,
        st.integers(2, 6),
        arrays(np.int64, (10, 2), elements=st.integers(-1, 3)),
    )
    @laws
    def test_equals_slow_twin(self, codes, k, labels):
        expected = []
        for row in codes[:, :k].tolist():
            pairs = list(combinations([code for code in row if code >= 0], 2))
            shares = [np.mean(labels[a] != labels[b]) for a, b in pairs]
            expected.append(np.mean(shares) if shares else 0.0)
        assert diversity(codes, k, labels).tolist() == pytest.approx(expected)

    def test_one_column_may_be_flat(self):
        assert diversity([[0, 1], [1, 2]], 2, [5, 5, 6]).tolist() == [0, 1]


@pytest.mark.parametrize("metric", [gini, coverage])
def test_lists_must_be_long_enough(metric):
    with pytest.raises(ValueError, match=r"k=3 does not fit topk_codes of shape \(1, 2\)"):
        metric([[0, 1]], 3, 4)


def test_items_need_counts_and_labels():
    with pytest.raises(ValueError, match="topk_codes hold 4, outside a catalogue of n_items=3"):
        novelty([[4]], 1, [1, 1, 1])
    with pytest.raises(ValueError, match="topk_codes hold 4, outside a catalogue of n_items=3"):
        diversity([[4, 0]], 2, [1, 1, 1])
