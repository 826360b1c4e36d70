"""Gated graph network of SR-GNN, TAGNN and GC-SAN, and the soft attention of the first two."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .._checks import check_choice
from ..batches import Pairs, SessionBatch, SessionGraph, segment_sum
from ._attention import AdditiveEnergy
from ._bounds import check_repeats
from ._layers import segment_mean

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
    """Gated updates over the graph of a session, whose nodes are its distinct items.

    ::

        a_v = [mean_u(W_in h_u + b_in) ; mean_w(W_out h_w + b_out)]
        h_v <- cell(a_v, h_v)

    with the nodes u before v and w after v. An edge counts once, however often the session takes
    it; without edges a mean is zero. The paper weighs edges by how often they occur, all known code
    as here. Node states start from the first event of the node.

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
        check_repeats(steps=steps)
        check_choice("update_gate", update_gate, ("recbole", "original"))
        self.steps = steps
        self.update_gate = update_gate
        self.before = nn.Linear(dim, dim)
        self.after = nn.Linear(dim, dim)
        self.from_messages = nn.Linear(2 * dim, 3 * dim)
        self.from_state = nn.Linear(dim, 3 * dim)

    def forward(self, x: Tensor, graph: SessionGraph) -> Tensor:
        """Node states (V, d) of whole windows."""
        h = x.index_select(0, graph.first)  # (V, d)
        source = graph.node[graph.edges]  # (edges,)
        target = graph.node[graph.edges + 1]  # (edges,)
        for _ in range(self.steps):
            from_before = self.before(h).index_select(0, source)  # (edges, d)
            from_after = self.after(h).index_select(0, target)  # (edges, d)
            before = segment_mean(from_before, target, len(graph))  # (V, d)
            after = segment_mean(from_after, source, len(graph))  # (V, d)
            h = self._cell(torch.cat([before, after], dim=1), h)  # (V, d)
        return h

    def prefix_nodes(self, x: Tensor, batch: SessionBatch) -> PrefixNodes:
        """Node states of every prefix asked for.

        With more than one step, every window must be a prefix.
        """
        graph = SessionGraph.of(batch)
        if self.steps == 1:
            return self._nodes_in_one_pass(x, graph)
        nodes = torch.arange(len(graph), device=x.device)  # (V,)
        pairs = Pairs(graph.window, nodes, len(batch), len(graph))
        return PrefixNodes(self(x, graph), pairs, graph.visits, graph.node[batch.ends])

    def _nodes_in_one_pass(self, x: Tensor, graph: SessionGraph) -> PrefixNodes:
        """Nodes of prefixes that share a window; each state of a node is made once."""
        batch = graph.batch
        n_moves = len(graph.moves)
        first_vectors = x.index_select(0, graph.first[graph.node])  # (T, d)
        states = self._versions(first_vectors, graph, batch.ends)  # (P + moves, d)
        moved = torch.zeros_like(graph.node)  # (T,), row of the state after the event's move
        moved[graph.moves] = len(batch) + torch.arange(n_moves, device=x.device)
        prefix, event = batch.prefix_pairs  # (pairs,) each
        end = batch.ends[prefix]  # (pairs,)
        newest = graph.next_visit[event] > end  # the events that stand for the prefix's nodes
        prefix = prefix[newest]  # (M,)
        event = event[newest]  # (M,)
        node = torch.where(event == end[newest], prefix, moved[event])  # (M,)
        pairs = Pairs(prefix, node, len(batch), len(states))
        last = torch.arange(len(batch), device=x.device)  # (P,)
        return PrefixNodes(states, pairs, graph.visit[event] + 1, last)

    def _versions(self, x: Tensor, graph: SessionGraph, ends: Tensor) -> Tensor:
        """States of the nodes of events whose prefix ends there (P, d), or moves on (moves, d).

        A move changes only the nodes at its two ends, so after one step a node has no other state
        until its next event. Both lack edges of later events; only the second knows of the move
        that leaves the event.
        """
        d = x.shape[1]
        arriving, n_arriving, leaving, n_leaving = self._messages(x, graph)
        messages = torch.cat([arriving, leaving, n_arriving, n_leaving], dim=1)  # (T, 2d + 2)
        later, earlier = graph.revisits  # (revisits,) each
        sums = segment_sum(messages.index_select(0, earlier), later, len(x))  # (T, 2d + 2)
        came, went, n_came, n_went = sums.split([d, d, 1, 1], dim=1)  # of earlier visits
        before = (came + arriving) / (n_came + n_arriving).clamp(min=1)  # (T, d)
        after_end = went / n_went.clamp(min=1)  # (T, d)
        after_move = (went + leaving) / (n_went + n_leaving).clamp(min=1)  # (T, d)
        at_ends = torch.cat([before, after_end], dim=1).index_select(0, ends)  # (P, 2d)
        at_moves = torch.cat([before, after_move], dim=1).index_select(0, graph.moves)
        old = x.index_select(0, torch.cat([ends, graph.moves]))  # (P + moves, d)
        return self._cell(torch.cat([at_ends, at_moves]), old)  # (P + moves, d)

    def _messages(self, x: Tensor, graph: SessionGraph) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Messages (T, d) of the edge into each event and of the edge out of it, with counts."""
        source = graph.edges  # (edges,)
        target = graph.edges + 1  # (edges,)
        from_before = self.before(x).index_select(0, source)  # (edges, d)
        from_after = self.after(x).index_select(0, target)  # (edges, d)
        arriving = torch.zeros_like(x).index_copy(0, target, from_before)  # (T, d)
        leaving = torch.zeros_like(x).index_copy(0, source, from_after)  # (T, d)
        n_arriving = x.new_zeros(len(x), 1).index_fill_(0, target, 1)  # (T, 1)
        n_leaving = x.new_zeros(len(x), 1).index_fill_(0, source, 1)  # (T, 1)
        return arriving, n_arriving, leaving, n_leaving

    def _cell(self, messages: Tensor, h: Tensor) -> Tensor:
        """New states (n, d) from messages (n, 2d) and old states `h` (n, d)."""
        reset_a, update_a, new_a = self.from_messages(messages).chunk(3, dim=1)  # (n, d) each
        reset_h, update_h, new_h = self.from_state(h).chunk(3, dim=1)  # (n, d) each
        reset = (reset_a + reset_h).sigmoid()  # (n, d)
        update = (update_a + update_h).sigmoid()  # (n, d)
        new = (new_a + reset * new_h).tanh()  # (n, d)
        if self.update_gate == "recbole":
            return torch.lerp(h, new, update)  # (n, d)
        return torch.lerp(new, h, update)  # (n, d)


class SoftAttention(nn.Module):
    """Soft attention of the node at the end of a prefix over all its events.

    ::

        alpha_p = q . sigmoid(W_1 h_t + b_1 + W_2 h_p + b_2)
        s = W_3 [sum_p alpha_p h_p ; h_t] + b_3

    The sum runs over events, so an item that the session repeats counts as often. With `softmax`
    the alphas of a prefix are normalised.

    """

    def __init__(self, dim: int, softmax: bool) -> None:
        super().__init__()
        self.softmax = softmax
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.energy = AdditiveEnergy(dim)
        self.out = nn.Linear(2 * dim, dim)

    def forward(self, nodes: PrefixNodes) -> Tensor:
        """Session embeddings (P, d)."""
        last = nodes.states.index_select(0, nodes.last)  # (P, d)
        energy = self.energy(self.query(last), self.key(nodes.states), nodes.pairs)  # (M,)
        visits = nodes.visits.to(energy.dtype)  # (M,)
        if self.softmax:
            weights = nodes.pairs.softmax(energy + visits.log())  # (M,)
        else:
            weights = energy * visits  # (M,)
        attended = nodes.pairs.sum(weights, nodes.states)  # (P, d)
        return self.out(torch.cat([attended, last], dim=1))  # (P, d)
