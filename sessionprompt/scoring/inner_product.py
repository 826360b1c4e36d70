"""Inner products of session embeddings and candidate vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from . import sizes
from .compiled_scores import CompiledScores, in_range, suits_kernels
from .cross_entropy import linear_cross_entropy
from .dense import DenseScores
from .protocol import Rows, Scores, ScoresInBlocks
from .slices import slices_at_most

__all__ = ["Candidates", "InnerProduct"]


class Candidates:
    """Candidate vectors, ready for one batch of prefixes after another.

    Parameters
    ----------
    vectors : Tensor of shape (N, d)
    kernels : bool, default=True
        Whether kernels may rank them; without, all scores exist, block by block.
    """

    def __init__(self, vectors: Tensor, kernels: bool = True) -> None:
        self.vectors = vectors
        self.kernels = kernels
        self._spare: Tensor | None = None  # memory for scores that no batch uses

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def suit_kernels(self) -> bool:
        """Whether kernels can rank them; a look at all of them, so once for all batches."""
        return self.kernels and suits_kernels(self.vectors)

    def take_memory(self, n_rows: int, states: Tensor) -> Tensor:
        """Memory for scores (n_rows, N) of states; rows start on lines of the cache."""
        spare = self._spare
        self._spare = None  # blocks of two batches at once do not share it
        if spare is not None and len(spare) >= n_rows and spare.dtype == states.dtype:
            return spare
        width = len(self) + -len(self) % sizes.CACHE_LINE
        return states.new_empty(n_rows, width)[:, : len(self)]

    def give_memory(self, memory: Tensor) -> None:
        """Leave memory to the next batch, which then needs no new pages."""
        self._spare = memory


@dataclass(frozen=True, eq=False)
class InnerProduct(ScoresInBlocks):
    """Scores ``states @ candidates.vectors.T``.

    The kernels rank and search where they can, if there are rows enough; blocks of scores are made
    elsewhere. Only the cross-entropy and the whole matrix are differentiable.

    Parameters
    ----------
    states : Tensor of shape (B, d)
        Session embeddings.
    candidates : Candidates

    Examples
    --------
    >>> scores = InnerProduct(torch.eye(2), Candidates(torch.eye(2)))
    >>> scores.topk(1)[0]
    tensor([[0],
            [1]])
    """

    states: Tensor
    candidates: Candidates

    @property
    def shape(self) -> tuple[int, int]:
        """Number of prefixes and of candidates, (B, N)."""
        return len(self.states), len(self.candidates)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the scores."""
        return self.states.dtype

    @property
    def device(self) -> torch.device:
        """Device of the scores."""
        return self.states.device

    def __getitem__(self, rows: Rows) -> InnerProduct:
        """Scores of some of the prefixes."""
        return InnerProduct(self.states[rows], self.candidates)

    def matrix(self) -> Tensor:
        """All scores, (B, N)."""
        return self.states @ self.candidates.vectors.T

    def cross_entropy(
        self, targets: Tensor, precision: str = "auto", log_weights: Tensor | None = None
    ) -> Tensor:
        """Mean cross-entropy of the softmax, see :func:`linear_cross_entropy`."""
        table = self.candidates.vectors
        if log_weights is not None:
            log_weights = log_weights.to(table.dtype)
        return linear_cross_entropy(self.states, table, targets, precision, log_weights)

    def blocks(self) -> Iterator[tuple[Rows, Scores]]:
        """Some rows at a time, with their scores, which are valid until the next are asked for."""
        states = self.states.detach()  # (B, d)
        table = self.candidates.vectors.detach()  # (N, d)
        if self._kernels_can_rank():
            yield slice(0, len(self)), CompiledScores(states, table)
            return
        n_rows = max(sizes.BLOCK_ROWS, sizes.BLOCK_SCORES // len(table))
        memory = self.candidates.take_memory(min(n_rows, len(self)), states)
        for rows in slices_at_most(len(self), n_rows):
            scores = memory[: rows.stop - rows.start]  # (rows, N)
            _multiply(states[rows], table, scores)
            yield rows, DenseScores(scores, scratch=True)
        self.candidates.give_memory(memory)

    def _kernels_can_rank(self) -> bool:
        if len(self) < sizes.KERNEL_LEAST_ROWS or not self.candidates.suit_kernels:
            return False
        return in_range(self.states)


def _multiply(states: Tensor, table: Tensor, scores: Tensor) -> None:
    """Write products (rows, N) of states (rows, d) and candidates (N, d), equal for equal vectors.

    Products make columns in groups, and may add up in another order where a group is incomplete.
    """
    n_rest = len(table) % sizes.COLUMN_GROUP
    whole = len(table) - n_rest
    if whole:
        torch.mm(states, table[:whole].T, out=scores[:, :whole])
    if n_rest:
        rest = F.pad(table[whole:], (0, 0, 0, sizes.COLUMN_GROUP - n_rest))  # (group, d)
        scores[:, whole:] = (states @ rest.T)[:, :n_rest]
