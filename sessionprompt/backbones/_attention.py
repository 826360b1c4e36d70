"""Attention over the events of ragged windows: transformer blocks and additive energies."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batches import Pairs
from ._layers import Dropout, check_count

__all__ = ["AdditiveEnergy", "Block"]


class Block(nn.Module):
    """A transformer block with norms after the sums.

    y = norm(drop(W_o attention(x)) + x);  z = norm(drop(W_2 gelu(W_1 y)) + y).

    Parameters
    ----------
    dim : int
    n_heads : int
        Has to divide `dim`.
    inner : int
        Width of the hidden layer.
    dropouts : (float, float)
        On attention weights and on the outputs of both parts, in training.
    """

    def __init__(self, dim: int, n_heads: int, inner: int, dropouts: tuple[float, float]) -> None:
        super().__init__()
        check_count("n_heads", n_heads)
        if dim % n_heads:
            raise ValueError(f"n_heads={n_heads} does not divide dim={dim}; choose a divisor.")
        self.n_heads = n_heads
        self.qkv, self.mix = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.widen, self.narrow = nn.Linear(dim, inner), nn.Linear(inner, dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=1e-12) for _ in range(2))
        self.drop_weights, self.drop = (Dropout(p) for p in dropouts)

    def forward(self, own: Tensor, x: Tensor, pairs: Pairs) -> Tensor:
        """Rows (n, d) that attend to events (T, d), as `pairs` of the two say for each head, to rows (n, d)."""
        y = self.norms[0](self.drop(self.mix(self._attend(own, x, pairs))) + own)  # (n, d)
        return self.norms[1](self.drop(self.narrow(F.gelu(self.widen(y)))) + y)  # (n, d)

    def _attend(self, own: Tensor, x: Tensor, pairs: Pairs) -> Tensor:
        d = x.shape[1]
        query = self._apart(F.linear(own, self.qkv.weight[:d], self.qkv.bias[:d]))  # (H n, d / H)
        key, value = map(
            self._apart, F.linear(x, self.qkv.weight[d:], self.qkv.bias[d:]).chunk(2, dim=1)
        )
        logits = pairs.dot(query / (d // self.n_heads) ** 0.5, key)  # (H pairs,)
        attended = pairs.sum(self.drop_weights(pairs.softmax(logits)), value)  # (H n, d / H)
        # (n, d)
        return attended.view(self.n_heads, -1, d // self.n_heads).transpose(0, 1).flatten(1)

    def _apart(self, rows: Tensor) -> Tensor:
        """Rows (n, d) head by head, (H n, d / H)."""
        return rows.view(len(rows), self.n_heads, -1).transpose(0, 1).flatten(0, 1)


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
    """Keeps no more than the sigmoids, and makes their gradient in the same memory."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, weight: Tensor, pairs: Pairs) -> Tensor:
        # (M, d)
        gate = query.index_select(0, pairs.rows).add_(key.index_select(0, pairs.columns)).sigmoid_()
        ctx.save_for_backward(gate, weight)
        ctx.pairs = pairs
        return gate @ weight.squeeze(0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        gate, weight = ctx.saved_tensors
        pairs: Pairs = ctx.pairs
        # (M, d)
        to_sum = torch.addcmul(gate, gate, gate, value=-1).mul_(weight).mul_(grad.unsqueeze(1))
        return pairs.row_sums(to_sum), pairs.column_sums(to_sum), grad.unsqueeze(0) @ gate, None
