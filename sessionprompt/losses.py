"""Softmax cross-entropy against the whole catalogue, in tiles that stay in cache: no (B, N) matrix is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbones import TargetAttention

__all__ = ["FullSoftmax", "linear_cross_entropy", "score_blocks"]

CPU_TILE = 512  # rows and columns of a tile of scores: 1 MB of float32, which a core's own cache holds
GPU_TILE = 16_384  # large enough to fill a GPU, small enough for its memory
BLOCK_SCORES = 4_194_304  # scores that ranking holds at a time: 16 MB of float32


def score_blocks(states: Tensor | TargetAttention, table: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield (rows, scores of those rows) with scores = states @ table.T, a few rows at a time.

    The scores may live in one buffer that the next block overwrites.
    """
    step = max(1, BLOCK_SCORES // len(table))
    blocks = [slice(start, min(start + step, len(states))) for start in range(0, len(states), step)]
    if isinstance(states, TargetAttention):
        yield from ((rows, states[rows].scores(table)) for rows in blocks)
        return
    buffer = states.new_empty(min(step, len(states)), len(table))
    for rows in blocks:
        yield rows, torch.mm(states[rows], table.T, out=buffer[: rows.stop - rows.start])


class _LinearCrossEntropy(torch.autograd.Function):
    """Loss and both gradients at once, tile by tile.

    Two sweeps over the tiles: the first finds each row's log of the sum of exponentials, the second makes the
    softmax and uses it up for both gradients. Computing every product of scores twice costs less than carrying
    the scores through memory.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        share = 1 / len(states)  # of each row in the mean
        chosen = table[targets]
        states_grad, table_grad = -share * chosen, torch.zeros_like(table)
        table_grad.index_add_(0, targets, states, alpha=-share)
        loss = -share * (states * chosen).sum()
        for rows in _slices(states):
            log_total = _log_sum_exp(states[rows], table)
            loss += share * log_total.sum()
            _add_gradients(states[rows], table, log_total - math.log(share), states_grad[rows], table_grad)
        ctx.save_for_backward(states_grad, table_grad)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        states_grad, table_grad = ctx.saved_tensors
        if grad.device.type == "cpu" and grad.item() == 1:  # the usual case, and a sweep over the table saved
            return states_grad, table_grad, None
        return grad * states_grad, grad * table_grad, None


def _tile(rows: Tensor) -> int:
    return CPU_TILE if rows.device.type == "cpu" else GPU_TILE


def _slices(rows: Tensor) -> Iterator[slice]:
    """About equal slices of about a tile; a few rows too many make the one slice larger, not a second one."""
    n = len(rows)
    step = math.ceil(n / max(1, round(n / _tile(rows))))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def _tiles(states: Tensor, table: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Scores of all of `states` against one slice of candidates after another, in one reused buffer."""
    buffer = states.new_empty(len(states) * next(_slices(table)).stop)
    for columns in _slices(table):
        candidates = table[columns]
        shape = (len(states), len(candidates))
        yield columns, torch.mm(states, candidates.T, out=buffer[: shape[0] * shape[1]].view(shape))


def _log_sum_exp(states: Tensor, table: Tensor) -> Tensor:
    """Log sum_j exp(states . table_j), shape (rows, 1), with a running maximum."""
    highest = states.new_full((len(states), 1), -torch.inf)
    total = states.new_zeros(len(states), 1)
    for _, scores in _tiles(states, table):
        higher = torch.maximum(highest, scores.amax(dim=1, keepdim=True))
        total.mul_((highest - higher).exp_()).add_(scores.sub_(higher).exp_().sum(dim=1, keepdim=True))
        highest = higher
    return highest + total.log()


def _add_gradients(states: Tensor, table: Tensor, log_total: Tensor, states_grad: Tensor, table_grad: Tensor) -> None:
    """Add exp(scores - log_total), the softmax part, to both gradients."""
    for columns, scores in _tiles(states, table):
        softmax = scores.sub_(log_total).exp_()
        states_grad.addmm_(softmax, table[columns])
        table_grad[columns].addmm_(softmax.T, states)


def linear_cross_entropy(states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of ``softmax(states @ table.T)`` without keeping the scores.

    Parameters
    ----------
    states : Tensor of shape (B, d)
    table : Tensor of shape (N, d)
        Candidate embeddings.
    targets : LongTensor of shape (B,)
        The right candidate of each row.

    Returns
    -------
    Tensor
        A scalar, differentiable (once) in `states` and `table`.

    Examples
    --------
    >>> states, table = torch.eye(2), torch.eye(2)
    >>> round(linear_cross_entropy(states, table, torch.tensor([0, 1])).item(), 4)
    0.3133
    """
    return _LinearCrossEntropy.apply(states, table, targets)


class FullSoftmax(nn.Module):
    """Criterion over (states, table) and targets: cross-entropy over the full catalogue."""

    def forward(self, scored: tuple[Tensor | TargetAttention, Tensor], targets: Tensor) -> Tensor:
        """Mean loss of states (B, d) against the candidate table (N, d)."""
        states, table = scored
        if isinstance(states, TargetAttention):
            return F.cross_entropy(states.scores(table), targets)
        return linear_cross_entropy(states, table, targets)
