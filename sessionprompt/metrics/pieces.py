"""Sessions to evaluate, some at a time, so that what is made of their events does not grow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..sessions import Sessions

__all__ = ["EvaluationPiece", "evaluation_pieces", "pipeline_steps"]

PIECE = 2**18  # events: 50 MB of codes, examples and places, and whole test parts of most logs


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
    sessions: Sessions, model: Any, last_events: Any = None
) -> Iterator[EvaluationPiece]:
    """Sessions in pieces of about `PIECE` events, in their order.

    All are one piece where what labels them lets sessions inform each other (``attach="batch"``).

    Parameters
    ----------
    sessions : Sessions
    model : estimator
        That is evaluated on them.
    last_events : array-like of shape (n_sessions,), optional
    """
    size = PIECE
    if _labels_together(sessions.annotator) or _labels_together(model):
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


def pipeline_steps(pipeline: Any) -> list[tuple[str, Any]]:
    """Names and steps of a pipeline; of another estimator itself."""
    steps = getattr(pipeline, "steps", None)
    if isinstance(steps, list):
        return steps
    return [("", pipeline)]  # whose own parameter may have that name


def _labels_together(model: Any) -> bool:
    """Whether a label may depend on other sessions, in an estimator or a part of it."""
    if getattr(model, "attach", None) == "batch":
        return True
    parts = [step for _, step in pipeline_steps(model)]
    parts += getattr(model, "estimators_", [])
    if hasattr(model, "annotator_"):
        parts.append(model.annotator_)
    return any(_labels_together(part) for part in parts if part is not model)
