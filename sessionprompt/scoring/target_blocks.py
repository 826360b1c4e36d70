"""Target attention of a few prefixes over all candidates: scores and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..batches import Pairs
from . import sizes

__all__ = ["Block", "Inputs", "blocks", "in_tiles"]

TINY = 1e-30  # a smaller sum of exponentials may have lost digits


class Inputs(NamedTuple):
    """Ingredients of the scores of P prefixes: their own, those of V nodes, and M pairs of both.

    Attributes
    ----------
    states : Tensor of shape (P, d)
    keys, values : Tensor of shape (V, d)
    prefix, node : LongTensor of shape (M,)
        By rising prefix.
    visits : LongTensor of shape (M,)
    """

    states: Tensor
    keys: Tensor
    values: Tensor
    prefix: Tensor
    node: Tensor
    visits: Tensor

    def part(self, rows: slice) -> tuple[Inputs, Tensor]:
        """Some prefixes with only the nodes they need, and the numbers of those nodes, (nodes,)."""
        bounds = self.prefix.new_tensor([rows.start, rows.stop])
        start, stop = torch.searchsorted(self.prefix, bounds).tolist()
        nodes, node = torch.unique(self.node[start:stop], return_inverse=True)
        part = Inputs(
            states=self.states[rows],
            keys=self.keys[nodes],
            values=self.values[nodes],
            prefix=self.prefix[start:stop] - rows.start,
            node=node,
            visits=self.visits[start:stop],
        )
        return part, nodes

    def apart(self) -> tuple[Inputs, Tensor]:
        """The same with a node of its own for every pair, and the numbers that they had, (M,)."""
        keys = self.keys[self.node]  # (M, d)
        values = self.values[self.node]  # (M, d)
        node = torch.arange(len(self.node), device=self.node.device)  # (M,)
        return self._replace(keys=keys, values=values, node=node), self.node


class Block:
    """A few prefixes and their nodes against all candidates.

    Per tile it keeps one row of numbers for the powers exp(k . e) of each node, its product h . e,
    the score of each prefix, its total of powers and its attended product, in this order.

    Attributes
    ----------
    scores : Tensor of shape (tiles, P, candidates of a tile)
        To be replaced by their gradients before :meth:`add_gradients`; minus infinity where the
        last tile is too long.
    """

    def __init__(
        self, inputs: Inputs, origin: Tensor, tiles: Tensor, n_candidates: int, memory: Tensor
    ) -> None:
        self.inputs = inputs
        self.origin = origin  # (V,)
        self.tiles = tiles  # (tiles, tile, d)
        self.n_candidates = n_candidates
        n_nodes = len(inputs.keys)
        n_prefixes = len(inputs.states)
        visits = inputs.visits.to(tiles.dtype)  # (M,)
        pairs = Pairs(inputs.prefix, inputs.node, n_prefixes, n_nodes)
        self.sum_by_prefix = partial(pairs.sum, visits)
        self.sum_by_node = partial(pairs.transposed.sum, visits[pairs.order])
        n_pairs = torch.bincount(inputs.prefix, minlength=n_prefixes)  # (P,)
        self.empty = (n_pairs == 0).to(tiles.dtype).unsqueeze(1)  # (P, 1)
        self.sizes = [n_nodes, n_nodes, n_prefixes, n_prefixes, n_prefixes]
        shape = torch.Size((len(tiles), sum(self.sizes), tiles.shape[1]))
        if memory.numel() < shape.numel():
            memory = tiles.new_empty(shape.numel())
        self.memory = memory
        self.numbers = memory[: shape.numel()].view(shape)  # (tiles, rows of numbers, tile)
        self.scores = self.numbers[:, 2 * n_nodes : 2 * n_nodes + n_prefixes]

    def attend(self, shared: bool) -> bool:
        """Fill the block.

        Return False if powers over a highest one that prefixes share would lose digits.
        """
        left = torch.cat([self.inputs.keys, self.inputs.values, self.inputs.states])  # (2 V + P, d)
        for tile, numbers in zip(self.tiles, self.numbers, strict=True):
            torch.mm(left, tile.T, out=numbers[: len(left)])  # (2 V + P, tile)
            powers, products, scores, total, attended = numbers.split(self.sizes)
            powers.sub_(self._highest(powers, shared)).exp_()  # (V, tile)
            torch.add(self.sum_by_prefix(powers), self.empty, out=total)  # (P, tile)
            if shared and total.min() < TINY:
                return False
            weighted = self.sum_by_prefix(powers * products)  # (P, tile)
            torch.div(weighted, total, out=attended)  # (P, tile)
            scores.add_(attended)
        first_of_last = self.tiles[:-1].shape[:2].numel()
        self.scores[-1, :, self.n_candidates - first_of_last :] = -torch.inf
        return True

    def _highest(self, energies: Tensor, shared: bool) -> Tensor:
        """What is taken off energies (V, tile) before exp: (tile,) if shared, else (V, tile)."""
        if shared and not len(energies):
            return energies.new_zeros(())
        if shared:
            return energies.amax(dim=0)
        prefix = self.inputs.prefix.unsqueeze(1).expand_as(energies)  # (V, tile)
        highest = energies.new_empty(len(self.inputs.states), energies.shape[1])  # (P, tile)
        highest.scatter_reduce_(0, prefix, energies, "amax", include_self=False)
        return highest[self.inputs.prefix]

    def add_gradients(
        self,
        factor_type: torch.dtype,
        states_grad: Tensor,
        keys_grad: Tensor,
        values_grad: Tensor,
        table_grad: Tensor,
    ) -> None:
        """Write the gradients of the states, and add those of keys, values and table.

        A gradient g of a score reaches h_m . e as beta_m g, and k_m . e as beta_m g (h_m . e - the
        attended h . e). The factors of the last products are rounded to a type.
        """
        right = torch.cat(
            [self.inputs.values, self.inputs.keys, self.inputs.states]
        )  # (2 V + P, d)
        rounded = right.to(factor_type)
        sums = torch.zeros_like(right)  # (2 V + P, d)
        for number, (tile, numbers) in enumerate(zip(self.tiles, self.numbers, strict=True)):
            self._spread(numbers)
            left = numbers[: len(right)].to(factor_type)  # (2 V + P, tile)
            sums += left @ tile.to(factor_type)
            tile_grad = table_grad[number * len(tile) : (number + 1) * len(tile)]
            tile_grad += left[:, : len(tile_grad)].T @ rounded  # (tile, d)
        n_nodes = len(self.inputs.keys)
        values_grad.index_add_(0, self.origin, sums[:n_nodes])
        keys_grad.index_add_(0, self.origin, sums[n_nodes : 2 * n_nodes])
        states_grad.copy_(sums[2 * n_nodes :])

    def _spread(self, numbers: Tensor) -> None:
        """Gradients of a tile's products (V, tile) and energies (V, tile) from those of its scores.

        They take the places of the powers and of the products.
        """
        powers, products, grad, total, attended = numbers.split(self.sizes)
        share = torch.div(grad, total, out=total)  # (P, tile)
        reaching = self.sum_by_node(share)  # (V, tile)
        reaching_mean = self.sum_by_node(attended.mul_(share))  # (V, tile)
        products.mul_(reaching).sub_(reaching_mean).mul_(powers)  # (V, tile)
        powers.mul_(reaching)  # (V, tile)


def blocks(inputs: Inputs, table: Tensor) -> Iterator[tuple[slice, Block]]:
    """Yield (rows, block) over all prefixes; a block takes over the memory of the one before it."""
    tile_size = sizes.ATTENTION_TILE.on(table.device)
    whole_groups = len(table) + -len(table) % sizes.COLUMN_GROUP  # equal scores of equal vectors
    tiles = in_tiles(table, min(tile_size, whole_groups))  # (tiles, tile, d)
    step = _prefixes_at_a_time(inputs, table)
    memory = table.new_empty(0)
    for start in range(0, len(inputs.states), step):
        rows = slice(start, min(start + step, len(inputs.states)))
        block = _attending(inputs, rows, tiles, len(table), memory)
        yield rows, block
        memory = block.memory


def _prefixes_at_a_time(inputs: Inputs, table: Tensor) -> int:
    per_prefix = 2 * len(inputs.keys) / len(inputs.states) + 3
    most = sizes.ATTENTION_NUMBERS.on(table.device)
    return max(1, int(most / (per_prefix * len(table))))


def _attending(
    inputs: Inputs, rows: slice, tiles: Tensor, n_candidates: int, memory: Tensor
) -> Block:
    """A block of some prefixes, which share nodes unless digits would be lost."""
    part, origin = inputs.part(rows)
    block = Block(part, origin, tiles, n_candidates, memory)
    if not block.attend(shared=True):
        own_nodes, node = part.apart()
        block = Block(own_nodes, origin[node], tiles, n_candidates, block.memory)
        block.attend(shared=False)
    return block


def in_tiles(rows: Tensor, size: int) -> Tensor:
    """Rows (n, d) in tiles (n / size, size, d), the last one filled up with zeros."""
    return F.pad(rows, (0, 0, 0, -len(rows) % size)).unflatten(0, (-1, size))
