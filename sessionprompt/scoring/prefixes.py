"""Encoded prefixes, and the scores to which they lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..batches import Elsewhere
from .dense import DenseScores
from .inner_product import Candidates, InnerProduct
from .protocol import AroundScores, Rows, Scores, ScoresInBlocks
from .target_attention import AttentionScores, TargetAttention

__all__ = ["EncodedPrefixes", "KnownOrPopular", "scores_against"]


def scores_against(
    states: Tensor | TargetAttention, candidates: Candidates
) -> InnerProduct | AttentionScores:
    """Scores of encoded prefixes against candidates.

    This is the one place that knows which kinds of session embeddings there are.

    Parameters
    ----------
    states : Tensor of shape (B, d) or TargetAttention
        Answer of a backbone.
    candidates : Candidates

    Examples
    --------
    >>> import torch
    >>> scores_against(torch.eye(2), Candidates(torch.eye(2))).shape
    (2, 2)
    """
    if isinstance(states, TargetAttention):
        return AttentionScores(states, candidates)
    return InnerProduct(states, candidates)


@dataclass(frozen=True, eq=False)
class EncodedPrefixes:
    """Encoded prefixes of a batch, to be scored against all candidates or some of them.

    As a pair it is ``states, table``, with the vectors of all candidates.

    Parameters
    ----------
    states : Tensor of shape (B, d) or TargetAttention
    candidate_vectors : callable
        Vectors (n, d) of item codes (n,), or those of all items, (N, d), if called with nothing.
    last_items : LongTensor of shape (B,), optional
        Code of the last item of each prefix, below 0 where it is unknown.
    elsewhere : Elsewhere, optional
        The rest of the batch, where several processes share it.
    """

    states: Tensor | TargetAttention
    candidate_vectors: Callable[..., Tensor]
    last_items: Tensor | None = None
    elsewhere: Elsewhere | None = None

    def __iter__(self) -> Iterator[Any]:
        return iter((self.states, self.candidate_vectors()))

    def all_targets(self, targets: Tensor) -> Tensor:
        """Targets (B,) of these prefixes, and after them those of the rest of the batch."""
        if self.elsewhere is None:
            return targets
        return torch.cat([targets, self.elsewhere.targets])

    def all_last_items(self, last_items: Tensor) -> Tensor:
        """Last items (B,) of these prefixes, and after them those of the rest of the batch."""
        if self.elsewhere is None:
            return last_items
        return torch.cat([last_items, self.elsewhere.last_items])

    def against_all(self) -> Scores:
        """Scores against all candidates, (B, N)."""
        return scores_against(self.states, Candidates(self.candidate_vectors()))

    def against(self, items: Tensor) -> Scores:
        """Scores against the items of some codes (n,), (B, n)."""
        return scores_against(self.states, Candidates(self.candidate_vectors(items)))


@dataclass(frozen=True, eq=False)
class KnownOrPopular(AroundScores, ScoresInBlocks):
    """Scores of prefixes, or popularity where nothing is known of a prefix.

    Parameters
    ----------
    scores : Scores
    known : BoolTensor of shape (B,)
        Prefixes that hold anything the model knows; on the CPU.
    popularity : Tensor of shape (N,)
    """

    scores: Scores
    known: Tensor
    popularity: Tensor

    def __getitem__(self, rows: Rows) -> KnownOrPopular:
        """Scores of some of the prefixes."""
        return KnownOrPopular(self.scores[rows], self.known[rows], self.popularity)

    def blocks(self) -> Iterator[tuple[Rows, Scores]]:
        """Some rows at a time, with their scores, which are valid until the next are asked for."""
        if self.known.all():
            yield from self.scores.blocks()
            return
        known_rows = self.known.nonzero().squeeze(1)  # (known,)
        unknown_rows = (~self.known).nonzero().squeeze(1)  # (unknown,)
        for rows, part in self.scores[known_rows].blocks():
            yield known_rows[rows], part
        popularity = self.popularity.to(self.dtype)  # (N,)
        yield unknown_rows, DenseScores(popularity.expand(len(unknown_rows), -1))
