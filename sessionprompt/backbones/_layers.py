"""Small layers that several models share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batches import SessionBatch
from ..segments import segment_softmax, segment_sum

__all__ = [
    "CausalBlock",
    "check_choice",
    "check_count",
    "clip_length",
    "history_pairs",
    "position_rows",
    "segment_mean",
    "uniform_",
    "unit",
]


def unit(x: Tensor) -> Tensor:
    """Scale the rows of `x` to length one; a zero row stays zero.

    Examples
    --------
    >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    return _Unit.apply(x)


class _Unit(torch.autograd.Function):
    """v / max(|v|, 1e-12). Its gradient reuses the result: half the memory traffic of the composed operations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min_(1e-12)
        result = x / length
        ctx.save_for_backward(result, length)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        result, length = ctx.saved_tensors
        along = torch.linalg.vecdot(grad, result).unsqueeze(-1)
        return torch.addcmul(grad, result, along, value=-1).div_(length)


def clip_length(x: Tensor) -> Tensor:
    """Shrink the rows of `x` that are longer than one to length one.

    Examples
    --------
    >>> clip_length(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1)


def segment_mean(values: Tensor, segments: Tensor, n_segments: int) -> Tensor:
    """Mean of the rows of `values` (n, d) that share a segment; zero where a segment has no rows."""
    counts = torch.bincount(segments, minlength=n_segments).clamp(min=1)
    return segment_sum(values, segments, n_segments) / counts.unsqueeze(1)


def history_pairs(batch: SessionBatch) -> tuple[Tensor, Tensor]:
    """Pairs (event, event at or before it in its window), each of shape (pairs,)."""
    return replace(batch, ends=torch.arange(len(batch.items), device=batch.items.device)).prefix_pairs


def position_rows(table: Tensor, positions: Tensor) -> Tensor:
    """Rows of a table of positions (n_positions, d), with an error for windows longer than the table."""
    longest = int(positions.max()) + 1
    if longest > len(table):
        raise ValueError(
            f"n_positions={len(table)} is less than the {longest} events of a window; "
            f"build the backbone with n_positions={longest} or cut windows to max_length={len(table)}."
        )
    return F.embedding(positions, table)


def uniform_(module: nn.Module, bound: float) -> None:
    """Draw every parameter of `module` from U(-bound, bound)."""
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -bound, bound)


def check_choice(name: str, value: str, known: Collection[str]) -> None:
    """Raise unless `value` is one of the `known` names."""
    if value not in known:
        raise ValueError(f"{name}={value!r} is not known; choose one of {sorted(known)}.")


def check_count(name: str, value: object) -> None:
    """Raise unless `value` is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}={value!r} must be an integer of at least 1.")


class CausalBlock(nn.Module):
    """A transformer block with norms after the sums, in which an event attends to itself and what came before.

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
        self.drop_weights, self.drop = (nn.Dropout(p) for p in dropouts)

    def forward(self, x: Tensor, pairs: tuple[Tensor, Tensor]) -> Tensor:
        """Event rows (T, d) to event rows (T, d); `pairs` as :func:`history_pairs` gives them."""
        y = self.norms[0](self.drop(self.mix(self._attend(x, *pairs))) + x)  # (T, d)
        return self.norms[1](self.drop(self.narrow(F.gelu(self.widen(y)))) + y)  # (T, d)

    def _attend(self, x: Tensor, later: Tensor, earlier: Tensor) -> Tensor:
        heads = self.qkv(x).view(len(x), 3, self.n_heads, -1)  # (T, 3, H, d / H)
        query, key, value = heads.unbind(1)
        logits = torch.linalg.vecdot(query[later], key[earlier]) / key.shape[-1] ** 0.5  # (pairs, H)
        weights = self.drop_weights(segment_softmax(logits, later, len(x))).unsqueeze(-1)  # (pairs, H, 1)
        return segment_sum(weights * value[earlier], later, len(x)).flatten(1)  # (T, d)
