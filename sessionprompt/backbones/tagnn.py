"""TAGNN: SR-GNN whose session embedding also depends on the candidate."""

from __future__ import annotations

from torch import Tensor, nn

from ..batches import SessionBatch
from ..scoring import TargetAttention
from ._base import Backbone
from ._ggnn import GatedGraph, SoftAttention
from ._layers import uniform_, uniform_rows_

__all__ = ["TAGNN"]


class TAGNN(Backbone):
    """SR-GNN with a session embedding that depends on the candidate.

    ::

        h = gated graph(x)
        alpha = softmax_p(q . sigmoid(W_1 h_t + W_2 h_p + b))
        s = W_3 [sum_p alpha_p h_p ; h_t] + b_3
        beta_j = softmax_p(e_j . W_t h_p)
        score_j = (s + sum_p beta_jp h_p) . e_j

    As in all known code the attended vector is added as it is; the paper maps it together with the
    other parts. Both softmaxes run over the events of the prefix and over nothing else, where known
    code lets padding take part. With one step of the graph network one pass over a session serves
    all its prefixes exactly. Parameters start at U(-1/sqrt d, 1/sqrt d).

    Parameters
    ----------
    dim : int
        Size d of the vectors in and out.
    steps : int, default=1
        Steps of the graph network.
    update_gate : {"recbole", "original"}, default="recbole"
        Code whose update gate is used; see the graph network.

    References
    ----------
    Yu et al., TAGNN: target attentive graph neural networks for session-based recommendation, SIGIR
    2020.
    """

    causal = True
    scoring = "dot"
    attends_to_candidates = True
    start_vectors = staticmethod(uniform_rows_)

    def __init__(self, dim: int, *, steps: int = 1, update_gate: str = "recbole") -> None:
        super().__init__(dim)
        self.graph = GatedGraph(dim, steps, update_gate)
        self.readout = SoftAttention(dim, softmax=True)
        self.target = nn.Linear(dim, dim, bias=False)
        self.causal = steps == 1
        uniform_(self, dim**-0.5)

    def forward(self, x: Tensor, batch: SessionBatch) -> TargetAttention:
        """Session embeddings (P, d) for every candidate."""
        nodes = self.graph.prefix_nodes(x, batch)
        keys = self.target(nodes.states)  # (V, d)
        states = self.readout(nodes)  # (P, d)
        pairs = nodes.pairs  # of a prefix and a node
        return TargetAttention(states, keys, nodes.states, pairs.rows, pairs.columns, nodes.visits)
