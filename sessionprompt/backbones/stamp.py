"""STAMP: attention between the session's mean, its last item and every item of it."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from ..batches import SessionBatch
from ._attention import AdditiveEnergy
from ._base import Backbone
from ._bounds import check_flags
from ._rows import clip_length

__all__ = ["STAMP"]


class STAMP(Backbone):
    """Product of an attended memory and the last item, each through a small map.

    ::

        m_s = mean of the x_p
        alpha_p = w . sigmoid(W_1 x_p + W_2 x_t + W_3 m_s + b)
        m_a = sum_p alpha_p x_p + m_s
        z_t = tanh(W_a m_a + b_A) * tanh(W_b x_t + b_B)

    Mean and sum run over the events p up to t, and alpha is no softmax. As in the code of the paper
    the score is the plain product with the candidate, without the sigmoid of the paper's text. That
    code also shrinks inputs longer than one to length one, which `clip` selects, and has no b_A and
    b_B. Maps start at N(0, .05), biases at zero.

    Parameters
    ----------
    dim : int
        Size d of the vectors in and out.
    clip : bool, default=False
        Whether inputs have length one at most.

    References
    ----------
    Liu et al., STAMP: short-term attention/memory priority model for session-based recommendation,
    KDD 2018.
    """

    causal = True
    start_vectors = staticmethod(partial(nn.init.normal_, std=0.002))

    def __init__(self, dim: int, *, clip: bool = False) -> None:
        super().__init__(dim)
        check_flags(clip=clip)
        self.clip = clip
        self.key = nn.Linear(dim, dim, bias=False)
        self.query = nn.Linear(2 * dim, dim)
        self.energy = AdditiveEnergy(dim)
        self.memory = nn.Linear(dim, dim)
        self.recent = nn.Linear(dim, dim)
        for layer in (self.key, self.query, self.energy, self.memory, self.recent):
            nn.init.normal_(layer.weight, std=0.05)
        for linear in (self.query, self.memory, self.recent):
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        """Session embeddings (P, d)."""
        if self.clip:
            x = clip_length(x)  # (T, d)
        pairs = batch.prefix_pairs  # of a prefix and an event
        last = x.index_select(0, batch.ends)  # (P, d)
        length = batch.position.index_select(0, batch.ends) + 1  # (P,)
        share = 1 / length.to(x.dtype)  # (P,)
        mean = pairs.sum(share.index_select(0, pairs.rows), x)  # (P, d)
        query = self.query(torch.cat([last, mean], dim=1))  # (P, d)
        weights = self.energy(query, self.key(x), pairs)  # (pairs,)
        attended = pairs.sum(weights, x) + mean  # (P, d)
        return self.memory(attended).tanh() * self.recent(last).tanh()  # (P, d)
