"""GC-SAN: self-attention over the node states of a gated graph network."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from ..batches import SessionBatch, SessionGraph
from ._attention import Block, start_normal, states_at_ends
from ._base import Backbone
from ._bounds import check_repeats, check_share
from ._ggnn import GatedGraph
from ._layers import uniform_

__all__ = ["GCSAN"]


class GCSAN(Backbone):
    """Self-attention over the node states of a gated graph network.

    ::

        h = gated graph(x), at the events
        a = causal transformer blocks(h)
        z_t = omega a_t + (1 - omega) h_t

    The layout is RecBole's: blocks with norms, GELU and a causal mask, no positions. The paper's
    blocks have neither norms nor a causal mask, and it adds an L2 penalty, for which there is
    weight decay. Node states take the whole prefix in, so every prefix is encoded on its own. The
    graph starts at U(-1/sqrt d, 1/sqrt d), the maps of the blocks at N(0, .02) with biases at zero.

    Parameters
    ----------
    dim : int
        Size d of the vectors in and out.
    n_layers, n_heads, inner : int, default=2, 2, 256
        Transformer blocks, their heads and the width of their hidden layer.
    dropouts : (float, float), default=(0.5, 0.5)
        On attention weights and on outputs inside the blocks, in training.
    omega : float, default=0.6
        Share of the attended state, from 0 to 1.
    steps : int, default=1
        Steps of the graph network.
    update_gate : {"recbole", "original"}, default="recbole"
        Code whose update gate is used; see the graph network.

    References
    ----------
    Xu et al., Graph contextualized self-attention network for session-based recommendation, IJCAI
    2019.
    """

    start_vectors = staticmethod(partial(nn.init.normal_, std=0.02))
    start_map = staticmethod(start_normal)

    def __init__(
        self,
        dim: int,
        *,
        n_layers: int = 2,
        n_heads: int = 2,
        inner: int = 256,
        dropouts: tuple[float, float] = (0.5, 0.5),
        omega: float = 0.6,
        steps: int = 1,
        update_gate: str = "recbole",
    ) -> None:
        super().__init__(dim)
        check_repeats(n_layers=n_layers)
        check_share("omega", omega)
        self.omega = omega
        self.graph = GatedGraph(dim, steps, update_gate)
        self.blocks = nn.ModuleList(Block(dim, n_heads, inner, dropouts) for _ in range(n_layers))
        uniform_(self.graph, dim**-0.5)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                self.start_map(module)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        """Session embeddings (P, d)."""
        graph = SessionGraph.of(batch)
        states = self.graph(x, graph).index_select(0, graph.node)  # (T, d)
        last = states.index_select(0, batch.ends)  # (P, d)
        attended = states_at_ends(self.blocks, states, batch)  # (P, d)
        return self.omega * attended + (1 - self.omega) * last  # (P, d)
