"""Lengths and sums of rows, and their gradients, by the kernels or by torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..kernels import (
    compiles,
    scale_back,
    scale_rows,
    sum_bags,
    sum_bags_back,
    unit_sums,
    unit_sums_back,
    with_tensors,
)

__all__ = ["clip_length", "row_sums", "unit", "unit_sum"]

LEAST = 1e-12  # length by which a row is divided
CACHED = 2**17  # numbers of a table at a time: of 2**15 to 2**18 the quickest, with d = 64


def unit(x: Tensor) -> Tensor:
    """Scale the rows of `x` to length one; a zero row stays zero.

    Examples
    --------
    >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    return _Scaled.apply(x, LEAST)


def clip_length(x: Tensor) -> Tensor:
    """Shrink the rows of `x` that are longer than one to length one.

    Examples
    --------
    >>> clip_length(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    return _Scaled.apply(x, 1.0)


class _Scaled(torch.autograd.Function):
    """v / max(|v|, least) of every row v.

    The gradient reuses the result: half the memory traffic of the composed operations.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, least: float) -> Tensor:
        ctx.least = least
        ctx.compiled = x.ndim == 2 and compiles(x)
        if ctx.compiled:
            result = torch.empty_like(x)  # (n, d)
            length = x.new_empty(len(x))  # (n,)
            with_tensors(scale_rows, x, result, length, least)
        else:
            length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)  # (..., 1)
            result = x / length.clamp_min(least)  # (..., d)
        ctx.save_for_backward(result, length)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        result, length = ctx.saved_tensors
        if ctx.compiled and compiles(grad):
            to_x = torch.empty_like(grad)  # (n, d)
            with_tensors(scale_back, grad, result, length, to_x, ctx.least)
            return to_x, None
        length = length.view(*result.shape[:-1], 1)  # (..., 1)
        longer = length >= ctx.least  # (..., 1)
        along = torch.linalg.vecdot(grad, result).unsqueeze(-1).mul_(longer)  # (..., 1)
        scale = length.clamp_min(ctx.least)  # (..., 1)
        to_x = torch.addcmul(grad, result, along, value=-1).div_(scale)  # (..., d)
        return to_x, None


def unit_sum(x: Tensor, added: Tensor) -> Tensor:
    """The rows of unit(unit(x) + added), for tables of many rows in half the time.

    Parameters
    ----------
    x, added : Tensor of shape (n, d)

    Returns
    -------
    Tensor of shape (n, d)
        Differentiable (once).

    Examples
    --------
    >>> unit_sum(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([[0.7071, 0.7071]])
    """
    return _UnitSum.apply(x, added)


class _UnitSum(torch.autograd.Function):
    """By the kernels, or some rows at a time, so that what lies between stays in the cache."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, added: Tensor) -> Tensor:
        result = torch.empty_like(added)  # (n, d)
        x_length = x.new_empty(len(x), 1)  # (n, 1)
        length = x.new_empty(len(x), 1)  # (n, 1)
        if compiles(x, added):
            with_tensors(unit_sums, x, added, result, x_length, length, LEAST)
        else:
            for rows in _in_cache(x):
                y = result[rows]  # (r, d)
                torch.div(x[rows], _write_length(x, rows, x_length), out=y)
                y.add_(added[rows])
                y.div_(_write_length(result, rows, length))
        ctx.save_for_backward(x, result, x_length, length)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, result, x_length, length = ctx.saved_tensors
        to_x = torch.empty_like(result)  # (n, d)
        to_added = torch.empty_like(result)  # (n, d)
        if compiles(grad, x, result):
            with_tensors(unit_sums_back, grad, x, result, x_length, length, to_x, to_added)
            return to_x, to_added
        for rows in _in_cache(x):
            g = grad[rows]  # (r, d)
            y = result[rows]  # (r, d)
            along = torch.linalg.vecdot(g, y).unsqueeze(-1)  # (r, 1)
            to_sum = torch.addcmul(g, y, along, value=-1, out=to_added[rows])  # (r, d)
            to_sum.div_(length[rows])
            u = torch.div(x[rows], x_length[rows], out=to_x[rows])  # (r, d)
            along = torch.linalg.vecdot(to_sum, u).unsqueeze(-1)  # (r, 1)
            u.mul_(-along).add_(to_sum).div_(x_length[rows])
        return to_x, to_added


def _write_length(x: Tensor, rows: slice, lengths: Tensor) -> Tensor:
    """Lengths (r, 1) of some rows of (n, d), written into those of all rows (n, 1)."""
    length = lengths[rows]  # (r, 1)
    torch.linalg.vector_norm(x[rows], dim=-1, keepdim=True, out=length)
    return length.clamp_min_(LEAST)


def _in_cache(x: Tensor) -> Iterator[slice]:
    """Rows of (n, d), so many at a time as a core's cache holds of several such tables."""
    n_rows = max(1, CACHED // x.shape[-1])
    if x.is_cuda:
        n_rows = max(1, len(x))
    for start in range(0, len(x), n_rows):
        yield slice(start, start + n_rows)


def row_sums(table: Tensor, codes: Tensor) -> Tensor:
    """Sums of the rows of a table that codes name.

    Parameters
    ----------
    table : Tensor of shape (n_rows, d)
    codes : LongTensor of shape (n, n_columns)
        Below 0 there is none.

    Returns
    -------
    Tensor of shape (n, d)
        Differentiable (once) in the table.

    Examples
    --------
    >>> row_sums(torch.tensor([[1.0], [2.0]]), torch.tensor([[0, 1], [1, -1]]))
    tensor([[3.],
            [2.]])
    """
    if compiles(table):
        return _RowSums.apply(table, codes.contiguous())
    blank = table.new_zeros(1, table.shape[1])  # (1, d)
    rows = torch.cat([table, blank])  # (n_rows + 1, d)
    codes = torch.where(codes < 0, len(table), codes)  # (n, n_columns)
    if codes.shape[1] == 1:
        return F.embedding(codes.squeeze(1), rows)  # (n, d)
    return F.embedding_bag(codes, rows, mode="sum")  # (n, d)


class _RowSums(torch.autograd.Function):
    """By the kernels: torch sorts the codes for the gradient, which takes ten times as long."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, codes: Tensor) -> Tensor:
        ctx.save_for_backward(codes)
        ctx.shape = table.shape
        result = table.new_empty(len(codes), table.shape[1])  # (n, d)
        with_tensors(sum_bags, table, codes, result, codes.shape[1])
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (codes,) = ctx.saved_tensors
        to_table = grad.new_empty(ctx.shape)  # (n_rows, d)
        with_tensors(sum_bags_back, grad.contiguous(), codes, to_table, codes.shape[1])
        return to_table, None
