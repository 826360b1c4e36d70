"""Scores of an item for parts of a session."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..metrics import last_step
from ..sessions import Sessions

__all__ = ["SubsetScores"]


@dataclass(frozen=True)
class SubsetScores:
    """Scores of one item for subsets of the events of a session, which keep their order.

    A subset that holds nothing that the model knows scores 0, as nothing speaks for the item.

    Parameters
    ----------
    model : fitted recommender or Pipeline
    session : Sessions
        Of one session.
    item : id
    """

    model: Any
    session: Sessions
    item: Any

    def __call__(self, subsets: np.ndarray) -> np.ndarray:
        """Scores (n_subsets,) of subsets (n_subsets, n_events), given as booleans."""
        vocabulary = last_step(self.model).encoder_.vocabulary
        events = self.session.to_lists()[0]
        known = vocabulary.encode(events) >= 0  # (n_events,)
        scored = np.flatnonzero(subsets @ known)
        scores = np.zeros(len(subsets))
        if not len(scored):
            return scores
        users = self.session.users
        if users is not None:
            users = users.repeat(len(scored))
        lists = [[events[place] for place in np.flatnonzero(subsets[row])] for row in scored]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*hold nothing that the model knows")
            _, found = self.model.predict_topk(
                Sessions.from_lists(lists, users=users),
                k=1,
                return_scores=True,
                candidates=[self.item],
            )
        scores[scored] = found[:, 0]
        return scores
