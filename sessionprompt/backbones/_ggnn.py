"""The gated graph network that SR-GNN, TAGNN and GC-SAN read a session with, and the attention of the first two."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..batches import SessionBatch
from ..segments import segment_softmax, segment_sum
from ..session_graphs import SessionGraph
from ._layers import check_choice, check_count, segment_mean

__all__ = ["GatedGraph", "PrefixNodes", "SoftAttention"]


class PrefixNodes(NamedTuple):
    """States of the nodes of every prefix asked for, M in all.

    Attributes
    ----------
    states : Tensor of shape (M, d)
    prefix : LongTensor of shape (M,)
    visits : LongTensor of shape (M,)
        Events of the prefix at the node.
    last : Tensor of shape (P, d)
        State of the node at which each prefix ends.
    """

    states: Tensor
    prefix: Tensor
    visits: Tensor
    last: Tensor


class GatedGraph(nn.Module):
    """h <- GRU cell(a, h) over the graph of a session, whose nodes are its distinct items.

    a_v = [mean over the nodes u before v of W_in h_u + b_in ; mean over the nodes w after v of W_out h_w + b_out].
    An edge counts once, however often the session takes it; without edges a mean is zero. The paper weighs edges by
    how often they occur, all known code as here. Node states start from the first event of the node.

    The update gate z keeps the old state, ``"original"`` (h' = z h + (1 - z) c, the authors' code), or lets the new one
    in, ``"recbole"`` (h' = (1 - z) h + z c): the same models with other weights. The constant that the original
    adds to a is left to the cell's own bias.

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
        h = x[graph.first]  # (V, d)
        source, target = graph.node[graph.edges], graph.node[graph.edges + 1]  # (edges,) each
        for _ in range(self.steps):
            before = segment_mean(self.before(h)[source], target, len(graph))  # (V, d)
            after = segment_mean(self.after(h)[target], source, len(graph))  # (V, d)
            h = self._cell(torch.cat([before, after], dim=1), h)  # (V, d)
        return h

    def prefix_nodes(self, x: Tensor, batch: SessionBatch) -> PrefixNodes:
        """Node states of every prefix asked for; with more than one step, every window must be a prefix."""
        graph = SessionGraph.of(batch)
        if self.steps > 1:
            states = self(x, graph)  # (V, d)
            return PrefixNodes(states, graph.window, graph.visits, states[graph.node[batch.ends]])
        ending, passed = self._versions(x[graph.first[graph.node]], graph)  # (T, d) each
        prefix, event = batch.prefix_pairs  # (pairs,) each
        end = batch.ends[prefix]
        newest = graph.next_visit[event] > end  # the events that stand for the nodes of the prefix
        prefix, event, end = prefix[newest], event[newest], end[newest]  # (M,) each
        states = torch.where((event == end).unsqueeze(1), ending[event], passed[event])  # (M, d)
        return PrefixNodes(states, prefix, graph.visit[event] + 1, ending[batch.ends])

    def _versions(self, x: Tensor, graph: SessionGraph) -> tuple[Tensor, Tensor]:
        """State of each event's node in the prefix that ends at the event, and in those that go on.

        A move changes only the nodes at its two ends, so after one step a node has no other state until its next
        event. Both lack edges of later events; only the second knows of the move that leaves the event.
        """
        arriving, leaving = torch.zeros_like(x), torch.zeros_like(x)
        arriving[graph.edges + 1] = self.before(x)[graph.edges]  # (T, d)
        leaving[graph.edges] = self.after(x)[graph.edges + 1]  # (T, d)
        arrives = x.new_zeros(len(x), 1).index_fill_(0, graph.edges + 1, 1)
        leaves = x.new_zeros(len(x), 1).index_fill_(0, graph.edges, 1)
        rows = torch.cat([arriving, leaving, arrives, leaves], dim=1)
        later, earlier = graph.revisits
        d = x.shape[1]
        came, went, n_came, n_went = segment_sum(rows[earlier], later, len(x)).split([d, d, 1, 1], dim=1)
        before = (came + arriving) / (n_came + arrives).clamp(min=1)  # (T, d)
        messages = [torch.cat([before, went / n_went.clamp(min=1)], dim=1)]
        messages.append(torch.cat([before, (went + leaving) / (n_went + leaves).clamp(min=1)], dim=1))
        return self._cell(torch.cat(messages), x.repeat(2, 1)).chunk(2)  # type: ignore[return-value]

    def _cell(self, messages: Tensor, h: Tensor) -> Tensor:
        reset_a, update_a, new_a = self.from_messages(messages).chunk(3, dim=1)  # (n, d) each
        reset_h, update_h, new_h = self.from_state(h).chunk(3, dim=1)  # (n, d) each
        update = (update_a + update_h).sigmoid()
        new = (new_a + (reset_a + reset_h).sigmoid() * new_h).tanh()
        return torch.lerp(h, new, update) if self.update_gate == "recbole" else torch.lerp(new, h, update)


class SoftAttention(nn.Module):
    """s = W_3 [sum_p alpha_p h_p ; h_t] + b_3 with alpha_p = q . sigmoid(W_1 h_t + b_1 + W_2 h_p + b_2).

    The sum runs over events, so an item that the session repeats counts as often. With `softmax` the alphas of a
    prefix are normalised.
    """

    def __init__(self, dim: int, softmax: bool) -> None:
        super().__init__()
        self.softmax = softmax
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.energy = nn.Linear(dim, 1, bias=False)
        self.out = nn.Linear(2 * dim, dim)

    def forward(self, nodes: PrefixNodes) -> Tensor:
        """Session embeddings (P, d)."""
        query = self.query(nodes.last)[nodes.prefix]  # (M, d)
        energy = self.energy((query + self.key(nodes.states)).sigmoid()).squeeze(1)  # (M,)
        visits = nodes.visits.to(energy.dtype)
        if self.softmax:
            weights = segment_softmax(energy + visits.log(), nodes.prefix, len(nodes.last))  # (M,)
        else:
            weights = energy * visits  # (M,)
        attended = segment_sum(weights.unsqueeze(1) * nodes.states, nodes.prefix, len(nodes.last))  # (P, d)
        return self.out(torch.cat([attended, nodes.last], dim=1))  # (P, d)
