"""GRU4Rec: a recurrent state carried along the session."""

from __future__ import annotations

from torch import Tensor, nn

from ..batches import SessionBatch
from ._base import Backbone
from ._bounds import check_repeats, check_widths
from ._layers import Dropout
from ._recurrent import recurrent_states

__all__ = ["GRU4Rec"]


class GRU4Rec(Backbone):
    """Recurrent state carried along the session.

    ::

        h_t = GRU(drop(x_t), h_{t-1})
        z_t = W_o h_t + b_o

    The layout is RecBole's (a dense map back to d, recurrent matrices without biases, no
    session-parallel batches); the original ties input and output tables, keeps biases and trains on
    sampled negatives. The recurrent matrices of the first layer start xavier-uniform.

    Parameters
    ----------
    dim : int
        Size d of the vectors in and out.
    hidden : int, default=128
    n_layers : int, default=1
    dropout : float, default=0.3
        On the input vectors, in training.
    bias : bool, default=False
        Biases in the recurrent cell.

    References
    ----------
    Hidasi et al., Session-based recommendations with recurrent neural networks, ICLR 2016.
    """

    causal = True
    start_vectors = staticmethod(nn.init.xavier_normal_)

    def __init__(
        self,
        dim: int,
        *,
        hidden: int = 128,
        n_layers: int = 1,
        dropout: float = 0.3,
        bias: bool = False,
    ) -> None:
        super().__init__(dim)
        check_widths(hidden=hidden)
        check_repeats(n_layers=n_layers)
        self.dropout = Dropout(dropout)
        self.gru = nn.GRU(dim, hidden, n_layers, bias=bias)
        for matrix in self.gru.all_weights[0][:2]:
            nn.init.xavier_uniform_(matrix)
        self.out = nn.Linear(hidden, dim)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        """Session embeddings (P, d)."""
        states = recurrent_states(self.gru, self.dropout(x), batch)  # (T, h)
        return self.out(states.index_select(0, batch.ends))  # (P, d)
