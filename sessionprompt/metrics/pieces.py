"""Sessions to evaluate, some at a time, so that what is made of their events does not grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..sessions import Sessions

__all__ = ["EvaluationPiece", "evaluation_pieces"]

PIECE = 2**20  # events, for each of which some 100 bytes are made


class EvaluationPiece(NamedTuple):
    """Neighbouring sessions of those that are evaluated.

    Attributes
    ----------
    sessions : Sessions
    last_events : ndarray of shape (n,), or None
        Ids of the last items, where the sessions lack them.
    rows : ndarray of shape (n,), int64
        Number of each among all sessions that are evaluated.
    """

    sessions: Sessions
    last_events: np.ndarray | None
    rows: np.ndarray


def evaluation_pieces(
    sessions: Sessions, last_events: Any = None, steps: Iterable[Any] = ()
) -> Iterator[EvaluationPiece]:
    """Sessions in pieces of about `PIECE` events, in their order.

    All are one piece where what labels them lets sessions inform each other (``attach="batch"``).

    Parameters
    ----------
    sessions : Sessions
    last_events : array-like of shape (n_sessions,), optional
    steps : iterable of estimators
        What else labels the sessions, beside their own annotator.
    """
    size = PIECE
    if any(getattr(step, "attach", None) == "batch" for step in (sessions.annotator, *steps)):
        size = max(sessions.n_events, 1)
    if last_events is not None:
        last_events = np.asarray(last_events)
    first = 0
    for piece in sessions.pieces(size):
        rows = np.arange(first, first + len(piece))
        own = None
        if last_events is not None:
            own = last_events[rows]
        yield EvaluationPiece(piece, own, rows)
        first += len(piece)
