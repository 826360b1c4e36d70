"""Slices label every target, and report the metrics of each label."""

from __future__ import annotations

import numpy as np
import pytest
from figures import integer_ranks, laws
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sessionprompt.metrics import (
    ranking_metrics,
    slice_by_cold,
    slice_by_length,
    slice_by_popularity,
    slice_by_repeat,
    sliced_metrics,
)


class TestSlices:
    def test_every_edge(self):
        lengths = slice_by_length([1, 2, 3, 4, 5, 9, 10, 500]).tolist()
        assert lengths == ["1", "2", "3-4", "3-4", "5-9", "5-9", "10+", "10+"]
        counts = slice_by_popularity([0, 1, 5, 6, 20, 21, 100, 101]).tolist()
        assert counts == ["unknown", "1-5", "1-5", "6-20", "6-20", "21-100", "21-100", "101+"]
        assert slice_by_repeat([0, 1]).tolist() == ["new", "repeat"]
        assert slice_by_cold([0, 0, 2], [0, 1, 1]).tolist() == ["unknown", "cold", "warm"]

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
