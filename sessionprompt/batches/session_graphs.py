"""Graphs of single sessions, for all windows of a batch at once: nodes, moves and their order."""

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
    """Distinct items of every window of a batch, and the moves of the window between them.

    A node is an item of a window, whether it is known or not: different codes are different items.
    Events stand for moves: event p is the move from its node to the node of event p + 1.

    Attributes
    ----------
    batch : SessionBatch
    node : LongTensor of shape (T,)
        Node of each event.
    first : LongTensor of shape (V,)
        First event of each of the V nodes.

    Examples
    --------
    >>> from sessionprompt.encoding import EncodedSessions, last_prefixes
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
        """Graph of the windows of a batch."""
        lowest, highest = batch.items.aminmax()
        n_codes = highest - lowest + 1
        key = batch.window * n_codes + (batch.items - lowest)  # (T,)
        node, first = _groups(key)  # (T,), (V,)
        return cls(batch, node, first)

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
        window = self.batch.window  # (T,)
        return torch.nonzero(window[:-1] == window[1:]).squeeze(1)  # (T - B,)

    @cached_property
    def edges(self) -> Tensor:
        """First move of each directed edge between two nodes, in time order; shape (edges,)."""
        source = self.node[self.moves]  # (moves,)
        target = self.node[self.moves + 1]  # (moves,)
        _, first = _groups(source * len(self) + target)  # (edges,)
        return self.moves[first.sort().values]  # (edges,)

    @cached_property
    def visit(self) -> Tensor:
        """Number of events of its node before each event, shape (T,)."""
        by_node = self._by_node  # (T,)
        visit = torch.empty_like(by_node)  # (T,)
        visit[by_node] = _arange(by_node) - self._starts[self.node[by_node]]
        return visit

    @cached_property
    def next_visit(self) -> Tensor:
        """Next event at the same node, T where there is none; shape (T,)."""
        n_events = len(self.node)
        event = self._by_node[:-1]  # (T - 1,)
        following = self._by_node[1:]  # (T - 1,)
        same_node = self.node[event] == self.node[following]  # (T - 1,)
        next_visit = torch.full_like(self.node, n_events)  # (T,)
        next_visit[event] = torch.where(same_node, following, n_events)
        return next_visit

    @cached_property
    def revisits(self) -> tuple[Tensor, Tensor]:
        """Pairs of a later and an earlier event at the same node, (revisits,) each."""
        later, place = _runs(self._starts[self.node], self.visit)  # (revisits,) each
        return later, self._by_node[place]

    @cached_property
    def arrivals(self) -> tuple[Tensor, SessionBatch]:
        """Moves (moves,) by the node they lead to, in time order, and the same as a batch.

        The batch has a window for each node that moves lead to. A move that happens twice is there
        twice.
        """
        target = self.node[self.moves + 1]  # (moves,)
        moves = self.moves[torch.argsort(target, stable=True)]  # (moves,)
        lengths = torch.bincount(target, minlength=len(self))  # (V,)
        lengths = lengths[lengths > 0]  # (targets,)
        ends = lengths.cumsum(0) - 1  # (targets,)
        no_events = np.empty(0, np.int64)
        return moves, SessionBatch(self.batch.items[moves], {}, lengths, ends, no_events)

    def shortcuts(self, self_loops: bool = True) -> Pairs:
        """Pairs of nodes (to, from), the second visited at or before some visit of the first.

        Without `self_loops` strictly before: a node leads to itself only if it is visited twice.
        """
        n_nodes = torch.bincount(self.window, minlength=len(self.batch.lengths))  # (B,)
        starts = n_nodes.cumsum(0) - n_nodes  # (B,)
        target, source = _runs(starts[self.window], n_nodes[self.window])  # (pairs,) each
        first = self.first.index_select(0, source)  # (pairs,)
        last = self.last.index_select(0, target)  # (pairs,)
        reached = first < last  # (pairs,)
        if self_loops:
            reached = first <= last  # (pairs,)
        return Pairs(target[reached], source[reached], len(self), len(self))

    @cached_property
    def relations(self) -> tuple[Pairs, Tensor]:
        """Pairs of a node and a neighbour, and the kind (pairs,) of the relation between them.

        A node is joined to itself (0), and to a neighbour that comes just before it (1), just after
        it (2), or both (3). An item that follows itself adds nothing.
        """
        source = self.node[self.edges]  # (edges,)
        target = self.node[self.edges + 1]  # (edges,)
        moves = source != target  # (edges,)
        source = source[moves]  # (E,)
        target = target[moves]  # (E,)
        two_way = torch.isin(target * len(self) + source, source * len(self) + target)  # (E,)
        one_way = ~two_way  # (E,); a two-way edge is there in both directions already
        itself = _arange(self.first)  # (V,)
        rows = torch.cat([itself, target, source[one_way]])  # (pairs,)
        columns = torch.cat([itself, source, target[one_way]])  # (pairs,)
        to_itself = torch.zeros_like(itself)  # (V,)
        before = torch.where(two_way, 3, 1)  # (E,)
        after = torch.full_like(source[one_way], 2)
        kinds = torch.cat([to_itself, before, after])  # (pairs,)
        order = torch.argsort(rows, stable=True)  # (pairs,)
        return Pairs(rows[order], columns[order], len(self), len(self)), kinds[order]

    @cached_property
    def _by_node(self) -> Tensor:
        """Events by node, then by time, shape (T,)."""
        return torch.argsort(self.node, stable=True)

    @cached_property
    def _starts(self) -> Tensor:
        """Place of the first event of each node in `_by_node`, shape (V,)."""
        return self.visits.cumsum(0) - self.visits


def _groups(key: Tensor) -> tuple[Tensor, Tensor]:
    """Group (n,) of each entry, numbered by rising key, and first entry (n_groups,) of each."""
    values, group = torch.unique(key, return_inverse=True)  # (n_groups,), (n,)
    first = torch.full_like(values, len(key))  # (n_groups,)
    first.scatter_reduce_(0, group, _arange(key), "amin")  # (n_groups,)
    return group, first


def _runs(starts: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs (i, starts[i] + 0), (i, starts[i] + 1), ... up to sizes[i] of them, for every i."""
    owner = torch.repeat_interleave(sizes)  # (pairs,)
    shifts = starts - sizes.cumsum(0) + sizes  # (n,)
    return owner, shifts[owner] + _arange(owner)


def _arange(like: Tensor) -> Tensor:
    """Numbers from 0, as many as `like` has entries."""
    return torch.arange(len(like), device=like.device)
