"""Attention over the events of ragged windows: transformer blocks and additive energies."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._checks import check_count
from ..batches import Pairs, SessionBatch
from ._bounds import check_widths, shares
from ._layers import Dropout

__all__ = ["AdditiveEnergy", "Block", "start_normal", "states_at_ends", "states_of_events"]

CPU_ROWS = 512  # whose hidden layer is made at a time: half a megabyte of 256 numbers each


class Block(nn.Module):
    """A transformer block, with norms after the sums or before the maps.

    ::

        y = norm(drop(W_o attention(x)) + x)        or  y = drop(W_o attention(norm(x))) + x
        z = norm(drop(W_2 gelu(W_1 y)) + y)             z = drop(W_2 gelu(W_1 norm(y))) + y

    Parameters
    ----------
    dim : int
    n_heads : int
        Has to divide `dim`.
    inner : int
        Width of the hidden layer.
    dropouts : (float, float)
        On attention weights and on the outputs of both parts, in training.
    norm_first : bool
    """

    def __init__(
        self,
        dim: int,
        n_heads: int,
        inner: int,
        dropouts: tuple[float, float],
        norm_first: bool = False,
    ) -> None:
        super().__init__()
        check_count("n_heads", n_heads)
        if dim % n_heads:
            raise ValueError(f"n_heads={n_heads} does not divide dim={dim}; choose a divisor.")
        check_widths(inner=inner)
        on_weights, on_outputs = shares("dropouts", dropouts, 2)
        self.n_heads = n_heads
        self.norm_first = norm_first
        self.qkv = nn.Linear(dim, 3 * dim)
        self.mix = nn.Linear(dim, dim)
        self.widen = nn.Linear(dim, inner)
        self.narrow = nn.Linear(inner, dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=1e-12) for _ in range(2))
        self.drop_weights = Dropout(on_weights)
        self.drop = Dropout(on_outputs)

    def forward(self, rows: Tensor, x: Tensor, pairs: Pairs) -> Tensor:
        """New rows (n, d) from `rows` (n, d) that attend to events `x` (T, d).

        `pairs` tells for each head which of them attends to which.
        """
        on_attention, on_hidden = self.norms
        if self.norm_first:
            attended = self._attend(on_attention(rows), on_attention(x), pairs)  # (n, d)
            y = self.drop(self.mix(attended)) + rows  # (n, d)
            return self.drop(self._hidden(on_hidden(y))) + y  # (n, d)
        attended = self._attend(rows, x, pairs)  # (n, d)
        y = on_attention(self.drop(self.mix(attended)) + rows)  # (n, d)
        return on_hidden(self.drop(self._hidden(y)) + y)  # (n, d)

    def _hidden(self, y: Tensor) -> Tensor:
        """W_2 gelu(W_1 y) of rows `y` (n, d), (n, d)."""
        return _FeedForward.apply(
            y, self.widen.weight, self.widen.bias, self.narrow.weight, self.narrow.bias
        )  # (n, d)

    def _attend(self, rows: Tensor, x: Tensor, pairs: Pairs) -> Tensor:
        """Attended values, the heads of a row side by side, (n, d)."""
        d = x.shape[1]
        query_weight, event_weight = self.qkv.weight.split([d, 2 * d])  # (d, d), (2d, d)
        query_bias, event_bias = self.qkv.bias.split([d, 2 * d])  # (d,), (2d,)
        query = self._by_head(F.linear(rows, query_weight, query_bias))  # (H n, d / H)
        key, value = F.linear(x, event_weight, event_bias).chunk(2, dim=1)  # (T, d) each
        scale = (d // self.n_heads) ** 0.5
        logits = pairs.dot(query / scale, self._by_head(key))  # (H pairs,)
        weights = self.drop_weights(pairs.softmax(logits))  # (H pairs,)
        attended = pairs.sum(weights, self._by_head(value))  # (H n, d / H)
        return attended.unflatten(0, (self.n_heads, -1)).transpose(0, 1).flatten(1)  # (n, d)

    def _by_head(self, rows: Tensor) -> Tensor:
        """Rows (n, d) head by head, (H n, d / H)."""
        return rows.view(len(rows), self.n_heads, -1).transpose(0, 1).flatten(0, 1)


class _FeedForward(torch.autograd.Function):
    """W_2 gelu(W_1 y + b_1) + b_2, whose hidden layer is made again for the gradient.

    Of all rows it would be the largest array of a step; on the CPU it is made for some at a time.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        ctx.save_for_backward(y, w1, b1, w2)
        n_rows = _rows_at_a_time(y)
        memory = y.new_empty(n_rows, len(w1))  # (rows, inner)
        z = torch.empty_like(y)  # (n, d)
        for rows, result in zip(y.split(n_rows), z.split(n_rows), strict=True):
            hidden = memory[: len(rows)]  # (rows, inner)
            torch.addmm(b1, rows, w1.T, out=hidden)
            torch.ops.aten.gelu_(hidden)
            torch.addmm(b2, hidden, w2.T, out=result)
        return z

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        y, w1, b1, w2 = ctx.saved_tensors
        n_rows = _rows_at_a_time(y)
        memory = y.new_empty(2, n_rows, len(w1))  # (2, rows, inner)
        to_y = torch.empty_like(y)  # (n, d)
        to_w1 = torch.zeros_like(w1)  # (inner, d)
        to_b1 = torch.zeros_like(b1)  # (inner,)
        to_w2 = torch.zeros_like(w2)  # (d, inner)
        parts = zip(y.split(n_rows), grad.split(n_rows), to_y.split(n_rows), strict=True)
        for rows, to_rows, result in parts:
            hidden, other = memory[:, : len(rows)]  # (rows, inner) each
            torch.addmm(b1, rows, w1.T, out=hidden)
            torch.ops.aten.gelu.out(hidden, out=other)
            to_w2.addmm_(to_rows.T, other)
            torch.mm(to_rows, w2, out=other)
            torch.ops.aten.gelu_backward.grad_input(other, hidden, grad_input=other)
            torch.mm(other, w1, out=result)
            to_w1.addmm_(other.T, rows)
            to_b1.add_(other.sum(0))
        return to_y, to_w1, to_b1, to_w2, grad.sum(0)


