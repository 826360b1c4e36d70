"""Targets: the item that follows each event of encoded sessions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._arrays import repeated
from ..sessions import Sessions
from .encoded import EncodedSessions
from .encoder import SessionEncoder

__all__ = ["NextItemTargets"]


@dataclass(frozen=True)
class NextItemTargets:
    """Sessions without their last events, and the item that follows each event that is left.

    Attributes
    ----------
    inputs : Sessions
    encoded : EncodedSessions
        The inputs in the codes of the model.
    next_items : ndarray of shape (n_events,)
        Model code of the following item, -1 if the model does not know it.
    repeated : ndarray of shape (n_events,), bool
        True where the following item occurred in the session before.
    rows : ndarray of shape (n_inputs,)
        Index among the given sessions of each input.
    """

    inputs: Sessions
    encoded: EncodedSessions
    next_items: np.ndarray
    repeated: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(
        cls, X: Sessions, encoder: SessionEncoder, last_events: np.ndarray | None = None
    ) -> NextItemTargets:
        """Targets of whole sessions, or of sessions whose last events come apart.

        Parameters
        ----------
        X : Sessions
            Sessions without a target are left out.
        encoder : SessionEncoder
        last_events : array-like of shape (n_sessions,), optional
            Raw ids of the last items, when X lacks them already.

        Returns
        -------
        NextItemTargets

        Raises
        ------
        ValueError
            When a prompt kind of the encoder has no data in X.
        """
        if last_events is None:
            inputs, _, rows = X.split_last()
            own_codes = X.codes[X.offsets[rows] + inputs.lengths]
            known = encoder.vocabulary.translate(X.vocabulary)[own_codes]
        else:
            rows = np.flatnonzero(X.lengths >= 1)
            inputs = X[rows]
            last_ids = np.asarray(last_events)[rows]
            own_codes = X.vocabulary.encode(last_ids)
            known = encoder.vocabulary.encode(last_ids)
        encoded = encoder.encode(inputs)
        known_items = np.maximum(encoded.items, -1)
        next_items = _shifted(known_items, inputs.offsets, known)
        return cls(inputs, encoded, next_items, _repeated(inputs, own_codes), rows)


def _shifted(codes: np.ndarray, offsets: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Code after each event; after a session's last event, its `last`."""
    following = np.append(codes[1:], -1)[: len(codes)]
    following[offsets[1:] - 1] = last
    return following


def _repeated(inputs: Sessions, last: np.ndarray) -> np.ndarray:
    """Mark the events whose next item stands earlier in its session, the event itself included.

    The codes `last` are those of the container, -1 where it does not hold the item.
    """
    full = np.insert(inputs.codes, inputs.offsets[1:], last)
    session = np.repeat(np.arange(len(inputs)), inputs.lengths + 1)
    first_events = inputs.offsets[:-1] + np.arange(len(inputs))
    return np.delete(repeated(full, session), first_events)
