"""Ranks, losses and best candidates of an inner product by the compiled kernels, without scores.

The kernels score with rounded factors. That is enough to tell which candidates are too far off to
matter; all others are scored again in float32, so ranks and lists are exact. Losses and log-sums
are those of the rounded scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._checks import check_choice
from ..kernels import count_greater, in_threads, parts, topk, usable
from . import sizes
from .compiled import compiled_logsumexp
from .protocol import TIE_SHARES, Rows, Scores

__all__ = ["CompiledScores", "in_range", "suits_kernels"]

LARGEST = 1e15  # number up to which squares and products, and sums of 10^8, stay within float32


def suits_kernels(vectors: Tensor) -> bool:
    """Whether kernels can rank candidates by these vectors; looks at all of them."""
    if not usable(vectors.device) or vectors.dtype != torch.float32:
        return False
    return in_range(vectors)


def in_range(vectors: Tensor) -> bool:
    """Whether no score of such vectors can leave the range of float32; not if one is NaN.

    Kernels compare what is finite only: they would lose candidates of other scores.
    """
    if not vectors.numel():
        return True
    lowest, highest = vectors.aminmax()
    return bool((lowest > -LARGEST) & (highest < LARGEST))


@dataclass(frozen=True, eq=False)
class CompiledScores(Scores):
    """Scores ``states @ table.T`` that never exist.

    Parameters
    ----------
    states : Tensor of shape (B, d)
    table : Tensor of shape (N, d)
        Both as :func:`in_range` asks for, in float32 and on the CPU.
    """

    states: Tensor
    table: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Number of prefixes and of candidates, (B, N)."""
        return len(self.states), len(self.table)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the scores."""
        return self.states.dtype

    @property
    def device(self) -> torch.device:
        """Device of the scores."""
        return self.states.device

    def __getitem__(self, rows: Rows) -> CompiledScores:
        """Scores of some of the prefixes."""
        return CompiledScores(self.states[rows], self.table)

    def of(self, codes: Tensor) -> Tensor:
        """Scores (B, m) of candidates (B, m) of each row."""
        return torch.linalg.vecdot(self.states.unsqueeze(1), self.table[codes])

    def logsumexp(self) -> Tensor:
        """Log of the summed exponentials of each row, (B,); the kernel leaves one candidate out."""
        first = torch.zeros(len(self), dtype=torch.long)  # (B,)
        return torch.logaddexp(self._rest_logsumexp(first), self._target_scores(first))

    def losses(self, targets: Tensor) -> Tensor:
        """Cross-entropy (B,) of the softmax, in which the target's own score is exact."""
        target_score = self._target_scores(targets)  # (B,)
        total = torch.logaddexp(self._rest_logsumexp(targets), target_score)  # (B,)
        return total - target_score

    def _rest_logsumexp(self, targets: Tensor) -> Tensor:
        return compiled_logsumexp(self.states, self.table, targets).squeeze(1)  # (B,)

    def count_greater(self, thresholds: Tensor, excluded: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of candidates above a threshold of each row and level with it, (B,) and (B,)."""
        greater, equal = self._count(excluded, thresholds.to(self.dtype).contiguous().numpy())
        broken = thresholds.isnan()  # (B,)
        if broken.any():
            counted = len(self.table) - (excluded >= 0).long()  # (B,)
            greater = torch.where(broken, counted, greater)
        return greater, equal

    def ranks(self, targets: Tensor, ties: str = "pessimistic") -> Tensor:
        """Rank (B,) of the right candidate (B,) of each row, the best being 1.

        The kernel scores targets as it scores the others, so equal vectors are level.
        """
        check_choice("ties", ties, TIE_SHARES)
        greater, equal = self._count(targets, None)
        return 1 + greater + TIE_SHARES[ties] * equal

    def _count(
        self, excluded: Tensor, thresholds: NDArray[np.float32] | None
    ) -> tuple[Tensor, Tensor]:
        """Numbers above thresholds and level with them; above the excluded without thresholds."""
        x = self.states.contiguous().numpy()  # (B, d)
        table = self.table.contiguous().numpy()  # (N, d)
        codes = excluded.contiguous().numpy()  # (B,)
        greater = torch.empty(len(x), dtype=torch.long)
        equal = torch.empty(len(x), dtype=torch.long)
        above = greater.numpy()
        level = equal.numpy()

        def count(rows: slice) -> None:
            limits = None
            if thresholds is not None:
                limits = thresholds[rows]
            count_greater(x[rows], table, codes[rows], limits, above[rows], level[rows])

        in_threads(count, parts(len(x), sizes.KERNEL_LEAST_ROWS))
        return greater, equal

    def topk(self, k: int) -> tuple[Tensor, Tensor]:
        """Codes and scores (B, k) of the best of each row, best first, and of equals the first."""
        x = self.states.contiguous().numpy()  # (B, d)
        table = self.table.contiguous().numpy()  # (N, d)
        codes = torch.empty(len(x), k, dtype=torch.long)
        values = torch.empty(len(x), k)
        found = codes.numpy()
        highest = values.numpy()

        def search(rows: slice) -> None:
            topk(x[rows], table, k, found[rows], highest[rows])

        in_threads(search, parts(len(x), sizes.KERNEL_LEAST_ROWS))
        return codes, values
