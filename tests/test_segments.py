"""Sums and softmaxes over segments, against loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sessionprompt.segments import segment_softmax, segment_sum

layouts = st.lists(st.integers(0, 4), min_size=1, max_size=12)
laws = settings(max_examples=50, deadline=None)


def rows(n: int, *shape: int) -> Tensor:
    return torch.randn(n, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(n))


@laws
@given(layouts, st.sampled_from([(), (3,), (2, 3)]))
def test_segment_sum_is_a_loop(segments: list[int], shape: tuple[int, ...]) -> None:
    values, index = rows(len(segments), *shape), torch.tensor(segments)
    expected = torch.stack([values[index == segment].sum(0) for segment in range(5)])
    torch.testing.assert_close(segment_sum(values, index, 5), expected)


@laws
@given(layouts, st.sampled_from([(), (3,)]))
def test_segment_softmax_is_a_loop(segments: list[int], heads: tuple[int, ...]) -> None:
    logits, index = rows(len(segments), *heads), torch.tensor(segments)
    expected = torch.empty_like(logits)
    for segment in set(segments):
        expected[index == segment] = logits[index == segment].softmax(0)
    torch.testing.assert_close(segment_softmax(logits, index, 5), expected)


def test_softmax_of_large_logits_is_finite() -> None:
    weights = segment_softmax(torch.tensor([1e4, 1e4 - 1, -1e4]), torch.tensor([0, 0, 1]), 2)
    torch.testing.assert_close(weights, torch.tensor([0.731059, 0.268941, 1.0]))


@pytest.mark.parametrize("function", [segment_sum, segment_softmax])
@pytest.mark.parametrize("shape", [(), (2,)])
def test_gradients(function, shape: tuple[int, ...]) -> None:  # type: ignore[no-untyped-def]
    values = rows(5, *shape).requires_grad_()
    index = torch.tensor([2, 0, 2, 2, 0])
    assert torch.autograd.gradcheck(lambda x: function(x, index, 4), (values,))


def test_segments_may_be_empty() -> None:
    nothing = torch.empty(0, 2)
    assert segment_sum(nothing, torch.empty(0, dtype=torch.long), 3).tolist() == [[0, 0]] * 3
    assert segment_softmax(nothing, torch.empty(0, dtype=torch.long), 3).shape == (0, 2)
