"""Sums, products and softmaxes over segments and pairs, against loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sessionprompt.batches import Pairs, segment_softmax, segment_sum

layouts = st.lists(st.integers(0, 4), min_size=1, max_size=12)
laws = settings(max_examples=50, deadline=None)


def rows(n: int, *shape: int) -> Tensor:
    return torch.randn(n, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(n))


@laws
@given(layouts, st.sampled_from([(), (3,), (2, 3)]))
def test_segment_sum_is_a_loop(segments: list[int], shape: tuple[int, ...]) -> None:
    values = rows(len(segments), *shape)
    index = torch.tensor(segments)
    expected = torch.stack([values[index == segment].sum(0) for segment in range(5)])
    torch.testing.assert_close(segment_sum(values, index, 5), expected)


@laws
@given(layouts, st.sampled_from([(), (3,)]))
def test_segment_softmax_is_a_loop(segments: list[int], heads: tuple[int, ...]) -> None:
    logits = rows(len(segments), *heads)
    index = torch.tensor(segments)
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


# ---------------------------------------------------------------------- pairs
some_pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=9).map(sorted)


def pairs_of(found: list[tuple[int, int]]) -> Pairs:
    places = torch.tensor(found, dtype=torch.long).view(-1, 2)
    return Pairs(places[:, 0].contiguous(), places[:, 1].contiguous(), 4, 3)


@laws
@given(some_pairs)
def test_pairs_are_loops(found: list[tuple[int, int]]) -> None:
    pairs = pairs_of(found)
    left = rows(4, 5)
    right = rows(3, 5)
    weights = rows(len(found))
    products = torch.zeros(len(found), dtype=torch.float64)
    sums = torch.zeros(4, 5, dtype=torch.float64)
    for place, (i, j) in enumerate(found):
        products[place] = left[i] @ right[j]
        sums[i] += weights[place] * right[j]
    torch.testing.assert_close(pairs.dot(left, right), products)
    torch.testing.assert_close(pairs.sum(weights, right), sums)
    torch.testing.assert_close(pairs.softmax(weights), segment_softmax(weights, pairs.rows, 4))
    values = rows(len(found), 5)
    torch.testing.assert_close(pairs.row_sums(values), segment_sum(values, pairs.rows, 4))
    torch.testing.assert_close(pairs.column_sums(values), segment_sum(values, pairs.columns, 3))


@laws
@given(some_pairs, st.integers(1, 3))
def test_pairs_turn_around_and_repeat(found: list[tuple[int, int]], n: int) -> None:
    pairs = pairs_of(found)
    turned = list(zip(*(side.tolist() for side in pairs.transposed), strict=True))
    assert turned == sorted(((j, i) for i, j in found), key=lambda pair: pair[0])
    copies = list(zip(*(side.tolist() for side in pairs.repeat(n)), strict=True))
    assert copies == [(i + 4 * k, j + 3 * k) for k in range(n) for i, j in found]


def test_gradients_of_pairs() -> None:
    pairs = pairs_of([(0, 1), (0, 1), (2, 0), (2, 2), (3, 1)])
    left = rows(4, 2).requires_grad_()
    right = rows(3, 2).requires_grad_()
    weights = rows(5).requires_grad_()
    assert torch.autograd.gradcheck(pairs.dot, (left, right))
    assert torch.autograd.gradcheck(pairs.sum, (weights, right))


def test_pairs_warn_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    pairs = pairs_of([(0, 1), (2, 0)])
    pairs.dot(rows(4, 2).requires_grad_(), rows(3, 2)).sum().backward()
    assert not recwarn.list
