"""One session's item codes to its best items, as a module that can be exported."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from ..blending import HABITS, Blend, OwnItems
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
            bonus, gain, habit_bonus = (
                nn.Buffer(torch.from_numpy(values).to(candidates.dtype))
                for values in blend_tables(blend, n)
            )
            self.bonus = bonus  # (n * n * n,)
            self.gain = gain  # (n,)
            self.habit_bonus = habit_bonus  # (n, 2, 5)

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
        habits = _habits(same, known, length)  # (5,)
        by_habit = self.habit_bonus.index_select(0, length - 1).squeeze(0) @ habits  # (2,)
        bonus = bonus + by_habit.index_select(0, steps.clamp(max=1))  # (n,)
        gain = self.gain.index_select(0, length - 1)  # (1,)
        new = own + gain * (own - scores.max()) + bonus  # (n,)
        padded = torch.cat([scores, scores.new_zeros(1)])  # (N + 1,)
        target = torch.where(last, rows, n_items)  # (n,)
        return padded.scatter(0, target, new)[:n_items]


def _habits(same: Tensor, known: Tensor, length: Tensor) -> Tensor:
    """Habits (5,) of a session of some length (1,), as :func:`~sessionprompt.blending.habits_of`.

    `same` (n, n) tells which events are of one known item, `known` (n,) which are known.
    """
    event = torch.arange(known.shape[0])  # (n,)
    there = event < length  # (n,)
    before = torch.cat([known.new_zeros(1), same.diagonal(1)])  # (n,)
    arrives = ~before  # (n,)
    earlier = event.unsqueeze(0) <= event.unsqueeze(1)  # (n, n)
    arrived = torch.where(earlier & arrives.unsqueeze(0), event.unsqueeze(0), 0).amax(1)  # (n,)
    place = event - arrived  # (n,), in its stay
    now = place.index_select(0, length - 1)  # (1,)
    reached = ((place == now) & there).sum() - 1
    stayed = ((place == now + 1) & there).sum()
    moves = (arrives & there).sum() - 1
    first = known & ~(same & (event.unsqueeze(0) < event.unsqueeze(1))).any(1)  # (n,)
    returned = (arrives & known & ~first).sum()
    last_count = same.index_select(0, length - 1).sum()
    counts = torch.stack([stayed, reached - stayed, returned, moves - returned])  # (4,)
    cases = torch.stack([reached, reached, moves, moves])  # (4,)
    return torch.cat([counts / (cases + 1), last_count > now + 1])  # (5,)


def blend_tables(blend: Blend, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    habit_bonus : ndarray of shape (n, 2, 5)
        Factor of each habit, by length less one, of the last item and of earlier ones.
    """
    steps, counts, lengths = (axis.ravel() for axis in np.indices((n, n, n)))
    bonus = _bonus(blend, steps, counts + 1, lengths + 1)
    every = np.arange(n)
    base = _bonus(blend, np.zeros(n, int), np.ones(n, int), every + 1)
    gain = base - _bonus(blend, np.zeros(n, int), np.ones(n, int), every + 1, best=1)
    n_habits = len(HABITS)
    lengths, steps, habit = (axis.ravel() for axis in np.indices((n, 2, n_habits)))
    ones = np.ones_like(lengths)
    without = _bonus(blend, steps, ones, lengths + 1)
    habit_bonus = _bonus(blend, steps, ones, lengths + 1, np.eye(n_habits)[habit]) - without
    return bonus, gain, habit_bonus.reshape(n, 2, n_habits)


def _bonus(
    blend: Blend,
    steps: np.ndarray,
    counts: np.ndarray,
    lengths: np.ndarray,
    habits: np.ndarray | None = None,
    best: float = 0,
) -> np.ndarray:
    """New scores of items whose scores are 0, the only own items of their prefixes, (n_rows,)."""
    row = np.arange(len(steps))
    if habits is None:
        habits = np.zeros((len(row), len(HABITS)))
    own = OwnItems(row, row, steps, counts, lengths, habits)
    return blend.own_scores(own, np.zeros(len(row)), np.full(len(row), float(best)))
