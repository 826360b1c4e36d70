"""Session embeddings that depend on the candidate, without a vector per session and candidate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import sizes
from .cross_entropy import rounds_factors
from .dense import DenseScores
from .inner_product import Candidates
from .protocol import Rows, Scores, ScoresInBlocks
from .slices import slices_at_most
from .target_blocks import Inputs, blocks, in_tiles

__all__ = ["AttentionScores", "TargetAttention"]


@dataclass(frozen=True)
class TargetAttention:
    """Session embeddings of P prefixes, each a function of the candidate.

    With beta_j = softmax over the events m of the prefix of k_m . e_j, the score of candidate j is
    (s + sum_m beta_jm h_m) . e_j.

    The sum is a weighted mean of the products h_m . e_j, so nothing of size (P, N, d) is needed.
    Prefixes that share a node share its products and exponentials: the cost grows with the nodes,
    not with the pairs.

    Attributes
    ----------
    states : Tensor of shape (P, d)
        The part s that is the same for all candidates.
    keys, values : Tensor of shape (V, d)
        k and h of the nodes.
    prefix, node : LongTensor of shape (M,)
        Pairs of a prefix in 0..P-1 and a node of it in 0..V-1, by rising prefix. A prefix without
        nodes attends to nothing.
    visits : LongTensor of shape (M,)
        Events of the prefix at the node.
    """

    states: Tensor
    keys: Tensor
    values: Tensor
    prefix: Tensor
    node: Tensor
    visits: Tensor

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, rows: Rows) -> TargetAttention:
        chosen = torch.zeros(len(self), dtype=torch.bool, device=self.prefix.device)  # (P,)
        chosen[rows] = True
        place = chosen.cumsum(0) - 1  # (P,)
        kept = chosen[self.prefix]  # (M,)
        return TargetAttention(
            states=self.states[rows],
            keys=self.keys,
            values=self.values,
            prefix=place[self.prefix[kept]],
            node=self.node[kept],
            visits=self.visits[kept],
        )

    def scores(self, table: Tensor) -> Tensor:
        """Scores (P, N) of the candidates of a table (N, d), differentiable once."""
        return _AllScores.apply(table, *self._inputs())

    def cross_entropy(self, table: Tensor, targets: Tensor, bfloat16: bool = False) -> Tensor:
        """Mean cross-entropy of the softmax over the candidates.

        No more than a block of scores is kept.

        Parameters
        ----------
        table : Tensor of shape (N, d)
        targets : LongTensor of shape (P,)
            The right candidate of each prefix.
        bfloat16 : bool, default=False
            Whether the factors of the gradient's products are rounded to bfloat16; scores and loss
            never are.

        Returns
        -------
        Tensor
            A scalar, differentiable (once) in `states`, `keys`, `values` and `table`.
        """
        factor_type = table.dtype
        if bfloat16:
            factor_type = torch.bfloat16
        return _CrossEntropy.apply(targets, factor_type, table, *self._inputs())

    def _inputs(self) -> Inputs:
        """Inputs of the blocks: only nodes that share the attention of a prefix with others.

        A single node has all attention: it joins the state, which saves its products.
        """
        n_nodes = torch.bincount(self.prefix, minlength=len(self))  # (P,)
        alone = n_nodes[self.prefix] == 1  # (M,)
        attended = self.values[self.node[alone]]  # (pairs alone, d)
        states = self.states.index_add(0, self.prefix[alone], attended)  # (P, d)
        several = ~alone
        nodes, node = torch.unique(self.node[several], return_inverse=True)
        return Inputs(
            states=states,
            keys=self.keys[nodes],
            values=self.values[nodes],
            prefix=self.prefix[several],
            node=node,
            visits=self.visits[several],
        )


@dataclass(frozen=True, eq=False)
class AttentionScores(ScoresInBlocks):
    """Scores of session embeddings that depend on the candidate.

    Parameters
    ----------
    attention : TargetAttention
    candidates : Candidates
    """

    attention: TargetAttention
    candidates: Candidates

    @property
    def states(self) -> Tensor:
        """Session embeddings (B, d) without what they attend to."""
        return self.attention.states

    @property
    def shape(self) -> tuple[int, int]:
        """Number of prefixes and of candidates, (B, N)."""
        return len(self.attention), len(self.candidates)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the scores."""
        return self.states.dtype

    @property
    def device(self) -> torch.device:
        """Device of the scores."""
        return self.states.device

    def __getitem__(self, rows: Rows) -> AttentionScores:
        """Scores of some of the prefixes."""
        return AttentionScores(self.attention[rows], self.candidates)

    def matrix(self) -> Tensor:
        """All scores, (B, N)."""
        return self.attention.scores(self.candidates.vectors)

    def cross_entropy(
        self, targets: Tensor, precision: str = "auto", log_weights: Tensor | None = None
    ) -> Tensor:
        """Mean cross-entropy of the softmax; with weights, over the whole matrix of scores."""
        if log_weights is not None:
            return super().cross_entropy(targets, precision, log_weights)
        table = self.candidates.vectors  # (N, d)
        bfloat16 = rounds_factors(precision, table)
        return self.attention.cross_entropy(table, targets, bfloat16)

    def blocks(self) -> Iterator[tuple[Rows, Scores]]:
        """Some rows at a time, with their scores, which are valid until the next are asked for."""
        n_rows = max(1, sizes.BLOCK_SCORES // len(self.candidates))
        for rows in slices_at_most(len(self), n_rows):
            scores = self.attention[rows].scores(self.candidates.vectors)  # (rows, N)
            yield rows, DenseScores(scores.detach(), scratch=True)


class _AllScores(torch.autograd.Function):
    """All scores; the backward pass computes what it needs of them anew, block by block."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(table, *inputs)
        scores = table.new_empty(len(inputs[0]), len(table))
        for rows, block in blocks(Inputs(*inputs), table):
            by_prefix = block.scores.transpose(0, 1).flatten(1)  # (rows, tiles * tile)
            scores[rows] = by_prefix[:, : len(table)]
        return scores

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        table, *inputs = ctx.saved_tensors
        sums = [torch.zeros_like(tensor) for tensor in (*inputs[:3], table)]
        for rows, block in blocks(Inputs(*inputs), table):
            tiles = in_tiles(grad[rows].T, block.scores.shape[2])  # (tiles, tile, rows)
            block.scores.copy_(tiles.transpose(1, 2))
            block.add_gradients(table.dtype, sums[0][rows], *sums[1:])
        return sums[3], *sums[:3], None, None, None


class _CrossEntropy(torch.autograd.Function):
    """Loss and all gradients at once, block by block."""

    @staticmethod
    def forward(
        ctx: Any, targets: Tensor, factors: torch.dtype, table: Tensor, *inputs: Tensor
    ) -> Tensor:
        share = 1 / len(targets)  # of each prefix in the mean
        sums = [torch.zeros_like(tensor) for tensor in (*inputs[:3], table)]
        loss = table.new_zeros(())
        for rows, block in blocks(Inputs(*inputs), table):
            scores = block.scores  # (tiles, rows, tile)
            chosen = _target_places(targets[rows], scores.shape[2])
            log_total = scores.logsumexp(dim=(0, 2))  # (rows,)
            loss += share * (log_total - scores[chosen]).sum()
            scores.sub_((log_total - math.log(share)).unsqueeze(1)).exp_()
            scores[chosen] -= share
            block.add_gradients(factors, sums[0][rows], *sums[1:])
        ctx.save_for_backward(*sums)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        states, keys, values, table = (grad * tensor for tensor in ctx.saved_tensors)
        return None, None, table, states, keys, values, None, None, None


def _target_places(targets: Tensor, tile_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tile, row and place in the tile of each row's target, (rows,) each."""
    rows = torch.arange(len(targets), device=targets.device)
    return targets // tile_size, rows, targets % tile_size
