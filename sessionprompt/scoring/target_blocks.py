"""Target attention of a few prefixes over all candidates: scores, and gradients from those of the scores."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..batches import Pairs

__all__ = ["Block", "Inputs", "blocks", "in_tiles"]

TILE = 2048  # candidates at a time: a core's own cache holds what a few dozen prefixes need of them
BLOCK = 8_000_000  # numbers kept of some prefixes and all candidates: 32 MB of float32
ON_GPU = 16  # times as many of both there
TINY = 1e-30  # a smaller sum of exponentials may have lost digits


class Inputs(NamedTuple):
    """States (P, d), keys and values (V, d), and pairs (M,) of a prefix, by rising prefix, and a node, with visits."""

    states: Tensor
    keys: Tensor
    values: Tensor
    prefix: Tensor
    node: Tensor
    visits: Tensor

    def part(self, rows: slice) -> tuple[Inputs, Tensor]:
        """Some prefixes with only the nodes they need, and which nodes those are."""
        bounds = self.prefix.new_tensor([rows.start, rows.stop])
        start, stop = torch.searchsorted(self.prefix, bounds).tolist()
        nodes, node = torch.unique(self.node[start:stop], return_inverse=True)
        prefix, visits = self.prefix[start:stop] - rows.start, self.visits[start:stop]
        return Inputs(
            self.states[rows], self.keys[nodes], self.values[nodes], prefix, node, visits
        ), nodes

    def apart(self) -> tuple[Inputs, Tensor]:
        """The same with nodes of its own for every prefix, and which nodes those were."""
        own = torch.arange(len(self.node), device=self.node.device)
        return self._replace(
            keys=self.keys[self.node], values=self.values[self.node], node=own
        ), self.node


class Block:
    """A few prefixes and their nodes against all candidates.

    Attributes
    ----------
    scores : Tensor of shape (tiles, P, candidates of a tile)
        To be replaced by their gradients before :meth:`add_gradients`; minus infinity where the
        last tile is too long.
    """

    def __init__(
        self, inputs: Inputs, origin: Tensor, tiles: Tensor, n_candidates: int, memory: Tensor
    ) -> None:
        self.inputs, self.origin, self.tiles, self.n_candidates = (
            inputs,
            origin,
            tiles,
            n_candidates,
        )
        n, p = len(inputs.keys), len(inputs.states)
        prefix, node, visits = inputs.prefix, inputs.node, inputs.visits.to(tiles.dtype)
        pairs = Pairs(prefix, node, p, n)
        self.of_prefix = partial(pairs.sum, visits)
        self.of_node = partial(pairs.transposed.sum, visits[pairs.order])
        self.empty = (torch.bincount(prefix, minlength=p) == 0).to(tiles.dtype).unsqueeze(1)
        self.sizes = [n, n, p, p, p]
        shape = torch.Size((len(tiles), sum(self.sizes), tiles.shape[1]))
        self.memory = memory if memory.numel() >= shape.numel() else tiles.new_empty(shape.numel())
        self.numbers = self.memory[: shape.numel()].view(shape)
        self.scores = self.numbers[:, 2 * n : 2 * n + p]

    def attend(self, shared: bool) -> bool:
        """Fill the block; False if exponentials over a highest one that prefixes share would lose digits."""
        left = torch.cat(self.inputs[1:3] + self.inputs[:1])
        for tile, numbers in zip(self.tiles, self.numbers, strict=True):
            torch.mm(left, tile.T, out=numbers[: len(left)])
            powers, products, scores, total, attended = numbers.split(self.sizes)
            powers.sub_(self._highest(powers, shared)).exp_()
            torch.add(self.of_prefix(powers), self.empty, out=total)
            if shared and total.min() < TINY:
                return False
            scores.add_(torch.div(self.of_prefix(powers * products), total, out=attended))
        self.scores[-1, :, self.n_candidates - self.tiles[:-1].shape[:2].numel() :] = -torch.inf
        return True

    def _highest(self, energies: Tensor, shared: bool) -> Tensor:
        if shared:
            return energies.amax(dim=0) if len(energies) else energies.new_zeros(())
        prefix = self.inputs.prefix.unsqueeze(1).expand_as(energies)
        highest = energies.new_empty(len(self.inputs.states), energies.shape[1])
        return highest.scatter_reduce_(0, prefix, energies, "amax", include_self=False)[
            self.inputs.prefix
        ]

    def add_gradients(
        self, factors: torch.dtype, states: Tensor, keys: Tensor, values: Tensor, table: Tensor
    ) -> None:
        """Write the gradients of the states from those of the scores, and add those of keys, values and table.

        A gradient g of a score reaches h_m . e as beta_m g, and k_m . e as beta_m g (h_m . e - the
        attended h . e). The factors of the last products are rounded to a type.
        """
        right = torch.cat(self.inputs[2:0:-1] + self.inputs[:1])
        sums, rounded = torch.zeros_like(right), right.to(factors)
        for k, (tile, numbers) in enumerate(zip(self.tiles, self.numbers, strict=True)):
            powers, products, grad, total, attended = numbers.split(self.sizes)
            share = torch.div(grad, total, out=total)
            reaching = self.of_node(share)
            products.mul_(reaching).sub_(self.of_node(attended.mul_(share))).mul_(powers)
            powers.mul_(reaching)
            left, part = (
                numbers[: len(right)].to(factors),
                table[k * len(tile) : (k + 1) * len(tile)],
            )
            sums += left @ tile.to(factors)
            part += left[:, : len(part)].T @ rounded
        n = len(self.inputs.keys)
        values.index_add_(0, self.origin, sums[:n])
        keys.index_add_(0, self.origin, sums[n : 2 * n])
        states.copy_(sums[2 * n :])


def blocks(inputs: Inputs, table: Tensor) -> Iterator[tuple[slice, Block]]:
    """Yield (rows, block) over all prefixes; a block takes over the memory of the one before it."""
    scale = ON_GPU if table.is_cuda else 1
    tiles = in_tiles(table, min(TILE * scale, len(table)))
    per_prefix = 2 * len(inputs.keys) / len(inputs.states) + 3
    step = max(1, int(BLOCK * scale / (per_prefix * len(table))))
    memory = table.new_empty(0)
    for start in range(0, len(inputs.states), step):
        rows = slice(start, min(start + step, len(inputs.states)))
        part, origin = inputs.part(rows)
        block = Block(part, origin, tiles, len(table), memory)
        if not block.attend(shared=True):
            own, node = part.apart()
            block = Block(own, origin[node], tiles, len(table), block.memory)
            block.attend(shared=False)
        yield rows, block
        memory = block.memory


def in_tiles(rows: Tensor, size: int) -> Tensor:
    """Rows (n, d) in tiles (n / size, size, d), the last one filled up with zeros."""
    return F.pad(rows, (0, 0, 0, -len(rows) % size)).unflatten(0, (-1, size))
