"""GCE-GNN: a session's own graph, and the neighbours of its items in all training sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor, nn

from .._checks import check_count
from ..batches import Pairs, SessionBatch, SessionGraph
from ..graphs import top_neighbors, window_graph
from ._attention import AdditiveEnergy
from ._base import Backbone
from ._bounds import check_repeats, shares
from ._layers import Dropout, position_rows, segment_mean, uniform_, uniform_rows_

__all__ = ["GCEGNN"]


class GCEGNN(Backbone):
    """Attention over the session's graph and over the neighbours of its items everywhere.

    ::

        x_p = drop(local_p) + drop(global_p)
        t_p = tanh(W [pos_p ; x_p])
        b_p = w . sigmoid(G_1 t_p + G_2 mean(x) + g)
        z = sum_p b_p x_p

    Positions count from the newest event. The local state of item i attends over its neighbours j
    in the session and itself, with one vector a_r for each way r in which they are joined (itself,
    from it, towards it, both ways)::

        a_ij = softmax_j(leaky(a_r . (e_i * e_j)))
        local_i = sum_j a_ij e_j

    The global state attends over the neighbours j of i in all training sessions, with their counts
    w_ij and the mean q of the session's vectors::

        n_i = sum_j softmax_j(q_2 . leaky(Q_1 [q * e_j ; w_ij])) e_j
        global_i = relu(Q_3 drop([e_i ; n_i]))

    The neighbours of an item are the `n_neighbours` that stood most often within `window` events of
    it, found by :meth:`precompute`; an item with fewer has fewer, one without any has n_i = 0,
    where the authors' code draws some twice and RecBole-GNN attends to padding. When learning goes
    on, counts of new sessions are added to those kept of earlier ones. Every prefix is encoded on
    its own. Parameters start at U(-1/sqrt d, 1/sqrt d).

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
            "n_positions": n_positions,
        }
        for name, value in counts.items():
            check_count(name, value)
        check_repeats(hops=hops)
        on_local, on_global, in_layers = shares("dropouts", dropouts, 3)
        self.window = window
        self.n_neighbours = n_neighbours
        self.n_positions = n_positions
        self.drop_local = Dropout(on_local)
        self.drop_global = Dropout(on_global)
        self.relations = nn.Parameter(torch.empty(4, dim))
        self.global_layers = nn.ModuleList(_GlobalLayer(dim, in_layers) for _ in range(hops))
        self.positions = nn.Parameter(torch.empty(n_positions, dim))
        self.place = nn.Linear(2 * dim, dim, bias=False)
        self.key = nn.Linear(dim, dim)
        self.query = nn.Linear(dim, dim, bias=False)
        self.energy = AdditiveEnergy(dim)
        uniform_(self, dim**-0.5)
        self.neighbours: Tensor
        self.counts: Tensor
        self.register_buffer("neighbours", torch.empty(0, n_neighbours, dtype=torch.int32))
        self.register_buffer("counts", torch.empty(0, n_neighbours))

    def precompute(self, codes: np.ndarray, offsets: np.ndarray, n_items: int) -> None:
        """Find the neighbours of every item in the training sessions, (n_items, n_neighbours)."""
        self._keep_heaviest(window_graph(codes, offsets, n_items, self.window))

    def merge_precomputed(self, earlier: Backbone, rows: np.ndarray) -> None:
        """Add the counts kept of earlier sessions, and keep the heaviest neighbours of all."""
        n_items = len(self.neighbours)
        kept = _kept_graph(earlier, rows, n_items)
        new = _kept_graph(self, np.arange(n_items), n_items)
        self._keep_heaviest(kept + new)

    def check_precomputed(self, n_items: int) -> None:
        """Raise a ValueError unless every item has neighbours among the items, or none."""
        within = (self.neighbours >= -1) & (self.neighbours < n_items)  # (n_items, n_neighbours)
        if len(self.neighbours) != n_items or len(self.counts) != n_items or not within.all():
            raise ValueError(
                f"model.safetensors: the neighbours of GCE-GNN must be a row for each of the "
                f"{n_items} items, of items or -1."
            )
        if (self.counts < 0).any():
            raise ValueError("model.safetensors: the counts of GCE-GNN must be 0 or more.")

    def _keep_heaviest(self, graph: sparse.csr_array) -> None:
        """Keep the heaviest neighbours of every item in a graph of counts (n_items, n_items)."""
        neighbours, counts = top_neighbors(graph, self.n_neighbours)
        self.neighbours = torch.from_numpy(neighbours).to(self.neighbours.device)
        self.counts = torch.from_numpy(counts).to(self.counts)

    def forward(  # type: ignore[override]
        self, x: Tensor, batch: SessionBatch, lookup: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Session embeddings (P, d); `lookup` gives the vectors (n, d) of item codes (n,)."""
        if not len(self.neighbours):
            raise RuntimeError(
                "This model knows no neighbours yet; "
                "call precompute(codes, offsets, n_items) first."
            )
        graph = SessionGraph.of(batch)
        nodes = x.index_select(0, graph.first)  # (V, d)
        mean = segment_mean(x, batch.window, len(batch.lengths))  # (B, d)
        items = batch.items.index_select(0, graph.first)  # (V,)
        around = self._global(nodes, _Hop(items, graph.window), mean, lookup)  # (V, d)
        local = self._local(nodes, graph)  # (V, d)
        states = self.drop_local(local) + self.drop_global(around)  # (V, d)
        return self._read(states.index_select(0, graph.node), batch)  # (P, d)

    def _local(self, nodes: Tensor, graph: SessionGraph) -> Tensor:
        """Local states (V, d) of nodes with vectors (V, d)."""
        pairs, relation = graph.relations  # of a node and a neighbour, (pairs,)
        scaled = nodes.unsqueeze(1) * self.relations  # (V, 4, d)
        scaled = scaled.flatten(0, 1)  # (4V, d)
        column = 4 * pairs.columns + relation  # (pairs,)
        energy = Pairs(pairs.rows, column, len(nodes), len(scaled)).dot(nodes, scaled)  # (pairs,)
        weights = pairs.softmax(F.leaky_relu(energy, 0.2))  # (pairs,)
        return pairs.sum(weights, nodes)  # (V, d)

    def _global(
        self, nodes: Tensor, hop: _Hop, query: Tensor, lookup: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Global states (V, d) of nodes with vectors (V, d), as seen by `query` (B, d) of windows.

        Hop by hop outwards for the neighbours, then layer by layer inwards for their vectors.
        """
        counts = self.counts.to(nodes.dtype)  # (n_items, n_neighbours)
        vectors = [nodes]  # (R, d) of every hop
        edges = []  # from every hop to the next
        for _ in self.global_layers:
            pairs, joined, hop = hop.neighbours(self.neighbours, counts)
            distinct, place = torch.unique(hop.items, return_inverse=True)
            vectors.append(lookup(distinct).index_select(0, place))  # (R, d)
            edges.append(_Edges(pairs, joined, query.index_select(0, hop.window)))
        for layer in self.global_layers:
            n_hops = len(vectors) - 1  # that still have neighbours
            vectors = [layer(vectors[i], vectors[i + 1], edges[i]) for i in range(n_hops)]
        return vectors[0]  # (V, d)

    def _read(self, states: Tensor, batch: SessionBatch) -> Tensor:
        """Session embeddings (P, d) from the states (T, d) of events."""
        backwards = batch.lengths.index_select(0, batch.window) - 1 - batch.position  # (T,)
        positions = position_rows(self.positions, backwards, batch.longest)  # (T, d)
        placed = self.place(torch.cat([positions, states], dim=1)).tanh()  # (T, d)
        mean = segment_mean(states, batch.window, len(batch.lengths))  # (P, d)
        pairs = batch.prefix_pairs  # of a prefix and an event
        weights = self.energy(self.query(mean), self.key(placed), pairs)  # (pairs,)
        return pairs.sum(weights, states)  # (P, d)


def _kept_graph(model: Any, rows: np.ndarray, n_items: int) -> sparse.csr_array:
    """Counts (n_items, n_items) that a model keeps, in codes as `rows` translates them."""
    neighbours = model.neighbours.cpu().numpy()  # (n, n_neighbours)
    counts = model.counts.cpu().numpy()  # (n, n_neighbours)
    item, slot = np.nonzero(neighbours >= 0)
    places = (rows[item], rows[neighbours[item, slot]])
    return sparse.coo_array((counts[item, slot], places), shape=(n_items, n_items)).tocsr()


class _Hop(NamedTuple):
    """Items that windows reach in some steps, each with its window; nothing twice.

    Attributes
    ----------
    items : LongTensor of shape (R,)
    window : LongTensor of shape (R,)
    """

    items: Tensor
    window: Tensor

    def neighbours(self, neighbours: Tensor, counts: Tensor) -> tuple[Pairs, Tensor, _Hop]:
        """Pairs of this hop and the next, which holds its neighbours; their counts; the next."""
        n_items = len(neighbours)
        row_of = self.items.clamp(min=0)  # (R,)
        near = neighbours.index_select(0, row_of)  # (R, n_neighbours)
        near.masked_fill_((self.items < 0).unsqueeze(1), -1)  # (R, n_neighbours)
        place = torch.nonzero(near.flatten() >= 0).squeeze(1)  # (M,)
        row = place // near.shape[1]  # (M,)
        item = near.flatten().index_select(0, place)  # (M,)
        key = self.window.index_select(0, row) * n_items + item  # (M,)
        distinct, column = torch.unique(key, return_inverse=True)  # (R',), (M,)
        joined = counts.index_select(0, row_of).flatten().index_select(0, place)  # (M,)
        pairs = Pairs(row, column, len(self.items), len(distinct))
        return pairs, joined, _Hop(distinct % n_items, distinct // n_items)


class _Edges(NamedTuple):
    """Edges from a hop to the next one.

    Attributes
    ----------
    pairs : Pairs
        The M pairs of an item and a neighbour in the next hop.
    counts : Tensor of shape (M,)
    query : Tensor of shape (R, d)
        Mean of the window by which each item of the next hop is seen.
    """

    pairs: Pairs
    counts: Tensor
    query: Tensor


class _GlobalLayer(nn.Module):
    """Attention of items over their neighbours in all sessions, as seen from one session."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.key = nn.Linear(dim + 1, dim, bias=False)
        self.energy = nn.Linear(dim, 1, bias=False)
        self.out = nn.Linear(2 * dim, dim, bias=False)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, near: Tensor, edges: _Edges) -> Tensor:
        """New vectors (n, d) of items with vectors `x` (n, d) and neighbours `near` (R, d)."""
        of_vector = self.key.weight[:, :-1]  # (d, d)
        of_count = self.key.weight[:, -1]  # (d,)
        keys = F.linear(edges.query * near, of_vector)  # (R, d)
        energy = _CountedEnergy.apply(
            keys, edges.counts, of_count, self.energy.weight, edges.pairs
        )  # (M,)
        context = edges.pairs.sum(edges.pairs.softmax(energy), near)  # (n, d)
        both = self.drop(torch.cat([x, context], dim=1))  # (n, 2d)
        return self.out(both).relu()  # (n, d)


class _CountedEnergy(torch.autograd.Function):
    """q . leaky(key_j + w_ij c) of pairs (i, j) with counts w.

    No more than the leaky vectors is kept for the gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, keys: Tensor, counts: Tensor, of_count: Tensor, weight: Tensor, pairs: Pairs
    ) -> Tensor:
        vectors = keys.index_select(0, pairs.columns)  # (M, d)
        vectors.addcmul_(counts.unsqueeze(1), of_count)  # (M, d)
        F.leaky_relu_(vectors, 0.2)  # (M, d)
        ctx.save_for_backward(vectors, counts, weight)
        ctx.pairs = pairs
        return vectors @ weight.squeeze(0)  # (M,)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        vectors, counts, weight = ctx.saved_tensors
        to_leaky = grad.unsqueeze(1) * weight  # (M, d)
        through = torch.ops.aten.leaky_relu_backward(to_leaky, vectors, 0.2, True)  # (M, d)
        to_keys = ctx.pairs.column_sums(through)  # (R, d)
        to_of_count = counts @ through  # (d,)
        to_weight = grad.unsqueeze(0) @ vectors  # (1, d)
        return to_keys, None, to_of_count, to_weight, None
