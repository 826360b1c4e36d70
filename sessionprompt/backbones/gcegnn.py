"""GCE-GNN: a session's own graph, and what surrounds its items in all training sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor, nn

from ..batches import Pairs, SessionBatch, SessionGraph
from ..graphs import top_neighbors, window_graph
from ._attention import AdditiveEnergy
from ._base import Backbone
from ._layers import Dropout, check_count, position_rows, segment_mean, uniform_, uniform_rows_

__all__ = ["GCEGNN"]


class GCEGNN(Backbone):
    """x_p = drop(local_p) + drop(global_p);  z = sum_p b_p x_p, b_p = w . sigmoid(G_1 t_p + G_2 mean(x) + g).

    t_p = tanh(W [pos_p ; x_p]), where positions count from the newest event.
    local: h_i = sum_j a_ij e_j, a_ij = softmax_j(leaky(a_r . (e_i * e_j))) over the neighbours j of
    i in the session and i itself, with one vector a_r for each way r they are joined (itself, from
    it, towards it, both ways). global: h_i = relu(Q_3 drop([e_i ; n_i])), n_i = sum_j softmax_j(q_2
    . leaky(Q_1 [q * e_j ; w_ij])) e_j over the neighbours j of i in all training sessions, with
    their counts w_ij and the session's mean q.

    The neighbours of an item are the `n_neighbours` that stood most often within `window` events of
    it, learned by :meth:`precompute`; an item with fewer has fewer, one without any has n_i = 0, where
    the authors' code draws some twice and RecBole-GNN attends to padding. When learning goes on,
    counts of new sessions are added to those kept of earlier ones. Every prefix is encoded on its
    own. Parameters start at U(-1/sqrt d, 1/sqrt d).

    Parameters
    ----------
    dim : int
        Size d of the vectors in and out.
    window : int, default=3
        As the authors have it; RecBole-GNN counts four events.
    n_neighbours : int, default=12
    hops : int, default=1
        Global layers; with two, as the authors use on some data, neighbours take in their own
        neighbours first.
    dropouts : (float, float, float), default=(0.0, 0.5, 0.0)
        On local states, on global states and inside the global layers, in training.
    n_positions : int, default=50
        Longest window.

    References
    ----------
    Wang et al., Global context enhanced graph neural networks for session-based recommendation,
    SIGIR 2020.
    """

    needs_items = True
    precomputed = ("neighbours", "counts")
    start_vectors = staticmethod(uniform_rows_)

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
        counts = {
            "window": window,
            "n_neighbours": n_neighbours,
            "hops": hops,
            "n_positions": n_positions,
        }
        for name, value in counts.items():
            check_count(name, value)
        self.window, self.n_neighbours = window, n_neighbours
        self.drop_local, self.drop_global = Dropout(dropouts[0]), Dropout(dropouts[1])
        self.relations = nn.Parameter(torch.empty(4, dim))
        self.global_layers = nn.ModuleList(_GlobalLayer(dim, dropouts[2]) for _ in range(hops))
        self.positions = nn.Parameter(torch.empty(n_positions, dim))
        self.place = nn.Linear(2 * dim, dim, bias=False)
        self.key, self.query = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.energy = AdditiveEnergy(dim)
        uniform_(self, dim**-0.5)
        self.neighbours: Tensor
        self.counts: Tensor
        self.register_buffer("neighbours", torch.empty(0, n_neighbours, dtype=torch.int32))
        self.register_buffer("counts", torch.empty(0, n_neighbours))

    def precompute(self, codes: np.ndarray, offsets: np.ndarray, n_items: int) -> None:
        """Find the neighbours of every item in the training sessions."""
        self._keep_heaviest(window_graph(codes, offsets, n_items, self.window))

    def merge_precomputed(self, earlier: Backbone, rows: np.ndarray) -> None:
        """Add the counts of the neighbours that were kept of earlier sessions, and keep the heaviest of all."""
        kept = [_edges(earlier, rows), _edges(self, np.arange(len(self.neighbours)))]
        items, others, counts = (np.concatenate(ends) for ends in zip(*kept, strict=True))
        n = len(self.neighbours)
        self._keep_heaviest(sparse.coo_array((counts, (items, others)), shape=(n, n)).tocsr())

    def _keep_heaviest(self, graph: sparse.csr_array) -> None:
        neighbours, counts = top_neighbors(graph, self.n_neighbours)
        self.neighbours = torch.from_numpy(neighbours).to(self.neighbours.device)
        self.counts = torch.from_numpy(counts).to(self.counts)

    def forward(self, x: Tensor, batch: SessionBatch, lookup: Callable[[Tensor], Tensor]) -> Tensor:  # type: ignore[override]
        """Session embeddings (P, d); `lookup` gives the vectors (n, d) of item codes (n,)."""
        if not len(self.neighbours):
            raise RuntimeError(
                "This model knows no neighbours yet; call precompute(codes, offsets, n_items) first."
            )
        graph = SessionGraph.of(batch)
        nodes = x.index_select(0, graph.first)  # (V, d)
        mean = segment_mean(x, batch.window, len(batch.lengths))  # (B, d)
        around = self._global(
            nodes, _Ring(batch.items.index_select(0, graph.first), graph.window), mean, lookup
        )
        states = self.drop_local(self._local(nodes, graph)) + self.drop_global(around)  # (V, d)
        return self._read(states.index_select(0, graph.node), batch)  # (P, d)

    def _local(self, nodes: Tensor, graph: SessionGraph) -> Tensor:
        pairs, relation = graph.relations  # of a node and a neighbour
        # (4 V, d), one for each way of being joined
        scaled = (nodes.unsqueeze(1) * self.relations).flatten(0, 1)
        ways = Pairs(pairs.rows, 4 * pairs.columns + relation, len(nodes), len(scaled))
        weights = pairs.softmax(F.leaky_relu(ways.dot(nodes, scaled), 0.2))  # (pairs,)
        return pairs.sum(weights, nodes)  # (V, d)

    def _global(
        self, nodes: Tensor, ring: _Ring, query: Tensor, lookup: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Ring by ring outwards for the neighbours, then layer by layer inwards for their vectors."""
        vectors, edges = [nodes], []
        for _ in self.global_layers:
            pairs, counts, ring = ring.around(self.neighbours, self.counts.to(nodes.dtype))
            distinct, place = torch.unique(ring.items, return_inverse=True)
            vectors.append(lookup(distinct).index_select(0, place))  # (R, d)
            edges.append((pairs, counts, query.index_select(0, ring.window)))
        for layer in self.global_layers:
            vectors = [
                layer(*both, *edge)
                for *both, edge in zip(vectors, vectors[1:], edges, strict=False)
            ]
        return vectors[0]  # (V, d)

    def _read(self, states: Tensor, batch: SessionBatch) -> Tensor:
        backwards = batch.lengths.index_select(0, batch.window) - 1 - batch.position  # (T,)
        places = torch.cat([position_rows(self.positions, backwards), states], dim=1)  # (T, 2d)
        query = self.query(segment_mean(states, batch.window, len(batch.lengths)))  # (P, d)
        pairs = batch.prefix_pairs  # of a prefix and an event
        weights = self.energy(query, self.key(self.place(places).tanh()), pairs)  # (T,)
        return pairs.sum(weights, states)  # (P, d)


