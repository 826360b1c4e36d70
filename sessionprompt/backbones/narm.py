"""NARM: a recurrent encoder whose last state attends over all states."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_choice
from ..batches import SessionBatch
from ._attention import AdditiveEnergy
from ._base import Backbone
from ._bounds import check_repeats, check_widths, shares
from ._layers import Dropout
from ._recurrent import recurrent_states

__all__ = ["NARM"]


class NARM(Backbone):
    """Recurrent states, summed up by the attention of the last one.

    ::

        h = GRU(drop(x))
        alpha_p = v . sigmoid(A_1 h_p + A_2 h_t)
        z_t = B drop([sum_p alpha_p h_p ; h_t])

    The sum runs over the events p up to t. No map has a bias. The paper and the widely used port
    weigh states without a softmax; the original code normalises the weights, which
    ``attention_norm="softmax"`` selects.

    Parameters
    ----------
    dim : int
        Size d of the vectors in and out.
    hidden : int, default=128
    n_layers : int, default=1
    dropouts : (float, float), default=(0.25, 0.5)
        On the input vectors and on the pair of summaries, in training.
    attention_norm : {"none", "softmax"}, default="none"

    References
    ----------
    Li et al., Neural attentive session-based recommendation, CIKM 2017.
    """

    causal = True
    start_vectors = staticmethod(nn.init.xavier_normal_)

    def __init__(
        self,
        dim: int,
        *,
        hidden: int = 128,
        n_layers: int = 1,
        dropouts: tuple[float, float] = (0.25, 0.5),
        attention_norm: str = "none",
    ) -> None:
        super().__init__(dim)
        check_choice("attention_norm", attention_norm, ("none", "softmax"))
        check_widths(hidden=hidden)
        check_repeats(n_layers=n_layers)
        self.attention_norm = attention_norm
        on_inputs, on_summaries = shares("dropouts", dropouts, 2)
        self.drop_in = Dropout(on_inputs)
        self.drop_out = Dropout(on_summaries, rows="prefixes")
        self.gru = nn.GRU(dim, hidden, n_layers, bias=False)
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.energy = AdditiveEnergy(hidden)
        self.out = nn.Linear(2 * hidden, dim, bias=False)
        for layer in (self.key, self.query, self.energy, self.out):
            self.start_map(layer)

    @staticmethod
    def start_map(linear: Any) -> None:
        """Xavier-normal, biases at zero."""
        nn.init.xavier_normal_(linear.weight)
        if getattr(linear, "bias", None) is not None:
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        """Session embeddings (P, d)."""
        states = recurrent_states(self.gru, self.drop_in(x), batch)  # (T, h)
        last = states.index_select(0, batch.ends)  # (P, h)
        pairs = batch.prefix_pairs  # of a prefix and an event
        weights = self.energy(self.query(last), self.key(states), pairs)  # (pairs,)
        if self.attention_norm == "softmax":
            weights = pairs.softmax(weights)
        attended = pairs.sum(weights, states)  # (P, h)
        summaries = self.drop_out(torch.cat([attended, last], dim=1))  # (P, 2h)
        return self.out(summaries)  # (P, d)