def _rows_at_a_time(y: Tensor) -> int:
    """Rows of `y` (n, d) whose hidden layer is made at once."""
    n = max(1, len(y))
    if y.device.type == "cpu":
        n = min(n, CPU_ROWS)
    return n


def states_of_events(blocks: Any, x: Tensor, batch: SessionBatch) -> Tensor:
    """Events (T, d) after blocks of as many heads; each attends to itself and to those before."""
    if not len(blocks):
        return x
    events = torch.arange(len(x), device=x.device)  # (T,)
    pairs = batch.pairs_up_to(events).repeat(blocks[0].n_heads)  # of two events, for each head
    for block in blocks:
        x = block(x, x, pairs)  # (T, d)
    return x


def states_at_ends(blocks: Any, x: Tensor, batch: SessionBatch) -> Tensor:
    """Ends of prefixes (P, d) after some blocks, the last of which is for them alone."""
    *before, last = blocks
    x = states_of_events(before, x, batch)  # (T, d)
    at_ends = x.index_select(0, batch.ends)  # (P, d)
    pairs = batch.prefix_pairs.repeat(last.n_heads)  # of a prefix and an event, for each head
    return last(at_ends, x, pairs)  # (P, d)


def start_normal(linear: Any) -> None:
    """Start a linear map at N(0, .02), its biases at zero."""
    nn.init.normal_(linear.weight, std=0.02)
    nn.init.zeros_(linear.bias)


class AdditiveEnergy(nn.Module):
    """Energy w . sigmoid(q_i + k_j) of pairs of a query and a key.

    Parameters
    ----------
    dim : int
        Size of queries and keys.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Linear(dim, 1, bias=False).weight

    def forward(self, query: Tensor, key: Tensor, pairs: Pairs) -> Tensor:
        """Energies (M,) of the pairs of queries (n_rows, d) and keys (n_columns, d)."""
        return _AdditiveEnergy.apply(query, key, self.weight, pairs)


class _AdditiveEnergy(torch.autograd.Function):
    """Additive energies; of the pairs no more than the sigmoids are kept for the gradient."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, weight: Tensor, pairs: Pairs) -> Tensor:
        gate = query.index_select(0, pairs.rows)  # (M, d)
        gate.add_(key.index_select(0, pairs.columns)).sigmoid_()  # (M, d)
        ctx.save_for_backward(gate, weight)
        ctx.pairs = pairs
        return gate @ weight.squeeze(0)  # (M,)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        gate, weight = ctx.saved_tensors
        pairs: Pairs = ctx.pairs
        slope = torch.addcmul(gate, gate, gate, value=-1)  # (M, d)
        to_sum = slope.mul_(weight).mul_(grad.unsqueeze(1))  # (M, d)
        to_query = pairs.row_sums(to_sum)  # (n_rows, d)
        to_key = pairs.column_sums(to_sum)  # (n_columns, d)
        to_weight = grad.unsqueeze(0) @ gate  # (1, d)
        return to_query, to_key, to_weight, None
