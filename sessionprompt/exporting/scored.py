"""One session's item codes to its best items, as a module that can be exported."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from ..blending import Blend, OwnItems
from ..network import SessionNetwork
from .window import FullWindow

__all__ = ["ScoredSession", "blend_tables"]

UNKNOWN = -1
PADDING = -2


class ScoredSession(nn.Module):
    """Best items of one session of at most `n` events.

    Parameters
    ----------
    network : SessionNetwork
    inputs, candidates : Tensor of shape (N, d)
        Vectors of all items with their prompts.
    blend : Blend or None
    n : int
        Events of the longest session.
    k : int
        Items to return.
    """

    def __init__(
        self,
        network: SessionNetwork,
        inputs: Tensor,
        candidates: Tensor,
        blend: Blend | None,
        n: int,
        k: int,
    ) -> None:
        super().__init__()
        self.network = deepcopy(network.backbone)
        self.cosine = network.scoring == "cosine"
        self.temperature = float(network.temperature)
        self.k = k
        self.batch = FullWindow.of(n)
        self.blended = blend is not None
        blank = inputs.new_zeros(1, inputs.shape[1])  # (1, d)
        self.inputs = nn.Buffer(torch.cat([inputs, blank]))  # (N + 1, d)
        self.candidates = nn.Buffer(candidates)  # (N, d)
        self.popularity = nn.Buffer(network.popularity.to(candidates.dtype))  # (N,)
        if blend is not None:
            bonus, gain = blend_tables(blend, n)
            self.bonus = nn.Buffer(torch.from_numpy(bonus).to(candidates.dtype))  # (n * n * n,)
            self.gain = nn.Buffer(torch.from_numpy(gain).to(candidates.dtype))  # (n,)

    def forward(self, session: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (k,) and scores (k,) of the best items of a session (n,) of codes."""
        there = session > PADDING  # (n,)
        known = session >= 0  # (n,)
        length = there.sum(0, keepdim=True).clamp(min=1)  # (1,)
        n_items = self.candidates.shape[0]
        rows = torch.where(known, session, n_items)  # (n,)
        x = self.inputs.index_select(0, rows)  # (n, d)
        states = self.network(x, self.batch)  # (n, d)
        state = states.index_select(0, length - 1)  # (1, d)
        if self.cosine:
            norm = (state * state).sum(1, keepdim=True).sqrt()  # (1, 1)
            state = state / norm.clamp(min=1e-12) / self.temperature  # (1, d)
        scores = (state @ self.candidates.T).squeeze(0)  # (N,)
        if self.blended:
            scores = self._blended(scores, rows, known, length)
        scores = torch.where(known.any(), scores, self.popularity)
        values, codes = scores.topk(self.k)
        return codes, values

    def _blended(self, scores: Tensor, rows: Tensor, known: Tensor, length: Tensor) -> Tensor:
        """Scores (N,) in which the items of the session (n,) have new ones."""
        n_items = scores.shape[0]
        event = torch.arange(rows.shape[0])  # (n,)
        same = (rows.unsqueeze(0) == rows.unsqueeze(1)) & known.unsqueeze(0)  # (n, n)
        counts = same.sum(1)  # (n,)
        later = (same & (event.unsqueeze(0) > event.unsqueeze(1))).any(1)  # (n,)
        last = known & ~later  # (n,)
        own = scores.index_select(0, rows.clamp(max=n_items - 1))  # (n,)
        steps = (length - 1 - event).clamp(min=0)  # (n,)
        others = (counts - 1).clamp(min=0)  # (n,)
        n = rows.shape[0]
        bonus = self.bonus.index_select(0, (steps * n + others) * n + length - 1)  # (n,)
        gain = self.gain.index_select(0, length - 1)  # (1,)
        new = own + gain * (own - scores.max()) + bonus  # (n,)
        padded = torch.cat([scores, scores.new_zeros(1)])  # (N + 1,)
        target = torch.where(last, rows, n_items)  # (n,)
        return padded.scatter(0, target, new)[:n_items]


def blend_tables(blend: Blend, n: int) -> tuple[np.ndarray, np.ndarray]:
    """What a blend adds to the score of an own item, in sessions of at most `n` events.

    Parameters
    ----------
    blend : Blend
    n : int

    Returns
    -------
    bonus : ndarray of shape (n * n * n,)
        By steps back, times seen less one, and length less one.
    gain : ndarray of shape (n,)
        Factor of the distance to the best score, by length less one.
    """
    steps, counts, lengths = (axis.ravel() for axis in np.indices((n, n, n)))
    row = np.arange(n**3)
    own = OwnItems(row, row, steps, counts + 1, lengths + 1)
    zeros = np.zeros(n**3)
    bonus = blend.own_scores(own, zeros, zeros)
    every = np.arange(n)
    once = OwnItems(every, every, np.zeros(n, int), np.ones(n, int), every + 1)
    base = blend.own_scores(once, np.zeros(n), np.zeros(n))
    gain = base - blend.own_scores(once, np.zeros(n), np.ones(n))
    return bonus, gain
