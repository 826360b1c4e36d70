"""LESSR: order-preserving graph layers and shortcut attention in turn, densely connected."""

from __future__ import annotations

from itertools import cycle, islice
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..batches import Pairs, SessionBatch, SessionGraph
from ._attention import AdditiveEnergy
from ._base import Backbone
from ._bounds import check_flags, check_repeats
from ._layers import Dropout
from ._norms import CountedNorm, NoNorm
from ._recurrent import recurrent_states
from ._rows import clip_length

__all__ = ["LESSR"]


class LESSR(Backbone):
    """Order-preserving layers and shortcut attention in turn, over the nodes of a session.

    ::

        F <- [layer(F) ; F]
        z = W drop(norm([F_last ; g]))

    Layers alternate. The first is order-preserving, where n_v is the last state of a GRU over the
    drop(F'_u) of the moves u -> v in time order, repeated moves included, and zero without any::

        F' = norm(F)
        layer(F)_v = PReLU(W_self F'_v + W_neigh n_v)

    The second is a shortcut, over the nodes u visited at or before some visit of v::

        F' = drop(norm(F))
        a_uv = softmax_u(w . sigmoid(W_q F'_u + b_q + W_k F'_v))
        layer(F)_v = PReLU(sum_u a_uv W_v F'_u)

    The readout attends over all nodes::

        a = softmax_i(w . sigmoid(U F'_i + V F'_last + b))
        g = PReLU(W_out sum_i a_i F'_i)

    Inputs and candidates longer than one are clipped to length one, as the authors' code does;
    RecBole-GNN leaves candidates as they are, which is ``clip_candidates=False``. The clip is
    differentiated. A node reaches itself by a shortcut, as in the authors' code;
    ``self_loops=False`` is RecBole-GNN's reading. A batch of a single node is normed by the running
    statistics. A window serves its prefixes up to the first repeated item, longer ones are encoded
    on their own; a node counts as often in the statistics as there are prefixes with it.

    Parameters
    ----------
    dim : int
        Size d of the vectors in and out.
    n_layers : int, default=4
    dropout : float, default=0.2
    batch_norm : bool, default=True
        Whether norm is batch normalisation over nodes, or nothing.
    self_loops : bool, default=True
        Whether every node attends to itself in the shortcut layers.
    clip_candidates : bool, default=True
        Whether candidates have length one at most.

    References
    ----------
    Chen and Wong, Handling information loss of graph neural networks for session-based
    recommendation, KDD 2020.
    """

    causal_if_distinct = True
    start_vectors = staticmethod(nn.init.normal_)

    def __init__(
        self,
        dim: int,
        *,
        n_layers: int = 4,
        dropout: float = 0.2,
        batch_norm: bool = True,
        self_loops: bool = True,
        clip_candidates: bool = True,
    ) -> None:
        super().__init__(dim)
        check_repeats(n_layers=n_layers)
        check_flags(batch_norm=batch_norm, self_loops=self_loops, clip_candidates=clip_candidates)
        norm: type[CountedNorm | NoNorm] = NoNorm
        if batch_norm:
            norm = CountedNorm
        self.self_loops = self_loops
        self.clip_candidates = clip_candidates
        self.layers = nn.ModuleList()
        width = dim
        for kind in islice(cycle((_OrderLayer, _ShortcutLayer)), n_layers):
            self.layers.append(kind(width, dim, norm(width), dropout))
            width += dim  # a layer's result is put beside its input
        self.readout = _Readout(width, dim, norm(width), dropout)
        self.norm = norm(width + dim)
        self.drop = Dropout(dropout)
        self.out = nn.Linear(width + dim, dim, bias=False)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        """Session embeddings (P, d)."""
        view = _View.of(SessionGraph.of(batch), self.self_loops)
        nodes = clip_length(x.index_select(0, view.graph.first))  # (V, d)
        for layer in self.layers:
            nodes = torch.cat([layer(nodes, view), nodes], dim=1)  # (V, 2d), (V, 3d), ...
        last = view.graph.node.index_select(0, batch.ends)  # (P,)
        read = self.readout(nodes, view, last)  # (P, d)
        both = torch.cat([nodes.index_select(0, last), read], dim=1)  # (P, (layers + 2) d)
        return self.out(self.drop(self.norm(both, None)))  # (P, d)

    def candidates(self, table: Tensor) -> Tensor:
        """Candidates (N, d), of length one at most unless they are to stay as they are."""
        if not self.clip_candidates:
            return table
        return clip_length(table)  # (N, d)


