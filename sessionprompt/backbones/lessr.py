"""LESSR: an order-preserving graph layer and a shortcut attention layer in turn, densely connected."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..batches import Pairs, SessionBatch, SessionGraph
from ._attention import AdditiveEnergy
from ._base import Backbone
from ._layers import Dropout, check_count, clip_length
from ._norms import CountedNorm, NoNorm
from ._recurrent import recurrent_states

__all__ = ["LESSR"]


class LESSR(Backbone):
    """F <- [layer(F) ; F] over the nodes of a session;  z = W drop(norm([F_last ; g])) with an attended sum g.

    Layers alternate, starting with the first:
    order-preserving: PReLU(W_self F'_v + W_neigh n_v), n_v = last state of a GRU over the
    drop(F'_u) of the moves u -> v in time order, repeated moves included, zero without any;  F' =
    norm(F). shortcut: PReLU(sum_u a_uv W_v F'_u), a = softmax over the nodes u visited at or before
    some visit of v, of w . sigmoid(W_q F'_u + b_q + W_k F'_v);  F' = drop(norm(F)). Readout: g =
    PReLU(W_out sum_i a_i F'_i), a = softmax over nodes of w . sigmoid(U F'_i + V F'_last + b).

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
        check_count("n_layers", n_layers)
        norm = CountedNorm if batch_norm else NoNorm
        layers = (_OrderLayer, _ShortcutLayer)
        width = (n_layers + 1) * dim
        self.self_loops, self.clip_candidates = self_loops, clip_candidates
        self.layers = nn.ModuleList(
            layers[i % 2]((i + 1) * dim, dim, norm((i + 1) * dim), dropout) for i in range(n_layers)
        )
        self.readout = _Readout(width, dim, norm(width), dropout)
        self.norm, self.drop = norm(width + dim), Dropout(dropout)
        self.out = nn.Linear(width + dim, dim, bias=False)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        """Session embeddings (P, d)."""
        view = _View.of(SessionGraph.of(batch), self.self_loops)
        nodes = clip_length(x.index_select(0, view.graph.first))  # (V, d)
        for layer in self.layers:
            nodes = torch.cat([layer(nodes, view), nodes], dim=1)  # (V, 2d), (V, 3d), ...
        last = view.graph.node.index_select(0, batch.ends)  # (P,)
        # (P, (layers + 2) d)
        pair = torch.cat([nodes.index_select(0, last), self.readout(nodes, view, last)], dim=1)
        return self.out(self.drop(self.norm(pair, None)))  # (P, d)

    def candidates(self, table: Tensor) -> Tensor:
        """Candidates, of length one at most unless they are to stay as they are, (N, d)."""
        return clip_length(table) if self.clip_candidates else table


class _View(NamedTuple):
    """What the layers see of the windows.

    Attributes
    ----------
    graph : SessionGraph
    shortcuts : Pairs
        Of a node and another that it attends to.
    members : Pairs
        Of a prefix and a node of it.
    copies : Tensor of shape (V,) or None
        How many prefixes hold each node; None where all are held by one.
    """

    graph: SessionGraph
    shortcuts: Pairs
    members: Pairs
    copies: Tensor | None

    @classmethod
    def of(cls, graph: SessionGraph, self_loops: bool) -> _View:
        batch = graph.batch
        prefix, event = batch.prefix_pairs
        node = graph.node.index_select(0, event)
        once = graph.first.index_select(0, node) == event
        members = Pairs(prefix[once], node[once], len(batch), len(graph))
        alone = len(batch) == len(batch.lengths)
        copies = None if alone else torch.bincount(members.columns, minlength=len(graph))
        return cls(graph, graph.shortcuts(self_loops), members, copies)


class _OrderLayer(nn.Module):
    """A recurrent network at every node over what was visited just before it."""

    def __init__(self, width: int, dim: int, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm, self.drop = norm, Dropout(dropout)
        self.gru = nn.GRU(width, width)
        self.own, self.neighbours = (
            nn.Linear(width, dim, bias=False),
            nn.Linear(width, dim, bias=False),
        )
        self.activation = nn.PReLU(dim)

    def forward(self, x: Tensor, view: _View) -> Tensor:
        x = self.norm(x, view.copies)  # (V, width)
        out = self.own(x)  # (V, d)
        moves, arrivals = view.graph.arrivals
        if len(moves):
            messages = self.drop(x).index_select(0, view.graph.node[moves])  # (moves, width)
            # (targets, width)
            states = recurrent_states(self.gru, messages, arrivals).index_select(0, arrivals.ends)
            target = view.graph.node[moves[arrivals.ends] + 1]
            out = out.index_add(0, target, self.neighbours(states))  # (V, d)
        return self.activation(out)  # (V, d)


class _ShortcutLayer(nn.Module):
    """Attention of every node over all nodes visited up to its last visit."""

    def __init__(self, width: int, dim: int, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm, self.drop = norm, Dropout(dropout)
        self.query, self.key = nn.Linear(width, dim), nn.Linear(width, dim, bias=False)
        self.value = nn.Linear(width, dim, bias=False)
        self.energy = AdditiveEnergy(dim)
        self.activation = nn.PReLU(dim)

    def forward(self, x: Tensor, view: _View) -> Tensor:
        x, pairs = self.drop(self.norm(x, view.copies)), view.shortcuts  # (V, width)
        weights = pairs.softmax(self.energy(self.key(x), self.query(x), pairs))  # (pairs,)
        return self.activation(pairs.sum(weights, self.value(x)))  # (V, d)


class _Readout(nn.Module):
    """Attention of the last node over all nodes of its session."""

    def __init__(self, width: int, dim: int, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm, self.drop = norm, Dropout(dropout)
        self.key, self.query = nn.Linear(width, dim, bias=False), nn.Linear(width, dim)
        self.energy = AdditiveEnergy(dim)
        self.out = nn.Linear(width, dim, bias=False)
        self.activation = nn.PReLU(dim)

    def forward(self, x: Tensor, view: _View, last: Tensor) -> Tensor:
        x, pairs = self.drop(self.norm(x, view.copies)), view.members  # (V, width)
        energy = self.energy(self.query(x.index_select(0, last)), self.key(x), pairs)  # (pairs,)
        return self.activation(self.out(pairs.sum(pairs.softmax(energy), x)))  # (P, d)
