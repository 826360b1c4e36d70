"""Sums, products and softmaxes over segments and pairs of rows (torch): the arithmetic of ragged batches."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Pairs", "segment_softmax", "segment_sum"]


def segment_sum(values: Tensor, segments: Tensor, n_segments: int) -> Tensor:
    """Add the rows of `values` that share a segment.

    Parameters
    ----------
    values : Tensor of shape (n, ...)
    segments : LongTensor of shape (n,)
        Segment of each row, in ``0 .. n_segments - 1``, in any order.
    n_segments : int

    Returns
    -------
    Tensor of shape (n_segments, ...)
        Zero where a segment has no rows.

    Examples
    --------
    >>> segment_sum(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 2, 2]), 3)
    tensor([1., 0., 6.])
    """
    return values.new_zeros((n_segments, *values.shape[1:])).index_add(0, segments, values)


def segment_softmax(logits: Tensor, segments: Tensor, n_segments: int) -> Tensor:
    """Softmax of a flat vector of logits inside each segment.

    Parameters
    ----------
    logits : Tensor of shape (n,) or (n, heads)
    segments : LongTensor of shape (n,)
    n_segments : int

    Returns
    -------
    Tensor of the shape of `logits`
        Sums to one over each segment that has rows.

    Examples
    --------
    >>> segment_softmax(torch.zeros(3), torch.tensor([0, 1, 1]), 2)
    tensor([1.0000, 0.5000, 0.5000])
    """
    return _Softmax.apply(logits, segments, n_segments)


class _Softmax(torch.autograd.Function):
    """Softmax in segments; a gradient g becomes w (g - sum of w g over the segment)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, segments: Tensor, n_segments: int) -> Tensor:
        index = segments if logits.dim() == 1 else segments[:, None].expand_as(logits)
        highest = logits.new_full((n_segments, *logits.shape[1:]), -torch.inf)
        highest.scatter_reduce_(0, index, logits, "amax")
        weights = (logits - highest.index_select(0, segments)).exp_()
        weights.div_(segment_sum(weights, segments, n_segments).index_select(0, segments))
        ctx.save_for_backward(weights, segments)
        ctx.n_segments = n_segments
        return weights

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        weights, segments = ctx.saved_tensors
        grad = grad * weights
        mean = segment_sum(grad, segments, ctx.n_segments).index_select(0, segments)
        return grad.addcmul_(weights, mean, value=-1), None, None


@dataclass(frozen=True)
class Pairs:
    """Pairs of a row and a column, such as the prefixes and their events: the places of a sparse matrix.

    What is computed here for M pairs of vectors of length d never makes M vectors, only M numbers.

    Attributes
    ----------
    rows : LongTensor of shape (M,)
        Rising.
    columns : LongTensor of shape (M,)
    n_rows, n_columns : int

    Examples
    --------
    >>> pairs = Pairs(torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1]), 2, 2)
    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> pairs.dot(x, x)
    tensor([11., 11., 25.])
    >>> pairs.sum(torch.tensor([1.0, 1.0, 2.0]), x)
    tensor([[ 3.,  4.],
            [ 7., 10.]])
    """

    rows: Tensor
    columns: Tensor
    n_rows: int
    n_columns: int

    def __iter__(self) -> Iterator[Tensor]:
        """Rows and columns, to be unpacked."""
        return iter((self.rows, self.columns))

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def offsets(self) -> Tensor:
        """Where the pairs of each row start, and the number of pairs; shape (n_rows + 1,)."""
        return F.pad(torch.bincount(self.rows, minlength=self.n_rows).cumsum(0), (1, 0))

    @cached_property
    def order(self) -> Tensor:
        """The pairs by rising column, shape (M,)."""
        return torch.argsort(self.columns, stable=True)

    @cached_property
    def transposed(self) -> Pairs:
        """Pairs of columns and rows, in `order`."""
        columns, rows = (
            self.columns.index_select(0, self.order),
            self.rows.index_select(0, self.order),
        )
        return Pairs(columns, rows, self.n_columns, self.n_rows)

    def repeat(self, n: int) -> Pairs:
        """The pairs of `n` copies of rows and columns, copy by copy, such as the heads of attention."""
        copies = torch.arange(n, device=self.rows.device).unsqueeze(1)
        rows, columns = self.rows + copies * self.n_rows, self.columns + copies * self.n_columns
        return Pairs(rows.flatten(), columns.flatten(), n * self.n_rows, n * self.n_columns)

    def row_sums(self, values: Tensor) -> Tensor:
        """Sum of the values (M, d) of the pairs of each row, (n_rows, d); not differentiable."""
        return _bag(values, torch.arange(len(self), device=self.rows.device), self.offsets, None)

    def column_sums(self, values: Tensor) -> Tensor:
        """Sum of the values (M, d) of the pairs of each column, (n_columns, d); not differentiable."""
        return _bag(values, self.order, self.transposed.offsets, None)

    def softmax(self, logits: Tensor) -> Tensor:
        """Softmax of logits (M,) over the pairs of each row."""
        return segment_softmax(logits, self.rows, self.n_rows)

    def dot(self, left: Tensor, right: Tensor) -> Tensor:
        """Product left_i . right_j of each pair (M,) of rows (n_rows, d) and columns (n_columns, d)."""
        return _Dot.apply(left, right, self)

    def sum(self, weights: Tensor, values: Tensor) -> Tensor:
        """Sum of weights (M,) times the values (n_columns, d) over the pairs of each row, (n_rows, d)."""
        return _Sum.apply(weights, values, self)


class _Dot(torch.autograd.Function):
    """Products of pairs of vectors."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, pairs: Pairs) -> Tensor:
        ctx.save_for_backward(left, right)
        ctx.pairs = pairs
        return _dot(left, right, pairs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        left, right = ctx.saved_tensors
        pairs = ctx.pairs
        return (
            _sum(grad, right, pairs),
            _sum(grad.index_select(0, pairs.order), left, pairs.transposed),
            None,
        )


class _Sum(torch.autograd.Function):
    """Weighted sums of the vectors of the pairs of a row."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, values: Tensor, pairs: Pairs) -> Tensor:
        ctx.save_for_backward(weights, values)
        ctx.pairs = pairs
        return _sum(weights, values, pairs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        weights, values = ctx.saved_tensors
        pairs, grad = ctx.pairs, grad.contiguous()
        to_weights = _dot(grad, values, pairs) if ctx.needs_input_grad[0] else None
        to_values = None
        if ctx.needs_input_grad[1]:
            to_values = _sum(weights.index_select(0, pairs.order), grad, pairs.transposed)
        return to_weights, to_values, None


def _dot(left: Tensor, right: Tensor, pairs: Pairs) -> Tensor:
    if left.is_cuda:
        return torch.linalg.vecdot(
            left.index_select(0, pairs.rows), right.index_select(0, pairs.columns)
        )
    zeros, shape = left.new_zeros(len(pairs)), (pairs.n_rows, pairs.n_columns)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        places = torch.sparse_csr_tensor(
            pairs.offsets, pairs.columns, zeros, shape, check_invariants=False
        )
    return torch.sparse.sampled_addmm(places, left, right.T, beta=0).values()


def _sum(weights: Tensor, values: Tensor, pairs: Pairs) -> Tensor:
    return _bag(values, pairs.columns, pairs.offsets, weights)


def _bag(values: Tensor, index: Tensor, offsets: Tensor, weights: Tensor | None) -> Tensor:
    return F.embedding_bag(
        index, values, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
    )
