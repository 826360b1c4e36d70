"""Ranks, losses and best items of many rows without their scores: what scores are kept for when they are kept.

The compiled module scores with rounded factors. That is enough to tell which items are too far off
to matter; all others are scored again in float32, so ranks and lists are exact. Losses are those of
the rounded scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor

from .compiled import compiled_log_sums
from .kernels import best, count_above, in_threads, parts, usable

__all__ = ["LEAST", "Screened", "can_screen_rows", "can_screen_table"]

# rows: a table is packed anew for each call, which costs as much as the plain product of so many
LEAST = 64


def can_screen_rows(states: object) -> TypeGuard[Tensor]:
    """Whether states are many enough, and whole."""
    return isinstance(states, Tensor) and len(states) >= LEAST and bool(states.isfinite().all())


def can_screen_table(table: Tensor) -> bool:
    """Whether a table suits; a look at all of it, so once for all batches."""
    return usable(table.device) and table.dtype == torch.float32 and bool(table.isfinite().all())


@dataclass(frozen=True)
class Screened:
    """Rows of scores ``states @ table.T`` that never exist.

    Parameters
    ----------
    states : Tensor of shape (n, d)
    table : Tensor of shape (n_items, d)
    """

    states: Tensor
    table: Tensor

    def ranks(self, targets: Tensor, ties: str) -> np.ndarray:
        """Rank of each row's target, as :func:`~sessionprompt.metrics.target_ranks` has it."""
        x, w, right = self.states.contiguous().numpy(), self.table.numpy(), targets.numpy()
        above, level = np.empty_like(right), np.empty_like(right)
        in_threads(
            lambda rows: count_above(w.shape[1], x[rows], w, right[rows], above[rows], level[rows]),
            parts(len(x), LEAST),
        )
        return 1 + above + level * {"optimistic": 0, "midpoint": 0.5, "pessimistic": 1}[ties]

    def losses(self, targets: Tensor) -> np.ndarray:
        """Cross-entropy of each row's target."""
        own = torch.linalg.vecdot(self.states, self.table[targets])
        others = compiled_log_sums(self.states, self.table, targets).squeeze(1)
        return (torch.logaddexp(others, own) - own).numpy()

    def highest(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Places and values of the `k` highest scores of each row, highest first, of equals the first."""
        x, w = self.states.contiguous().numpy(), self.table.numpy()
        places, values = np.empty((len(x), k), np.int64), np.empty((len(x), k), np.float32)
        in_threads(
            lambda rows: best(w.shape[1], x[rows], w, k, places[rows], values[rows]),
            parts(len(x), LEAST),
        )
        return places, values
