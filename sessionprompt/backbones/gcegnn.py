"""GCE-GNN: a session's own graph, and what surrounds its items in all training sessions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batches import SessionBatch
from ..graphs import top_neighbors, window_graph
from ..segments import segment_softmax, segment_sum
from ..session_graphs import SessionGraph
from ._base import Backbone
from ._layers import check_count, position_rows, segment_mean, uniform_

__all__ = ["GCEGNN"]


class GCEGNN(Backbone):
    """x_p = drop(local_p) + drop(global_p);  z = sum_p b_p x_p, b_p = w . sigmoid(G_1 t_p + G_2 mean(x) + g).

    t_p = tanh(W [pos_p ; x_p]), where positions count from the newest event.
    local: h_i = sum_j a_ij e_j, a_ij = softmax_j(leaky(a_r . (e_i * e_j))) over the neighbours j of i in the session
    and i itself, with one vector a_r for each way r they are joined (itself, from it, towards it, both ways).
    global: h_i = relu(Q_3 drop([e_i ; n_i])), n_i = sum_j softmax_j(q_2 . leaky(Q_1 [q * e_j ; w_ij])) e_j over the
    neighbours j of i in all training sessions, with their counts w_ij and the session's mean q.

    The neighbours of an item are the `n_neighbours` that stood most often within `window` events of it, learned by
    :meth:`observe`; an item with fewer has fewer, one without any has n_i = 0. Every prefix is encoded on its own.
    Parameters start at U(-1/sqrt d, 1/sqrt d).

    Parameters
    ----------
    dim : int
        Size d of the vectors in and out.
    window : int, default=3
    n_neighbours : int, default=12
    hops : int, default=1
        Global layers; with two, neighbours take in their own neighbours first.
    dropouts : (float, float, float), default=(0.0, 0.5, 0.0)
        On local states, on global states and inside the global layers, in training.
    n_positions : int, default=50
        Longest window.

    References
    ----------
    Wang et al., Global context enhanced graph neural networks for session-based recommendation, SIGIR 2020.
    """

    needs_items = True
    observed = ("neighbours", "counts")

    def __init__(
        self,
        dim: int,
        *,
        window: int = 3,
        n_neighbours: int = 12,
        hops: int = 1,
        dropouts: tuple[float, float, float] = (0.0, 0.5, 0.0),
        n_positions: int = 50,
    ) -> None:
        super().__init__(dim)
        counts = {"window": window, "n_neighbours": n_neighbours, "hops": hops, "n_positions": n_positions}
        for name, value in counts.items():
            check_count(name, value)
        self.window, self.n_neighbours = window, n_neighbours
        self.drop_local, self.drop_global = nn.Dropout(dropouts[0]), nn.Dropout(dropouts[1])
        self.relations = nn.Parameter(torch.empty(4, dim))
        self.global_layers = nn.ModuleList(_GlobalLayer(dim, dropouts[2]) for _ in range(hops))
        self.positions = nn.Parameter(torch.empty(n_positions, dim))
        self.place = nn.Linear(2 * dim, dim, bias=False)
        self.key, self.query = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.energy = nn.Linear(dim, 1, bias=False)
        uniform_(self, dim**-0.5)
        self.neighbours: Tensor
        self.counts: Tensor
        self.register_buffer("neighbours", torch.empty(0, n_neighbours, dtype=torch.int32))
        self.register_buffer("counts", torch.empty(0, n_neighbours))

    def observe(self, codes: np.ndarray, offsets: np.ndarray, n_items: int) -> None:
        """Find the neighbours of every item in the training sessions."""
        graph = window_graph(codes, offsets, n_items, self.window)
        neighbours, counts = top_neighbors(graph, self.n_neighbours)
        self.neighbours = torch.from_numpy(neighbours).to(self.neighbours.device)
        self.counts = torch.from_numpy(counts).to(self.counts)

    def forward(self, x: Tensor, batch: SessionBatch, lookup: Callable[[Tensor], Tensor]) -> Tensor:  # type: ignore[override]
        """Session embeddings (P, d); `lookup` gives the vectors (n, d) of item codes (n,)."""
        if not len(self.neighbours):
            raise RuntimeError("This model knows no neighbours yet; call observe(codes, offsets, n_items) first.")
        graph = SessionGraph.of(batch)
        nodes = x[graph.first]  # (V, d)
        mean = segment_mean(x, batch.session, len(batch.lengths))  # (B, d)
        around = self._global(nodes, batch.items[graph.first], mean[graph.window], lookup)  # (V, d)
        states = self.drop_local(self._local(nodes, graph)) + self.drop_global(around)  # (V, d)
        return self._read(states[graph.node], batch)  # (P, d)

    def _local(self, nodes: Tensor, graph: SessionGraph) -> Tensor:
        node, neighbour, relation = graph.relations  # (pairs,) each
        energy = torch.linalg.vecdot(self.relations[relation], nodes[node] * nodes[neighbour])  # (pairs,)
        weights = segment_softmax(F.leaky_relu(energy, 0.2), node, len(nodes)).unsqueeze(1)
        return segment_sum(weights * nodes[neighbour], node, len(nodes))  # (V, d)

    def _global(self, nodes: Tensor, items: Tensor, query: Tensor, lookup: Callable[[Tensor], Tensor]) -> Tensor:
        """Level by level outwards for the neighbours, then layer by layer inwards for their vectors."""
        codes, vectors, counts = [items.unsqueeze(1)], [nodes.unsqueeze(1)], []
        for _ in self.global_layers:
            known, place = codes[-1] >= 0, codes[-1].clamp(min=0)
            codes.append(torch.where(known.unsqueeze(2), self.neighbours[place].long(), -1).flatten(1))  # (V, S^k)
            counts.append(self.counts[place].to(nodes.dtype))  # (V, S^(k-1), S)
            distinct, place = torch.unique(codes[-1].clamp(min=0), return_inverse=True)
            vectors.append(lookup(distinct)[place])  # (V, S^k, d)
        for layer in self.global_layers:
            edges = zip(vectors, vectors[1:], codes[1:], counts, strict=False)
            vectors = [layer(*edge, query) for edge in edges]
        return vectors[0].squeeze(1)  # (V, d)

    def _read(self, states: Tensor, batch: SessionBatch) -> Tensor:
        backwards = batch.lengths[batch.session] - 1 - batch.position  # (T,)
        places = torch.cat([position_rows(self.positions, backwards), states], dim=1)  # (T, 2d)
        query = self.query(segment_mean(states, batch.session, len(batch.lengths)))  # (P, d)
        weights = self.energy((self.key(self.place(places).tanh()) + query[batch.session]).sigmoid())  # (T, 1)
        return segment_sum(weights * states, batch.session, len(batch.lengths))  # (P, d)


class _GlobalLayer(nn.Module):
    """Attention of items over their neighbours in all sessions, as seen from one session."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.key, self.energy = nn.Linear(dim + 1, dim, bias=False), nn.Linear(dim, 1, bias=False)
        self.out, self.drop = nn.Linear(2 * dim, dim, bias=False), nn.Dropout(dropout)

    def forward(self, own: Tensor, near: Tensor, codes: Tensor, counts: Tensor, query: Tensor) -> Tensor:
        """New vectors (V, n, d) of n items per node, each with S neighbours: near (V, n S, d), codes (V, n S)."""
        near, present = near.view(*counts.shape, -1), codes.view(counts.shape) >= 0  # (V, n, S, d), (V, n, S)
        keys = torch.cat([query[:, None, None] * near, counts.unsqueeze(-1)], dim=-1)  # (V, n, S, d + 1)
        energy = self.energy(F.leaky_relu(self.key(keys), 0.2)).squeeze(-1)  # (V, n, S)
        lowest = torch.finfo(energy.dtype).min  # not -inf, whose softmax over no neighbours has no gradient
        weights = energy.masked_fill(~present, lowest).softmax(dim=-1) * present  # (V, n, S)
        context = (weights.unsqueeze(-1) * near).sum(dim=-2)  # (V, n, d)
        return self.out(self.drop(torch.cat([own, context], dim=-1))).relu()  # (V, n, d)
