"""Small layers that several models share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batches import generator_on, rows_drawn, segment_sum
from ._bounds import check_share

__all__ = [
    "Dropout",
    "dropped_out",
    "position_rows",
    "segment_mean",
    "uniform_",
    "uniform_rows_",
]


class Dropout(nn.Module):
    """Dropout of elements, as torch has it, on the CPU in a fifth of its time.

    Masks are drawn from the generator of the running context, see
    :func:`sessionprompt.batches.drawing`.

    In training elements are zero with probability `p`, and the others 1 / (1 - p) times as large.
    Four elements share a random number, so probabilities are multiples of 2**-16.

    Parameters
    ----------
    p : float
        From 0 to 1.
    rows : {"events", "prefixes"}, default="events"
        Of what there is a row. Processes that share a batch draw for all rows of it.
    """

    def __init__(self, p: float, rows: str = "events") -> None:
        super().__init__()
        check_share("dropout", p)
        self.p = p
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        """Rows `x` with dropped elements in training, `x` itself in evaluation."""
        if not self.training:
            return x
        return dropped_out(x, self.p, self.rows)

    def extra_repr(self) -> str:
        """Parameters in the text that stands for the layer."""
        return f"p={self.p}"


def dropped_out(x: Tensor, p: float, rows: str = "events") -> Tensor:
    """Rows `x` with elements dropped at probability `p`, as :class:`Dropout` has it."""
    dropped = round(p * 2**16)
    if not dropped:
        return x
    if dropped == 2**16:
        return x * 0
    known = rows_drawn(len(x), rows)
    before, total = known or (0, len(x))
    width = x[:1].numel()
    n_numbers = -(-total * width // 4)
    numbers = torch.empty(n_numbers, dtype=torch.int64, device=x.device)
    numbers.random_(-(2**63), None, generator=generator_on(x.device, of_rows=known is None))
    start = before * width
    parts = numbers.view(torch.int16)[start : start + x.numel()].view(x.shape)
    kept = parts >= dropped - 2**15
    scale = 2**16 / (2**16 - dropped)
    return x * kept.to(x.dtype).mul_(scale)


def segment_mean(values: Tensor, segments: Tensor, n_segments: int) -> Tensor:
    """Mean (n_segments, d) of the rows of `values` (n, d) in each segment, zero without rows."""
    counts = torch.bincount(segments, minlength=n_segments).clamp(min=1)  # (n_segments,)
    sums = segment_sum(values, segments, n_segments)  # (n_segments, d)
    return sums / counts.unsqueeze(1)  # (n_segments, d)


def position_rows(table: Tensor, positions: Tensor, longest: int) -> Tensor:
    """Rows (T, d) of a table of positions (n_positions, d), for windows of at most so many events.

    Raises
    ------
    ValueError
        When a window is longer than the table.
    """
    if longest > len(table):
        raise ValueError(
            f"n_positions={len(table)} is less than the {longest} events of a window; "
            f"build the backbone with n_positions={longest} or cut windows to "
            f"max_length={len(table)}."
        )
    return F.embedding(positions, table)


def uniform_(module: nn.Module, bound: float) -> None:
    """Draw every parameter of `module` from U(-bound, bound)."""
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -bound, bound)


def uniform_rows_(rows: Tensor) -> Tensor:
    """Draw a table (n, d) from U(-1/sqrt d, 1/sqrt d)."""
    bound = rows.shape[1] ** -0.5
    return nn.init.uniform_(rows, -bound, bound)
