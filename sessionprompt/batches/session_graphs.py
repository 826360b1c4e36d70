"""Graphs of single sessions: nodes, moves and their orders, for all windows of a batch at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .batch import SessionBatch
from .pairs import Pairs

__all__ = ["SessionGraph"]


@dataclass(frozen=True)
class SessionGraph:
    """The distinct items of every window of a batch, and how the window moves between them.

    A node is an item of a window. Unknown items (code -1) cannot be told apart, so those of a
    window are one node. Events stand for moves: event p is the move from its node to the node of
    event p + 1.

    Attributes
    ----------
    batch : SessionBatch
    node : LongTensor of shape (T,)
        Node of each event.
    first : LongTensor of shape (V,)
        First event of each of the V nodes.

    Examples
    --------
    >>> from .batches import last_prefixes
    >>> from .encoding import EncodedSessions
    >>> sessions = EncodedSessions(np.array([7, 5, 7, 6]), np.array([0, 4]), {}, np.array([4]))
    >>> graph = SessionGraph.of(SessionBatch.collate(last_prefixes(sessions, max_length=50)))
    >>> graph.node.tolist(), graph.first.tolist()
    ([2, 0, 2, 1], [1, 3, 0])
    """

    batch: SessionBatch
    node: Tensor
    first: Tensor

    @classmethod
    def of(cls, batch: SessionBatch) -> SessionGraph:
        """Find the nodes of every window."""
        key = batch.window * (batch.items.max() + 2) + batch.items + 1
        return cls(batch, *_groups(key))

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def window(self) -> Tensor:
        """Window of each node, shape (V,)."""
        return self.batch.window[self.first]

    @cached_property
    def visits(self) -> Tensor:
        """Events at each node, shape (V,)."""
        return torch.bincount(self.node, minlength=len(self))

    @cached_property
    def last(self) -> Tensor:
        """Last event of each node, shape (V,)."""
        return self._by_node[self.visits.cumsum(0) - 1]

    @cached_property
    def moves(self) -> Tensor:
        """Events with a next event in their window, in time order; shape (T - B,)."""
        return torch.nonzero(self.batch.window[:-1] == self.batch.window[1:]).squeeze(1)

    @cached_property
    def edges(self) -> Tensor:
        """The moves that are the first between their two nodes: one per directed edge, in time order."""
        key = self.node[self.moves] * len(self) + self.node[self.moves + 1]
        return self.moves[_groups(key)[1].sort().values]

    @cached_property
    def visit(self) -> Tensor:
        """How many events of its node came before each event, shape (T,)."""
        rank = torch.empty_like(self._by_node)
        rank[self._by_node] = _arange(rank) - self._starts[self.node[self._by_node]]
        return rank

    @cached_property
    def next_visit(self) -> Tensor:
        """The next event at the same node; T where there is none; shape (T,)."""
        following = torch.full_like(self.node, len(self.node))
        before, after = self._by_node[:-1], self._by_node[1:]
        following[before] = torch.where(
            self.node[before] == self.node[after], after, len(self.node)
        )
        return following

    @cached_property
    def revisits(self) -> tuple[Tensor, Tensor]:
        """Pairs (later event, earlier event) at the same node."""
        later, place = _runs(self._starts[self.node], self.visit)
        return later, self._by_node[place]

    @cached_property
    def arrivals(self) -> tuple[Tensor, SessionBatch]:
        """The moves by the node they lead to, in time order, and the same as windows of a batch, one per such node.

        A move that happens twice is there twice. Nodes that no move leads to have no window.
        """
        target = self.node[self.moves + 1]
        order = torch.argsort(target, stable=True)
        sizes = torch.bincount(target, minlength=len(self))
        sizes = sizes[sizes > 0]
        moves, ends = self.moves[order], sizes.cumsum(0) - 1
        return moves, SessionBatch(self.batch.items[moves], {}, sizes, ends, np.empty(0, np.int64))

    def shortcuts(self, self_loops: bool = True) -> Pairs:
        """Pairs of nodes (to, from) of which the second is visited at or before some visit of the first.

        Without `self_loops` strictly before: a node leads to itself only if it is visited twice.
        """
        nodes = torch.bincount(self.window, minlength=len(self.batch.lengths))
        target, source = _runs((nodes.cumsum(0) - nodes)[self.window], nodes[self.window])
        first, last = self.first.index_select(0, source), self.last.index_select(0, target)
        reach = first <= last if self_loops else first < last
        return Pairs(target[reach], source[reach], len(self), len(self))

    @cached_property
    def relations(self) -> tuple[Pairs, Tensor]:
        """Pairs of a node and a neighbour, and how they are joined: 0 to itself, 1 from it, 2 towards it, 3 both ways.

        "From" means that the neighbour comes just before the node. An item that follows itself adds
        nothing.
        """
        source, target = self.node[self.edges], self.node[self.edges + 1]
        source, target = source[source != target], target[source != target]
        both = torch.isin(target * len(self) + source, source * len(self) + target)
        itself = _arange(self.first)
        kinds = torch.cat(
            [torch.zeros_like(itself), torch.where(both, 3, 1), torch.full_like(source[~both], 2)]
        )
        rows, columns = (
            torch.cat([itself, target, source[~both]]),
            torch.cat([itself, source, target[~both]]),
        )
        order = torch.argsort(rows, stable=True)
        return Pairs(rows[order], columns[order], len(self), len(self)), kinds[order]

    @cached_property
    def _by_node(self) -> Tensor:
        """Events by node, then by time, shape (T,)."""
        return torch.argsort(self.node, stable=True)

    @cached_property
    def _starts(self) -> Tensor:
        """Where the events of each node start in `_by_node`, shape (V,)."""
        return self.visits.cumsum(0) - self.visits


def _groups(key: Tensor) -> tuple[Tensor, Tensor]:
    """Group of each entry, numbered by rising key, and the first entry of each group."""
    values, group = torch.unique(key, return_inverse=True)
    first = torch.full_like(values, len(key)).scatter_reduce_(0, group, _arange(key), "amin")
    return group, first


def _runs(starts: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs (i, starts[i] + 0), (i, starts[i] + 1), ... up to sizes[i] of them, for every i."""
    owner = torch.repeat_interleave(sizes)
    return owner, (starts - sizes.cumsum(0) + sizes)[owner] + _arange(owner)


def _arange(like: Tensor) -> Tensor:
    return torch.arange(len(like), device=like.device)
