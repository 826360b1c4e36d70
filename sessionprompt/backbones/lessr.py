"""LESSR: an order-preserving graph layer and a shortcut attention layer in turn, densely connected."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batches import SessionBatch
from ..segments import segment_softmax, segment_sum
from ..session_graphs import SessionGraph
from ._base import Backbone
from ._layers import check_count, clip_length
from .gru4rec import recurrent_states

__all__ = ["LESSR"]


class LESSR(Backbone):
    """F <- [layer(F) ; F] over the nodes of a session;  z = W drop(norm([F_last ; g])) with an attended sum g.

    Layers alternate, starting with the first:
    order-preserving: PReLU(W_self F'_v + W_neigh n_v), n_v = last state of a GRU over the drop(F'_u) of the moves
    u -> v in time order, repeated moves included, zero without any;  F' = norm(F).
    shortcut: PReLU(sum_u a_uv W_v F'_u), a = softmax over the nodes u visited at or before some visit of v, of
    w . sigmoid(W_q F'_u + b_q + W_k F'_v);  F' = drop(norm(F)).
    Readout: g = PReLU(W_out sum_i a_i F'_i), a = softmax over nodes of w . sigmoid(U F'_i + V F'_last + b).

    Inputs and candidates longer than one are clipped to length one, as the authors' code does; the clip is
    differentiated. A node reaches itself by a shortcut, as there; ``self_loops=False`` is RecBole-GNN's reading. A
    batch of a single node is normed by the running statistics. Every prefix is encoded on its own.

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

    References
    ----------
    Chen and Wong, Handling information loss of graph neural networks for session-based recommendation, KDD 2020.
    """

    def __init__(
        self,
        dim: int,
        *,
        n_layers: int = 4,
        dropout: float = 0.2,
        batch_norm: bool = True,
        self_loops: bool = True,
    ) -> None:
        super().__init__(dim)
        check_count("n_layers", n_layers)
        norm = _Norm if batch_norm else _identity
        layers = (_OrderLayer, _ShortcutLayer)
        width = (n_layers + 1) * dim
        self.self_loops = self_loops
        self.layers = nn.ModuleList(
            layers[i % 2]((i + 1) * dim, dim, norm((i + 1) * dim), dropout) for i in range(n_layers)
        )
        self.readout = _Readout(width, dim, norm(width), dropout)
        self.norm, self.drop = norm(width + dim), nn.Dropout(dropout)
        self.out = nn.Linear(width + dim, dim, bias=False)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        """Session embeddings (P, d)."""
        graph = SessionGraph.of(batch)
        shortcuts = graph.shortcuts(self.self_loops)
        nodes = clip_length(x[graph.first])  # (V, d)
        for layer in self.layers:
            nodes = torch.cat([layer(nodes, graph, shortcuts), nodes], dim=1)  # (V, 2d), (V, 3d), ...
        last = graph.node[batch.ends]  # (P,)
        pair = torch.cat([nodes[last], self.readout(nodes, graph, last)], dim=1)  # (P, (n_layers + 2) d)
        return self.out(self.drop(self.norm(pair)))  # (P, d)

    def candidates(self, table: Tensor) -> Tensor:
        """Candidates of length one at most, (N, d)."""
        return clip_length(table)


class _Norm(nn.BatchNorm1d):
    """Batch normalisation that takes its running statistics for a single row, which has no spread."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            return super().forward(x)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def _identity(width: int) -> nn.Module:
    return nn.Identity()


class _OrderLayer(nn.Module):
    """A recurrent network at every node over what was visited just before it."""

    def __init__(self, width: int, dim: int, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm, self.drop = norm, nn.Dropout(dropout)
        self.gru = nn.GRU(width, width)
        self.own, self.neighbours = nn.Linear(width, dim, bias=False), nn.Linear(width, dim, bias=False)
        self.activation = nn.PReLU(dim)

    def forward(self, x: Tensor, graph: SessionGraph, shortcuts: tuple[Tensor, Tensor]) -> Tensor:
        x = self.norm(x)  # (V, width)
        out = self.own(x)  # (V, d)
        moves, arrivals = graph.arrivals
        if len(moves):
            states = recurrent_states(self.gru, self.drop(x)[graph.node[moves]], arrivals)  # (moves, width)
            target = graph.node[moves[arrivals.ends] + 1]
            out = out.index_add(0, target, self.neighbours(states[arrivals.ends]))  # (V, d)
        return self.activation(out)  # (V, d)


class _ShortcutLayer(nn.Module):
    """Attention of every node over all nodes visited up to its last visit."""

    def __init__(self, width: int, dim: int, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm, self.drop = norm, nn.Dropout(dropout)
        self.query, self.key = nn.Linear(width, dim), nn.Linear(width, dim, bias=False)
        self.value = nn.Linear(width, dim, bias=False)
        self.energy = nn.Linear(dim, 1, bias=False)
        self.activation = nn.PReLU(dim)

    def forward(self, x: Tensor, graph: SessionGraph, shortcuts: tuple[Tensor, Tensor]) -> Tensor:
        x = self.drop(self.norm(x))  # (V, width)
        source, target = shortcuts  # (pairs,) each
        energy = self.energy((self.query(x)[source] + self.key(x)[target]).sigmoid()).squeeze(1)  # (pairs,)
        weights = segment_softmax(energy, target, len(x)).unsqueeze(1)  # (pairs, 1)
        return self.activation(segment_sum(weights * self.value(x)[source], target, len(x)))  # (V, d)


class _Readout(nn.Module):
    """Attention of the last node over all nodes of its session."""

    def __init__(self, width: int, dim: int, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm, self.drop = norm, nn.Dropout(dropout)
        self.key, self.query = nn.Linear(width, dim, bias=False), nn.Linear(width, dim)
        self.energy = nn.Linear(dim, 1, bias=False)
        self.out = nn.Linear(width, dim, bias=False)
        self.activation = nn.PReLU(dim)

    def forward(self, x: Tensor, graph: SessionGraph, last: Tensor) -> Tensor:
        x = self.drop(self.norm(x))  # (V, width)
        energy = self.energy((self.key(x) + self.query(x[last])[graph.window]).sigmoid()).squeeze(1)  # (V,)
        weights = segment_softmax(energy, graph.window, len(last)).unsqueeze(1)  # (V, 1)
        return self.activation(self.out(segment_sum(weights * x, graph.window, len(last))))  # (P, d)
