"""The softmax loss of an inner product by torch's products, tile by tile.

This sweep and that of `compiled.py` take states (B, d), the table (N, d), targets (B,), the scores
(B, 1) of the targets and what is added to the scores (N,) of all others, if anything. They return
the log of the summed exponentials of these others (B, 1), and what they add to the gradients of the
mean loss: (B, d) of the states and (N, d) of the table.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from . import sizes
from .scratch import scratch
from .slices import slices_about

__all__ = ["Sweep", "tiled"]

Sweep = tuple[Tensor, Tensor, Tensor]


def tiled(
    states: Tensor,
    table: Tensor,
    targets: Tensor,
    target_score: Tensor,
    log_weights: Tensor | None,
    bfloat16: bool,
) -> Sweep:
    """Log-sum of the exponentials of all but the targets, and its gradients, some rows at a time.

    The first sweep over tiles of candidates makes exponentials, each tile relative to its own row
    maxima, and keeps them; when the whole sum is known the second uses them up for both gradients.
    A factor per row and tile makes them the softmax, so that nothing is exponentiated or multiplied
    twice. With `bfloat16` the exponentials are kept, and the factors of the gradients rounded, in
    that type; scores, sums and gradients are float32.
    """
    rest_logsumexp = torch.empty_like(target_score)  # (B, 1)
    states_grad = torch.zeros_like(states)  # (B, d)
    table_grad = torch.zeros_like(table)  # (N, d)
    blocks = list(slices_about(len(states), sizes.LOSS_ROWS.on(states.device)))
    factor_type = table.dtype
    if bfloat16:
        factor_type = torch.bfloat16
    tiles = _Tiles(blocks[0].stop, table, log_weights, factor_type)
    for rows in blocks:
        rest_logsumexp[rows] = tiles.exponentials(states[rows], targets[rows])
        total = torch.logaddexp(rest_logsumexp[rows], target_score[rows])  # (rows, 1)
        log_scale = total + math.log(len(states))  # (rows, 1), in the mean over all rows
        tiles.add_gradients(states[rows], log_scale, states_grad[rows], table_grad)
    return rest_logsumexp, states_grad, table_grad


class _Tiles:
    """Tiles of candidates, and buffers for the exponentials of some rows against all of them."""

    def __init__(
        self, n_rows: int, table: Tensor, log_weights: Tensor | None, factor_type: torch.dtype
    ) -> None:
        self.log_weights = log_weights
        self.columns = list(slices_about(len(table), sizes.LOSS_TILE.on(table.device)))
        self.tiles = [table[columns] for columns in self.columns]
        self.factors = [tile.to(factor_type) for tile in self.tiles]
        self.kept = [
            scratch("exponentials", number, n_rows * len(tile), factor_type, table.device)
            for number, tile in enumerate(self.tiles)
        ]
        n_scores = n_rows * len(self.tiles[0])
        self.scratch = scratch("scores", 0, n_scores, table.dtype, table.device)

    def exponentials(self, states: Tensor, targets: Tensor) -> Tensor:
        """Log of the summed exponentials of all but the targets, (rows, 1); keeps the exponentials.

        Kept is exp(score - highest score of the row in the tile).
        """
        self.highest = states.new_empty(len(self.tiles), len(states), 1)
        sums = torch.empty_like(self.highest)
        parts = zip(self.columns, self.tiles, self.kept, strict=True)
        for number, (columns, tile, kept) in enumerate(parts):
            n = len(states) * len(tile)
            buffer = self.scratch
            if kept.dtype == tile.dtype:
                buffer = kept
            scores = buffer[:n].view(len(states), len(tile))
            torch.mm(states, tile.T, out=scores)  # (rows, tile)
            if self.log_weights is not None:
                scores.add_(self.log_weights[columns])
            _leave_out(scores, targets - columns.start)
            torch.amax(scores, 1, keepdim=True, out=self.highest[number])  # (rows, 1)
            scores.sub_(self.highest[number]).exp_()
            torch.sum(scores, 1, keepdim=True, out=sums[number])  # (rows, 1)
            if buffer is not kept:
                kept[:n].view_as(scores).copy_(scores)
        return (self.highest + sums.log()).logsumexp(0)

    def add_gradients(
        self, states: Tensor, log_scale: Tensor, states_grad: Tensor, table_grad: Tensor
    ) -> None:
        """Add exp(scores - log_scale), the softmax without the targets, to both gradients."""
        scales = (self.highest - log_scale).exp_()  # (tiles, rows, 1)
        parts = zip(self.columns, self.factors, self.kept, scales, strict=True)
        for columns, factor, kept, scale in parts:
            n = len(states) * len(factor)
            exponentials = kept[:n].view(len(states), len(factor))  # (rows, tile)
            states_grad.addcmul_(scale, torch.mm(exponentials, factor))  # (rows, d)
            scaled = (scale * states).to(factor.dtype)  # (rows, d)
            table_grad[columns] += torch.mm(exponentials.T, scaled)  # (tile, d)


def _leave_out(scores: Tensor, columns: Tensor) -> None:
    """Make the score of each row in a column hopeless, if there is such a column.

    In place, and without waiting for a GPU. Hopeless is finite: it may be the only candidate.
    """
    inside = (columns >= 0) & (columns < scores.shape[1])  # (rows,)
    place = columns.clamp(0, scores.shape[1] - 1).unsqueeze(1)  # (rows, 1)
    hopeless = torch.finfo(scores.dtype).min / 4
    replaced = scores.gather(1, place).masked_fill_(inside.unsqueeze(1), hopeless)  # (rows, 1)
    scores.scatter_(1, place, replaced)
