"""SASRec: self-attention from each event to those before it."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from .._checks import check_count
from ..batches import SessionBatch
from ._attention import Block, start_normal, states_at_ends
from ._base import Backbone
from ._bounds import check_flags, check_repeats, shares
from ._layers import Dropout, position_rows

__all__ = ["SASRec"]


class SASRec(Backbone):
    """Self-attention from each event to those before it.

    ::

        h = drop(x + pos)
        h = h + drop(W_o attention(norm(h)))        in every block, causal, then
        h = h + drop(W_2 gelu(W_1 norm(h)))
        z_t = norm(h_t)

    These are the paper's blocks, norms before the sums (``norm_first=True``). Without, the layout
    is RecBole's: one norm after the positions, and in the blocks norms after the sums. The paper
    has ReLU and a hidden layer as wide as its input; RecBole has GELU, which is used here in both.
    Positions count from the oldest event of a window, so that one pass serves all prefixes; the
    paper counts from the newest. Its scaling of item vectors by the root of d is left out: the
    library's start near unit length. Maps and positions start at N(0, .02), biases at zero.

    Parameters
    ----------
    dim : int
        Size d of the vectors in and out.
    n_layers, n_heads, inner : int, default=2, 2, 256
        Transformer blocks, their heads and the width of their hidden layer.
    dropouts : (float, float), default=(0.2, 0.2)
        On attention weights; on the inputs and on outputs inside the blocks; in training.
    norm_first : bool, default=True
        Whether norms stand before the maps, as in the paper.
    n_positions : int, default=50
        Longest window.

    References
    ----------
    Kang and McAuley, Self-attentive sequential recommendation, ICDM 2018.
    """

    causal = True
    start_vectors = staticmethod(partial(nn.init.normal_, std=0.02))
    start_map = staticmethod(start_normal)

    def __init__(
        self,
        dim: int,
        *,
        n_layers: int = 2,
        n_heads: int = 2,
        inner: int = 256,
        dropouts: tuple[float, float] = (0.2, 0.2),
        norm_first: bool = True,
        n_positions: int = 50,
    ) -> None:
        super().__init__(dim)
        check_repeats(n_layers=n_layers)
        check_count("n_positions", n_positions)
        check_flags(norm_first=norm_first)
        _, on_outputs = shares("dropouts", dropouts, 2)
        self.n_positions = n_positions
        self.norm_first = norm_first
        self.positions = nn.Parameter(self.start_vectors(torch.empty(n_positions, dim)))
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        self.drop = Dropout(on_outputs)
        self.blocks = nn.ModuleList(
            Block(dim, n_heads, inner, dropouts, norm_first) for _ in range(n_layers)
        )
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                self.start_map(module)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        """Session embeddings (P, d)."""
        states = x + position_rows(self.positions, batch.position, batch.longest)  # (T, d)
        if not self.norm_first:
            states = self.norm(states)  # (T, d)
        states = self.drop(states)  # (T, d)
        embeddings = states_at_ends(self.blocks, states, batch)  # (P, d)
        if self.norm_first:
            embeddings = self.norm(embeddings)  # (P, d)
        return embeddings
