"""STAMP: attention between the session's mean, its last item and every item of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..batches import SessionBatch
from ..segments import segment_sum
from ._base import Backbone

__all__ = ["STAMP"]


class STAMP(Backbone):
    """z = tanh(W_a m_a + b_A) * tanh(W_b x_t + b_B), with an attended memory m_a and the last item x_t.

    m_s = mean of the x_p;  alpha_p = w . sigmoid(W_1 x_p + W_2 x_t + W_3 m_s + b);  m_a = sum_p alpha_p x_p + m_s.
    The sums run over the events p up to t, and alpha is no softmax. As in the code of the paper the score is the
    plain product with the candidate, without the sigmoid of the paper's text. Maps start at N(0, .05), biases at zero.

    Parameters
    ----------
    dim : int
        Size d of the vectors in and out.

    References
    ----------
    Liu et al., STAMP: short-term attention/memory priority model for session-based recommendation, KDD 2018.
    """

    causal = True

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.key = nn.Linear(dim, dim, bias=False)
        self.query = nn.Linear(2 * dim, dim)
        self.energy = nn.Linear(dim, 1, bias=False)
        self.memory = nn.Linear(dim, dim)
        self.recent = nn.Linear(dim, dim)
        for linear in (self.key, self.query, self.energy, self.memory, self.recent):
            nn.init.normal_(linear.weight, std=0.05)
        for linear in (self.query, self.memory, self.recent):
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        """Session embeddings (P, d)."""
        prefix, event = batch.prefix_pairs  # (pairs,) each
        last, length = x[batch.ends], batch.position[batch.ends] + 1  # (P, d), (P,)
        mean = segment_sum(x[event], prefix, len(last)) / length.unsqueeze(1)  # (P, d)
        query = self.query(torch.cat([last, mean], dim=1))  # (P, d)
        weights = self.energy((self.key(x)[event] + query[prefix]).sigmoid())  # (pairs, 1)
        attended = segment_sum(weights * x[event], prefix, len(last)) + mean  # (P, d)
        return self.memory(attended).tanh() * self.recent(last).tanh()  # (P, d)
