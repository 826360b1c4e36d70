"""Session embeddings that depend on the candidate, scored without a vector per pair of session and candidate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .target_blocks import Inputs, blocks, in_tiles

__all__ = ["TargetAttention"]


@dataclass(frozen=True)
class TargetAttention:
    """score_j = (s + sum_m beta_jm h_m) . e_j with beta_j = softmax over the events m of the prefix of k_m . e_j.

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

    def __getitem__(self, rows: slice) -> TargetAttention:
        first, stop, _ = rows.indices(len(self))
        return TargetAttention(**Inputs(**vars(self)).part(slice(first, stop))[0]._asdict())

    def scores(self, table: Tensor) -> Tensor:
        """Scores (P, N) of the candidates of a table (N, d), differentiable once."""
        return _Scores.apply(table, *self._inputs())

    def cross_entropy(self, table: Tensor, targets: Tensor, low: bool = False) -> Tensor:
        """Mean cross-entropy of the softmax over the candidates; no more than a block of scores is kept.

        Parameters
        ----------
        table : Tensor of shape (N, d)
        targets : LongTensor of shape (P,)
            The right candidate of each prefix.
        low : bool, default=False
            Whether the factors of the gradient's products are rounded to bfloat16; scores and loss
            never are.

        Returns
        -------
        Tensor
            A scalar, differentiable (once) in `states`, `keys`, `values` and `table`.
        """
        return _CrossEntropy.apply(
            targets, torch.bfloat16 if low else table.dtype, table, *self._inputs()
        )

    def _inputs(self) -> Inputs:
        """What scores are made of. A single node has all attention: it joins the state, which saves its products."""
        alone = torch.bincount(self.prefix, minlength=len(self))[self.prefix] == 1
        states = self.states.index_add(0, self.prefix[alone], self.values[self.node[alone]])
        several = ~alone
        nodes, node = torch.unique(self.node[several], return_inverse=True)
        pairs = (self.prefix[several], node, self.visits[several])
        return Inputs(states, self.keys[nodes], self.values[nodes], *pairs)


class _Scores(torch.autograd.Function):
    """All scores; the backward pass computes what it needs of them anew, block by block."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(table, *inputs)
        scores = table.new_empty(len(inputs[0]), len(table))
        for rows, block in blocks(Inputs(*inputs), table):
            scores[rows] = block.scores.transpose(0, 1).flatten(1)[:, : len(table)]
        return scores

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        table, *inputs = ctx.saved_tensors
        sums = [torch.zeros_like(tensor) for tensor in (*inputs[:3], table)]
        for rows, block in blocks(Inputs(*inputs), table):
            block.scores.copy_(in_tiles(grad[rows].T, block.scores.shape[2]).transpose(1, 2))
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
            scores, target = block.scores, targets[rows]
            tile, place = target // scores.shape[2], target % scores.shape[2]
            chosen = tile, torch.arange(len(target), device=target.device), place
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
