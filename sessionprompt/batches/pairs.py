"""Arithmetic of ragged batches: sums, products and softmaxes over segments and pairs of rows."""

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
    """Sums of the rows of `values` that share a segment.

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
    zeros = values.new_zeros((n_segments, *values.shape[1:]))  # (n_segments, ...)
    return zeros.index_add(0, segments, values)


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
        index = segments  # (n,)
        if logits.dim() > 1:
            index = segments[:, None].expand_as(logits)  # (n, heads)
        highest = logits.new_full((n_segments, *logits.shape[1:]), -torch.inf)
        highest.scatter_reduce_(0, index, logits, "amax")  # (n_segments, ...)
        weights = (logits - highest.index_select(0, segments)).exp_()  # (n, ...)
        sums = segment_sum(weights, segments, n_segments)  # (n_segments, ...)
        weights.div_(sums.index_select(0, segments))  # (n, ...)
        ctx.save_for_backward(weights, segments)
        ctx.n_segments = n_segments
        return weights

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        weights, segments = ctx.saved_tensors
        weighted = grad * weights  # (n, ...)
        mean = segment_sum(weighted, segments, ctx.n_segments)  # (n_segments, ...)
        mean = mean.index_select(0, segments)  # (n, ...)
        return weighted.addcmul_(weights, mean, value=-1), None, None


@dataclass(frozen=True)
class Pairs:
    """Pairs of a row and a column, such as prefixes and their events: places of a sparse matrix.

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
        """First pair of each row, and the number of pairs at the end; shape (n_rows + 1,)."""
        counts = torch.bincount(self.rows, minlength=self.n_rows)  # (n_rows,)
        return F.pad(counts.cumsum(0), (1, 0))  # (n_rows + 1,)

    @cached_property
    def order(self) -> Tensor:
        """The pairs by rising column, shape (M,)."""
        return torch.argsort(self.columns, stable=True)

    @cached_property
    def transposed(self) -> Pairs:
        """Pairs of columns and rows, in `order`."""
        columns = self.columns.index_select(0, self.order)  # (M,)
        rows = self.rows.index_select(0, self.order)  # (M,)
        return Pairs(columns, rows, self.n_columns, self.n_rows)

    def repeat(self, n: int) -> Pairs:
        """Pairs of `n` copies of rows and columns, copy by copy, such as the heads of attention."""
        copies = torch.arange(n, device=self.rows.device).unsqueeze(1)  # (n, 1)
        rows = self.rows + copies * self.n_rows  # (n, M)
        columns = self.columns + copies * self.n_columns  # (n, M)
        return Pairs(rows.flatten(), columns.flatten(), n * self.n_rows, n * self.n_columns)

    def row_sums(self, values: Tensor) -> Tensor:
        """Sums (n_rows, d) of the values (M, d) of the pairs of each row; not differentiable."""
        places = torch.arange(len(self), device=self.rows.device)  # (M,)
        return _bag(values, places, self.offsets, None)

    def column_sums(self, values: Tensor) -> Tensor:
        """Sums (n_columns, d) of the values (M, d) of each column's pairs; not differentiable."""
        return _bag(values, self.order, self.transposed.offsets, None)

    def softmax(self, logits: Tensor) -> Tensor:
        """Softmax of logits (M,) over the pairs of each row."""
        return segment_softmax(logits, self.rows, self.n_rows)

    def dot(self, left: Tensor, right: Tensor) -> Tensor:
        """Products (M,) of the pairs' vectors, left (n_rows, d) and right (n_columns, d)."""
        return _Dot.apply(left, right, self)

    def sum(self, weights: Tensor, values: Tensor) -> Tensor:
        """Sums (n_rows, d) over each row's pairs of weights (M,) times values (n_columns, d)."""
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
        to_left = _sum(grad, right, pairs)  # (n_rows, d)
        by_column = grad.index_select(0, pairs.order)  # (M,)
        to_right = _sum(by_column, left, pairs.transposed)  # (n_columns, d)
        return to_left, to_right, None


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
        pairs = ctx.pairs
        grad = grad.contiguous()  # (n_rows, d)
        to_weights = None
        if ctx.needs_input_grad[0]:
            to_weights = _dot(grad, values, pairs)  # (M,)
        to_values = None
        if ctx.needs_input_grad[1]:
            by_column = weights.index_select(0, pairs.order)  # (M,)
            to_values = _sum(by_column, grad, pairs.transposed)  # (n_columns, d)
        return to_weights, to_values, None


def _dot(left: Tensor, right: Tensor, pairs: Pairs) -> Tensor:
    """Products (M,) of pairs of rows of `left` (n_rows, d) and `right` (n_columns, d)."""
    if left.is_cuda:
        of_row = left.index_select(0, pairs.rows)  # (M, d)
        of_column = right.index_select(0, pairs.columns)  # (M, d)
        return torch.linalg.vecdot(of_row, of_column)  # (M,)
    zeros = left.new_zeros(len(pairs))  # (M,)
    shape = (pairs.n_rows, pairs.n_columns)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        places = torch.sparse_csr_tensor(
            pairs.offsets, pairs.columns, zeros, shape, check_invariants=False
        )
    return torch.sparse.sampled_addmm(places, left, right.T, beta=0).values()  # (M,)


def _sum(weights: Tensor, values: Tensor, pairs: Pairs) -> Tensor:
    """Sums (n_rows, d) of weights (M,) times rows of `values` (n_columns, d)."""
    return _bag(values, pairs.columns, pairs.offsets, weights)


def _bag(values: Tensor, index: Tensor, offsets: Tensor, weights: Tensor | None) -> Tensor:
    """Sums (n_rows, d) of the rows of `values` that `index` (M,) names, in runs by `offsets`."""
    return F.embedding_bag(
        index, values, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
    )
