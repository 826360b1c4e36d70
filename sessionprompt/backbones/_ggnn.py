"""The gated graph network that SR-GNN, TAGNN and GC-SAN read a session with, and the attention of the first two."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .._checks import check_choice
from ..batches import Pairs, SessionBatch, SessionGraph, segment_sum
from ._attention import AdditiveEnergy
from ._layers import check_count, segment_mean

__all__ = ["GatedGraph", "PrefixNodes", "SoftAttention"]


class PrefixNodes(NamedTuple):
    """States of the nodes of every prefix asked for; prefixes of a window share most of them.

    Attributes
    ----------
    states : Tensor of shape (V, d)
    pairs : Pairs
        The M pairs of a prefix and a row of `states`.
    visits : LongTensor of shape (M,)
        Events of the prefix at the node.
    last : LongTensor of shape (P,)
        The row at which each prefix ends.
    """

    states: Tensor
    pairs: Pairs
    visits: Tensor
    last: Tensor


class GatedGraph(nn.Module):
    """h <- GRU cell(a, h) over the graph of a session, whose nodes are its distinct items.

    a_v = [mean over the nodes u before v of W_in h_u + b_in ; mean over the nodes w after v of
    W_out h_w + b_out]. An edge counts once, however often the session takes it; without edges a
    mean is zero. The paper weighs edges by how often they occur, all known code as here. Node
    states start from the first event of the node.

    The update gate z keeps the old state, ``"original"`` (h' = z h + (1 - z) c, the authors' code),
    or lets the new one in, ``"recbole"`` (h' = (1 - z) h + z c): the same models with other
    weights. The constant that the original adds to a is left to the cell's own bias.

    Parameters
    ----------
    dim : int
    steps : int, default=1
        Repetitions, with the same weights.
    update_gate : {"recbole", "original"}, default="recbole"
    """

    def __init__(self, dim: int, steps: int = 1, update_gate: str = "recbole") -> None:
        super().__init__()
        check_count("steps", steps)
        check_choice("update_gate", update_gate, ("recbole", "original"))
        self.steps, self.update_gate = steps, update_gate
        self.before, self.after = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.from_messages, self.from_state = nn.Linear(2 * dim, 3 * dim), nn.Linear(dim, 3 * dim)

    def forward(self, x: Tensor, graph: SessionGraph) -> Tensor:
        """Node states (V, d) of whole windows."""
        h = x.index_select(0, graph.first)  # (V, d)
        source, target = graph.node[graph.edges], graph.node[graph.edges + 1]  # (edges,) each
        for _ in range(self.steps):
            # (V, d)
            before = segment_mean(self.before(h).index_select(0, source), target, len(graph))
            # (V, d)
            after = segment_mean(self.after(h).index_select(0, target), source, len(graph))
            h = self._cell(torch.cat([before, after], dim=1), h)  # (V, d)
        return h

    def prefix_nodes(self, x: Tensor, batch: SessionBatch) -> PrefixNodes:
        """Node states of every prefix asked for; with more than one step, every window must be a prefix."""
        graph = SessionGraph.of(batch)
        if self.steps > 1:
            pairs = Pairs(
                graph.window, torch.arange(len(graph), device=x.device), len(batch), len(graph)
            )
            return PrefixNodes(self(x, graph), pairs, graph.visits, graph.node[batch.ends])
        prefix, event = batch.prefix_pairs  # (pairs,) each
        end = batch.ends[prefix]
        newest = graph.next_visit[event] > end  # the events that stand for the nodes of the prefix
        prefix, event, end = prefix[newest], event[newest], end[newest]  # (M,) each
        later = torch.zeros_like(graph.node)
        later[graph.moves] = torch.arange(
            len(batch), len(batch) + len(graph.moves), device=x.device
        )
        # (P + moves, d)
        states = self._versions(x.index_select(0, graph.first[graph.node]), graph, batch.ends)
        node = torch.where(event == end, prefix, later[event])
        pairs = Pairs(prefix, node, len(batch), len(states))
        return PrefixNodes(
            states, pairs, graph.visit[event] + 1, torch.arange(len(batch), device=x.device)
        )

    def _versions(self, x: Tensor, graph: SessionGraph, ends: Tensor) -> Tensor:
        """State of each event's node in the prefix that ends at the event (P, d), and in those that go on (moves, d).

        A move changes only the nodes at its two ends, so after one step a node has no other state
        until its next event. Both lack edges of later events; only the second knows of the move
        that leaves the event.
        """
        out, into = graph.edges, graph.edges + 1
        # (T, d)
        arriving = torch.zeros_like(x).index_copy(0, into, self.before(x).index_select(0, out))
        # (T, d)
        leaving = torch.zeros_like(x).index_copy(0, out, self.after(x).index_select(0, into))
        arrives = x.new_zeros(len(x), 1).index_fill_(0, into, 1)
        leaves = x.new_zeros(len(x), 1).index_fill_(0, out, 1)
        rows = torch.cat([arriving, leaving, arrives, leaves], dim=1)
        later, earlier = graph.revisits
        d = x.shape[1]
        earlier_sums = segment_sum(rows.index_select(0, earlier), later, len(x))
        came, went, n_came, n_went = earlier_sums.split([d, d, 1, 1], dim=1)
        before = (came + arriving) / (n_came + arrives).clamp(min=1)  # (T, d)
        # (P, 2d)
        stays = torch.cat([before, went / n_went.clamp(min=1)], dim=1).index_select(0, ends)
        after = (went + leaving) / (n_went + leaves).clamp(min=1)  # (T, d)
        moves = torch.cat([before, after], dim=1).index_select(0, graph.moves)  # (moves, 2d)
        return self._cell(
            torch.cat([stays, moves]), x.index_select(0, torch.cat([ends, graph.moves]))
        )

    def _cell(self, messages: Tensor, h: Tensor) -> Tensor:
        reset_a, update_a, new_a = self.from_messages(messages).chunk(3, dim=1)  # (n, d) each
        reset_h, update_h, new_h = self.from_state(h).chunk(3, dim=1)  # (n, d) each
        update = (update_a + update_h).sigmoid()
        new = (new_a + (reset_a + reset_h).sigmoid() * new_h).tanh()
        return (
            torch.lerp(h, new, update)
            if self.update_gate == "recbole"
            else torch.lerp(new, h, update)
        )


class SoftAttention(nn.Module):
    """s = W_3 [sum_p alpha_p h_p ; h_t] + b_3 with alpha_p = q . sigmoid(W_1 h_t + b_1 + W_2 h_p + b_2).

    The sum runs over events, so an item that the session repeats counts as often. With `softmax`
    the alphas of a prefix are normalised.
    """

    def __init__(self, dim: int, softmax: bool) -> None:
        super().__init__()
        self.softmax = softmax
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.energy = AdditiveEnergy(dim)
        self.out = nn.Linear(2 * dim, dim)

    def forward(self, nodes: PrefixNodes) -> Tensor:
        """Session embeddings (P, d)."""
        last = nodes.states.index_select(0, nodes.last)  # (P, d)
        energy = self.energy(self.query(last), self.key(nodes.states), nodes.pairs)  # (M,)
        visits = nodes.visits.to(energy.dtype)
        # (M,)
        weights = nodes.pairs.softmax(energy + visits.log()) if self.softmax else energy * visits
        return self.out(torch.cat([nodes.pairs.sum(weights, nodes.states), last], dim=1))  # (P, d)
