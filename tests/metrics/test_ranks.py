"""Ranks of targets are places in sorted lists, whatever the ties and the kind of array."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sessionprompt.metrics import target_ranks

TIES = ("pessimistic", "midpoint", "optimistic")

laws = settings(max_examples=50, deadline=None)


@st.composite
def scored_targets(draw):
    """Scores of few distinct values, so that ties abound, some broken; and a target per row."""
    n = draw(st.integers(1, 5))
    n_items = draw(st.integers(1, 20))
    values = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 1.0, np.inf, np.nan])
    scores = draw(arrays(np.float64, (n, n_items), elements=values))
    return scores, draw(arrays(np.int64, n, elements=st.integers(0, n_items - 1)))


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
        scores = rng.permuted(np.tile(np.arange(50.0), (30, 1)), axis=1)
        targets = rng.integers(50, size=30)
        place = (np.argsort(-scores, axis=1) == targets[:, None]).argmax(axis=1)
        for ties in TIES:
            assert target_ranks(scores, targets, ties=ties).tolist() == (place + 1).tolist()

    def test_all_equal_scores(self):
        scores = np.zeros((1, 9))
        targets = np.array([4])
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
