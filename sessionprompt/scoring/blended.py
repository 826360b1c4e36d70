"""Scores in which the items of the prefix itself are weighed by a blend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..blending import Blend, OwnItems
from .protocol import AroundScores, Rows, Scores, ScoresInBlocks

__all__ = ["BlendedScores"]


@dataclass(frozen=True, eq=False)
class BlendedScores(AroundScores, ScoresInBlocks):
    """Scores of a model, with what a blend makes of those of the prefixes' own items.

    Parameters
    ----------
    scores : Scores
    own : OwnItems
        Items of the B prefixes, codes of candidates.
    blend : Blend
    """

    scores: Scores
    own: OwnItems
    blend: Blend

    def __getitem__(self, rows: Rows) -> BlendedScores:
        """Scores of some of the prefixes."""
        return BlendedScores(self.scores[rows], self._own_of(rows), self.blend)

    def blocks(self) -> Iterator[tuple[Rows, Scores]]:
        """Some rows at a time, with their scores, which are valid until the next are asked for."""
        for rows, part in self.scores.blocks():
            own = self._own_of(rows)
            pairs, old, best = own_scores(part, own)
            new = torch.from_numpy(self.blend.own_scores(own, old, best))  # (n_pairs,)
            yield rows, part.replaced(*pairs, new.to(self.device, self.dtype))

    def _own_of(self, rows: Rows) -> OwnItems:
        if isinstance(rows, slice) and rows == slice(0, len(self)):
            return self.own
        return self.own.take(torch.arange(len(self))[rows].numpy())


def own_scores(
    scores: Scores, own: OwnItems
) -> tuple[tuple[Tensor, Tensor], np.ndarray, np.ndarray]:
    """Pairs of prefixes and their own items, their scores, and the best score of each prefix.

    Returns
    -------
    pairs : tuple of LongTensor of shape (n_pairs,)
        Rows and codes, on the device of the scores.
    old : ndarray of shape (n_pairs,)
    best : ndarray of shape (B,)
    """
    row = torch.from_numpy(own.row).to(scores.device)  # (n_pairs,)
    item = torch.from_numpy(own.item).to(scores.device)  # (n_pairs,)
    old = scores.at(row, item).cpu().numpy()
    return (row, item), old, scores.best().cpu().numpy()
