"""Sweeps over all candidates for the softmax loss, by torch's products in tiles or by the compiled module.

Both take states (B, d), the table (N, d) and targets (B,), the scores (B, 1) of the targets and
what is added to the scores (N,) of all others, if anything. They return the log of the summed
exponentials of these others (B, 1) and what they add to the gradients of the mean loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["tiled"]

# whose exponentials are kept at a time: 11 MB of bfloat16 for 43,000 candidates, which caches still
# hold
ROWS = 128


COLUMNS = 4096  # of a tile of scores: 2 MB of float32, which the caches of a core still hold


GPU_TILE = 16_384  # rows and columns there: large enough to fill a GPU, small enough for its memory


Result = tuple[Tensor, Tensor, Tensor]


def tiled(
    states: Tensor,
    table: Tensor,
    targets: Tensor,
    own: Tensor,
    log_weights: Tensor | None,
    low: bool,
) -> Result:
    """Sweep with torch's products, some rows at a time.

    The first sweep over tiles of candidates makes exponentials, each tile relative to its own row
    maxima, and keeps them; when the whole sum is known the second uses them up for both gradients.
    A factor per row and tile makes them the softmax, so that nothing is exponentiated or multiplied
    twice. With `low` the exponentials are kept, and the factors of the gradients rounded, in
    bfloat16; scores, sums and gradients are float32.
    """
    others, of_states, of_table = (
        torch.empty_like(own),
        torch.zeros_like(states),
        torch.zeros_like(table),
    )
    blocks = list(_slices(len(states), ROWS if states.device.type == "cpu" else GPU_TILE))
    tiles = _Tiles(blocks[0].stop, table, log_weights, torch.bfloat16 if low else table.dtype)
    for rows in blocks:
        others[rows] = tiles.exponentials(states[rows], targets[rows])
        total = torch.logaddexp(others[rows], own[rows]) + math.log(len(states))
        tiles.add_gradients(states[rows], total, of_states[rows], of_table)
    return others, of_states, of_table


class _Tiles:
    """Tiles of candidates, and buffers for the exponentials of some rows against all of them."""

    def __init__(
        self, n_rows: int, table: Tensor, log_weights: Tensor | None, dtype: torch.dtype
    ) -> None:
        self.log_weights = log_weights
        self.columns = list(
            _slices(len(table), COLUMNS if table.device.type == "cpu" else GPU_TILE)
        )
        self.tiles = [table[columns] for columns in self.columns]
        self.factors = [tile.to(dtype) for tile in self.tiles]
        self.kept = [table.new_empty(n_rows * len(tile), dtype=dtype) for tile in self.tiles]
        self.scratch = table.new_empty(n_rows * len(self.tiles[0]))

    def exponentials(self, states: Tensor, targets: Tensor) -> Tensor:
        """Keep exp(scores - highest of the tile) of all but the targets; return the log of their sum, (rows, 1)."""
        self.highest = states.new_empty(len(self.tiles), len(states), 1)
        sums = torch.empty_like(self.highest)
        for place, (columns, tile, kept) in enumerate(
            zip(self.columns, self.tiles, self.kept, strict=True)
        ):
            n = len(states) * len(tile)
            buffer = kept if kept.dtype == tile.dtype else self.scratch
            scores = torch.mm(states, tile.T, out=buffer[:n].view(len(states), len(tile)))
            if self.log_weights is not None:
                scores.add_(self.log_weights[columns])
            _leave_out(scores, targets - columns.start)
            torch.amax(scores, 1, keepdim=True, out=self.highest[place])
            torch.sum(scores.sub_(self.highest[place]).exp_(), 1, keepdim=True, out=sums[place])
            if buffer is not kept:
                kept[:n].view_as(scores).copy_(scores)
        return (self.highest + sums.log()).logsumexp(0)

    def add_gradients(
        self, states: Tensor, total: Tensor, of_states: Tensor, of_table: Tensor
    ) -> None:
        """Add exp(scores - total), the softmax without the targets, to both gradients."""
        scales = (self.highest - total).exp_()  # (tiles, rows, 1)
        for columns, factor, kept, scale in zip(
            self.columns, self.factors, self.kept, scales, strict=True
        ):
            # up to the scale of its rows
            softmax = kept[: len(states) * len(factor)].view(len(states), len(factor))
            of_states.addcmul_(scale, torch.mm(softmax, factor))
            of_table[columns] += torch.mm(softmax.T, (scale * states).to(factor.dtype))


def _leave_out(scores: Tensor, columns: Tensor) -> None:
    """Make the score of each row in a column hopeless, if there is such a column; in place and without waiting."""
    inside = (columns >= 0) & (columns < scores.shape[1])
    place = columns.clamp(0, scores.shape[1] - 1).unsqueeze(1)
    hopeless = torch.finfo(scores.dtype).min / 4  # finite: it may be the only candidate
    scores.scatter_(1, place, scores.gather(1, place).masked_fill_(inside.unsqueeze(1), hopeless))


def _slices(n: int, size: int) -> Iterator[slice]:
    """About equal slices of 0..n-1 of about `size`; a few too many make the one slice larger, not a second one."""
    step = math.ceil(n / max(1, round(n / size)))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
