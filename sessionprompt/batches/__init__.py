"""The door from NumPy to torch: batches, pairs of events, session graphs."""

from __future__ import annotations

from .batch import SessionBatch, batches_of
from .pairs import Pairs, segment_softmax, segment_sum
from .session_graphs import SessionGraph

__all__ = ["Pairs", "SessionBatch", "SessionGraph", "batches_of", "segment_softmax", "segment_sum"]
