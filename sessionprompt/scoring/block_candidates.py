"""Candidates of the rows of a batch: a block for each cluster, and a sample that all share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["BlockCandidates", "BlockRows"]


@dataclass(frozen=True, eq=False)
class BlockCandidates:
    """Candidates of the rows of a batch.

    Attributes
    ----------
    own : LongTensor of shape (m,)
        Item codes of the candidates of all blocks, block by block.
    sizes : LongTensor of shape (C,)
        Candidates of each block.
    block : LongTensor of shape (B,)
        Block of each row; -1 for none.
    own_target : LongTensor of shape (B,)
        Which candidate of its block is a row's target; -1 where it is not among them.
    drawn : LongTensor of shape (S,)
        Item codes of the candidates that all rows share, each of them once: first those that no
        block holds already, then those that the first block holds, and so on.
    drawn_sizes : LongTensor of shape (C + 1,)
        How many of them there are of each.
    drawn_target : LongTensor of shape (B,)
        Which drawn candidate is a row's target; -1 where none is.
    log_weights : Tensor of shape (S,)
        Added to the scores of the drawn candidates.
    """

    own: Tensor
    sizes: Tensor
    block: Tensor
    own_target: Tensor
    drawn: Tensor
    drawn_sizes: Tensor
    drawn_target: Tensor
    log_weights: Tensor

    @property
    def lengths(self) -> list[int]:
        """Candidates of all blocks, drawn ones, and right ones."""
        return [len(self.own), len(self.drawn), len(self.block)]


class BlockRows(NamedTuple):
    """Rows in the order of their blocks, those without a block first."""

    order: Tensor  # (B,)
    x: Tensor  # (B, d), their states
    block: Tensor  # (B,)
    own_target: Tensor  # (B,)
    drawn_target: Tensor  # (B,)
    n_rows: list[int]  # without a block, and of each block

    @classmethod
    def of(cls, states: Tensor, candidates: BlockCandidates) -> BlockRows:
        """Rows of a batch, from states (B, d)."""
        order = torch.argsort(candidates.block, stable=True)  # (B,)
        block = candidates.block[order]  # (B,)
        n_rows = torch.bincount(block + 1, minlength=len(candidates.sizes) + 1)  # (C + 1,)
        targets = candidates.own_target[order], candidates.drawn_target[order]  # (B,) each
        return cls(order, states[order], block, *targets, n_rows.tolist())
