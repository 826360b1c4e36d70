"""Events of sessions that are to be predicted, by their numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._arrays import ragged_range
from .columns import SessionColumns

__all__ = ["SessionTargets"]

PIECE = 2**22  # events whose targets are counted at a time


class SessionTargets(SessionColumns):
    """Sessions that know which of their events are targets."""

    @property
    def target_events(self) -> NDArray[np.int64]:
        """Events that are targets, by their number, shape (n_targets,)."""
        first = np.ones(len(self), dtype=np.int64)
        if self.target_start is not None:
            np.maximum(self.target_start, 1, out=first)
        starts = np.minimum(self.offsets[:-1] + first, self.offsets[1:])
        events = ragged_range(starts, self.offsets[1:] - starts)
        if self.is_target is None:
            return events
        return events[self.is_target[events]]

    @property
    def n_targets(self) -> int:
        """Number of events that are targets."""
        return sum(len(piece.target_events) for piece in self.pieces(PIECE))

    @property
    def usable_rows(self) -> NDArray[np.int64]:
        """Sessions that hold a target, by their number: those of two events, unless some are none.

        Where there are none of these, `usable_if` has the words for what they need.
        """
        return self.last_targets()[0]

    @property
    def usable_if(self) -> str:
        """What a session needs to hold a target, in words."""
        if self.is_target is None:
            return "two events"
        return "a target after its first event"

    def last_targets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sessions that hold a target, and the last one of each, both by their numbers.

        Returns
        -------
        rows, events : ndarray of shape (n_usable,), int64

        Examples
        --------
        >>> from sessionprompt import Sessions
        >>> rows, events = Sessions.from_lists([["a"], ["b", "c", "d"]]).last_targets()
        >>> rows.tolist(), events.tolist()
        ([1], [3])
        """
        if self.is_target is None:
            rows = np.flatnonzero(self.lengths >= 2)
            return rows, self.offsets[rows + 1] - 1
        events = self.target_events
        session = np.searchsorted(self.offsets, events, side="right") - 1
        is_last = np.diff(session, append=len(self)) != 0
        return session[is_last], events[is_last]