def _edges(model: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items, neighbours and counts that a model knows, in codes as `rows` translates them."""
    neighbours, counts = model.neighbours.cpu().numpy(), model.counts.cpu().numpy()
    item, slot = np.nonzero(neighbours >= 0)
    return rows[item], rows[neighbours[item, slot]], counts[item, slot]


class _Ring(NamedTuple):
    """Items (R,) that windows look at, and the window (R,) that each is looked at by; nothing twice."""

    items: Tensor
    window: Tensor

    def around(self, neighbours: Tensor, counts: Tensor) -> tuple[Pairs, Tensor, _Ring]:
        """Pairs of this ring and the next one, which holds its neighbours, with their counts."""
        near = neighbours.index_select(0, self.items.clamp(min=0)).masked_fill_(
            (self.items < 0).unsqueeze(1), -1
        )
        place = torch.nonzero(near.flatten() >= 0).squeeze(1)  # (M,)
        row = place // near.shape[1]
        key = self.window.index_select(0, row) * len(neighbours) + near.flatten().index_select(
            0, place
        )
        distinct, column = torch.unique(key, return_inverse=True)
        joined = counts.index_select(0, self.items.clamp(min=0)).flatten().index_select(0, place)
        ring = _Ring(distinct % len(neighbours), distinct // len(neighbours))
        return Pairs(row, column, len(self.items), len(distinct)), joined, ring


class _GlobalLayer(nn.Module):
    """Attention of items over their neighbours in all sessions, as seen from one session."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.key, self.energy = nn.Linear(dim + 1, dim, bias=False), nn.Linear(dim, 1, bias=False)
        self.out, self.drop = nn.Linear(2 * dim, dim, bias=False), Dropout(dropout)

    def forward(
        self, own: Tensor, near: Tensor, pairs: Pairs, counts: Tensor, query: Tensor
    ) -> Tensor:
        """New vectors (n, d) of items with vectors `own`, from neighbours `near` (R, d) seen by `query` (R, d)."""
        of_vector, of_count = self.key.weight[:, :-1], self.key.weight[:, -1]  # (d, d), (d,)
        keys = F.linear(query * near, of_vector)  # (R, d)
        energy = _CountedEnergy.apply(keys, counts, of_count, self.energy.weight, pairs)  # (M,)
        context = pairs.sum(pairs.softmax(energy), near)  # (n, d)
        return self.out(self.drop(torch.cat([own, context], dim=1))).relu()  # (n, d)


class _CountedEnergy(torch.autograd.Function):
    """q . leaky(key_j + w_ij c) of pairs (i, j) with counts w; keeps no more than the leaky vectors."""

    @staticmethod
    def forward(
        ctx: Any, keys: Tensor, counts: Tensor, of_count: Tensor, weight: Tensor, pairs: Pairs
    ) -> Tensor:
        # (M, d)
        vectors = keys.index_select(0, pairs.columns).addcmul_(counts.unsqueeze(1), of_count)
        F.leaky_relu_(vectors, 0.2)
        ctx.save_for_backward(vectors, counts, weight)
        ctx.pairs = pairs
        return vectors @ weight.squeeze(0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        vectors, counts, weight = ctx.saved_tensors
        # (M, d)
        through = torch.ops.aten.leaky_relu_backward(grad.unsqueeze(1) * weight, vectors, 0.2, True)
        return (
            ctx.pairs.column_sums(through),
            None,
            counts @ through,
            grad.unsqueeze(0) @ vectors,
            None,
        )
