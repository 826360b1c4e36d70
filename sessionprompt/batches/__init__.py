"""The door from NumPy to torch: batches, pairs of events, session graphs, random numbers."""

from __future__ import annotations

from .batch import Elsewhere, Moves, SessionBatch, batches_of
from .draws import (
    SeededDraws,
    alone_drawing,
    drawing,
    drawing_shares,
    generator_on,
    rows_drawn,
)
from .pairs import Pairs, segment_softmax, segment_sum
from .session_graphs import SessionGraph

__all__ = [
    "Elsewhere",
    "Moves",
    "Pairs",
    "SeededDraws",
    "SessionBatch",
    "SessionGraph",
    "alone_drawing",
    "batches_of",
    "drawing",
    "drawing_shares",
    "generator_on",
    "rows_drawn",
    "segment_softmax",
    "segment_sum",
]
