"""Targets: the next items of whole sessions, cut off beforehand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .._arrays import repeated
from ..sessions import Sessions
from .encoder import SessionEncoder

__all__ = ["NextItemTargets"]


@dataclass(frozen=True)
class NextItemTargets:
    """Sessions without their last events, and the item that follows each event that is left.

    Attributes
    ----------
    inputs : Sessions
    next_items : ndarray of shape (n_events,)
        Model code of the following item, -1 if the model does not know it.
    repeated : ndarray of shape (n_events,), bool
        Whether the following item occurred in the session before.
    rows : ndarray of shape (n_inputs,)
        Which of the given sessions each input is.
    """

    inputs: Sessions
    next_items: np.ndarray
    repeated: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(
        cls, X: Sessions, encoder: SessionEncoder, last_events: np.ndarray | None = None
    ) -> NextItemTargets:
        """Cut the last event off every session that has two, or take sessions that come without it.

        Parameters
        ----------
        X : Sessions
        encoder : SessionEncoder
        last_events : array-like of shape (n_sessions,), optional
            Raw ids of the last items, when X lacks them already.
        """
        if last_events is None:
            rows = np.flatnonzero(X.lengths >= 2)
            start = None if X.target_start is None else X.target_start[rows]
            inputs, last = (
                replace(X.prefixes(rows, X.lengths[rows] - 1), target_start=start),
                X.offsets[rows + 1] - 1,
            )
            own, known = X.codes[last], encoder.item_codes(X)[last]
        else:
            rows = np.flatnonzero(X.lengths >= 1)
            inputs, last_events = X[rows], np.asarray(last_events)[rows]
            own, known = X.vocabulary.encode(last_events), encoder.vocabulary.encode(last_events)
        next_items = _shifted(encoder.item_codes(inputs), inputs.offsets, known)
        return cls(inputs, next_items, _repeated(inputs, own), rows)


def _shifted(codes: np.ndarray, offsets: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The code after each event; after a session's last event, its `last`."""
    following = np.append(codes[1:], -1)[: len(codes)]
    following[offsets[1:] - 1] = last
    return following


def _repeated(inputs: Sessions, last: np.ndarray) -> np.ndarray:
    """Whether the item after each event stands earlier in its session, the event itself included."""
    # -1 where the container does not hold it
    full = np.insert(inputs.codes, inputs.offsets[1:], last)
    session = np.repeat(np.arange(len(inputs)), inputs.lengths + 1)
    return np.delete(repeated(full, session), inputs.offsets[:-1] + np.arange(len(inputs)))
