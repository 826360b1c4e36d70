"""Session embeddings that depend on the candidate, scored without a vector per pair of session and candidate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..segments import segment_sum

__all__ = ["TargetAttention"]

TILE = 1_048_576  # pairs of node and candidate at a time: 4 MB of float32 for each of a few tensors


@dataclass(frozen=True)
class TargetAttention:
    """score_j = (s + sum_m beta_jm h_m) . e_j with beta_j = softmax over the events m of the prefix of k_m . e_j.

    The sum is a weighted mean of the products h_m . e_j, so nothing of size (P, N, d) is needed. Candidates are taken
    a tile at a time, and the backward pass computes each tile anew: the memory is that of the scores.

    Attributes
    ----------
    states : Tensor of shape (P, d)
        The part s that is the same for all candidates.
    keys, values : Tensor of shape (M, d)
        k and h of the nodes of all prefixes.
    prefix : LongTensor of shape (M,)
        Prefix of each node, in 0..P-1.
    visits : LongTensor of shape (M,)
        Events of the prefix at the node.
    """

    states: Tensor
    keys: Tensor
    values: Tensor
    prefix: Tensor
    visits: Tensor

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, rows: slice) -> TargetAttention:
        first, stop, _ = rows.indices(len(self))
        inside = (self.prefix >= first) & (self.prefix < stop)
        nodes = (self.keys[inside], self.values[inside], self.prefix[inside] - first, self.visits[inside])
        return TargetAttention(self.states[rows], *nodes)

    def scores(self, table: Tensor) -> Tensor:
        """Scores (P, N) of the candidates of a table (N, d), differentiable once."""
        return _Scores.apply(self.states, self.keys, self.values, table, self.prefix, self.visits)


class _Scores(torch.autograd.Function):
    """score = s . e + t with t = sum_m beta_m r_m and r_m = h_m . e.

    A gradient g reaches r_m as beta_m g, and k_m . e as beta_m g (r_m - t).
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        states, table = inputs[0], inputs[3]
        ctx.save_for_backward(*inputs)
        scores = states.new_empty(len(states), len(table))
        for columns, _, _, _, attended in _tiles(*inputs):
            torch.addmm(attended, states, table[columns].T, out=scores[:, columns])
        return scores

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        states, keys, values, table, prefix, _ = ctx.saved_tensors
        keys_grad, values_grad, table_grad = torch.zeros_like(keys), torch.zeros_like(values), grad.T @ states
        for columns, powers, total, products, attended in _tiles(*ctx.saved_tensors):
            to_products = powers.mul_((grad[:, columns] / total)[prefix])  # (M, n)
            to_energies = products.sub_(attended[prefix]).mul_(to_products)  # (M, n)
            values_grad.addmm_(to_products, table[columns])
            keys_grad.addmm_(to_energies, table[columns])
            table_grad[columns].addmm_(to_products.T, values).addmm_(to_energies.T, keys)
        return grad @ table, keys_grad, values_grad, table_grad, None, None


def _tiles(
    states: Tensor, keys: Tensor, values: Tensor, table: Tensor, prefix: Tensor, visits: Tensor
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor, Tensor]]:
    """Yield (columns, exp(k . e), its sum per prefix, r, t) for slices of the candidates.

    Exponentials (M, n) are over those of the highest event of the prefix, sums are (P, n), r is (M, n) and t (P, n).
    """
    step, often = max(1, TILE // len(keys)), visits.to(keys.dtype).log().unsqueeze(1)
    for start in range(0, len(table), step):
        columns = slice(start, min(start + step, len(table)))
        powers, products = torch.addmm(often, keys, table[columns].T), values @ table[columns].T
        highest = powers.new_full((len(states), powers.shape[1]), -torch.inf)
        highest.scatter_reduce_(0, prefix.unsqueeze(1).expand_as(powers), powers, "amax")
        powers.sub_(highest[prefix]).exp_()
        total = segment_sum(powers, prefix, len(states))
        yield columns, powers, total, products, segment_sum(powers * products, prefix, len(states)).div_(total)