class _View(NamedTuple):
    """Graph of the windows of a batch, as the layers read it.

    Attributes
    ----------
    graph : SessionGraph
    shortcuts : Pairs
        Of a node and another that it attends to.
    members : Pairs
        Of a prefix and a node of it.
    copies : Tensor of shape (V,) or None
        Number of prefixes that hold each node; None where all are held by their own one.
    """

    graph: SessionGraph
    shortcuts: Pairs
    members: Pairs
    copies: Tensor | None

    @classmethod
    def of(cls, graph: SessionGraph, self_loops: bool) -> _View:
        """View of a graph, in which nodes may reach themselves by a shortcut."""
        batch = graph.batch
        prefix, event = batch.prefix_pairs  # (pairs,) each
        node = graph.node.index_select(0, event)  # (pairs,)
        is_first = graph.first.index_select(0, node) == event  # (pairs,), so a node is there once
        members = Pairs(prefix[is_first], node[is_first], len(batch), len(graph))
        copies = None
        if not batch.asks_at_ends:
            copies = torch.bincount(members.columns, minlength=len(graph))  # (V,)
        return cls(graph, graph.shortcuts(self_loops), members, copies)


class _OrderLayer(nn.Module):
    """Recurrent network at every node over the nodes visited just before it."""

    def __init__(self, width: int, dim: int, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm = norm
        self.drop = Dropout(dropout)
        self.gru = nn.GRU(width, width)
        self.own = nn.Linear(width, dim, bias=False)
        self.neighbours = nn.Linear(width, dim, bias=False)
        self.activation = nn.PReLU(dim)

    def forward(self, x: Tensor, view: _View) -> Tensor:
        """New states (V, d) of nodes with states `x` (V, width)."""
        x = self.norm(x, view.copies)  # (V, width)
        out = self.own(x)  # (V, d)
        moves, arrivals = view.graph.arrivals  # (moves,), a window per node with arrivals
        if len(moves):
            source = view.graph.node[moves]  # (moves,)
            messages = self.drop(x).index_select(0, source)  # (moves, width)
            states = recurrent_states(self.gru, messages, arrivals)  # (moves, width)
            newest = states.index_select(0, arrivals.ends)  # (targets, width)
            target = view.graph.node[moves[arrivals.ends] + 1]  # (targets,)
            out = out.index_add(0, target, self.neighbours(newest))  # (V, d)
        return self.activation(out)  # (V, d)


class _ShortcutLayer(nn.Module):
    """Attention of every node over all nodes visited up to its last visit."""

    def __init__(self, width: int, dim: int, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm = norm
        self.drop = Dropout(dropout)
        self.query = nn.Linear(width, dim)
        self.key = nn.Linear(width, dim, bias=False)
        self.value = nn.Linear(width, dim, bias=False)
        self.energy = AdditiveEnergy(dim)
        self.activation = nn.PReLU(dim)

    def forward(self, x: Tensor, view: _View) -> Tensor:
        """New states (V, d) of nodes with states `x` (V, width)."""
        x = self.drop(self.norm(x, view.copies))  # (V, width)
        pairs = view.shortcuts  # of two nodes
        energy = self.energy(self.key(x), self.query(x), pairs)  # (pairs,)
        attended = pairs.sum(pairs.softmax(energy), self.value(x))  # (V, d)
        return self.activation(attended)  # (V, d)


class _Readout(nn.Module):
    """Attention of the last node over all nodes of its session."""

    def __init__(self, width: int, dim: int, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm = norm
        self.drop = Dropout(dropout)
        self.key = nn.Linear(width, dim, bias=False)
        self.query = nn.Linear(width, dim)
        self.energy = AdditiveEnergy(dim)
        self.out = nn.Linear(width, dim, bias=False)
        self.activation = nn.PReLU(dim)

    def forward(self, x: Tensor, view: _View, last: Tensor) -> Tensor:
        """Vectors (P, d) of prefixes that end at the nodes `last` (P,); `x` is (V, width)."""
        x = self.drop(self.norm(x, view.copies))  # (V, width)
        pairs = view.members  # of a prefix and a node
        query = self.query(x.index_select(0, last))  # (P, d)
        energy = self.energy(query, self.key(x), pairs)  # (pairs,)
        attended = pairs.sum(pairs.softmax(energy), x)  # (P, width)
        return self.activation(self.out(attended))  # (P, d)
