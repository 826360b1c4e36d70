"""Prefixes to train on, whose columns are looked up in those of the sessions, batch by batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..sessions import Sessions
from .annotations import event_attribute
from .encoded import EncodedSessions
from .encoder import SessionEncoder
from .examples import prefix_examples
from .owners import OWNERS, owner_codes
from .prefixes import PrefixData

__all__ = ["training_prefixes"]


class LookedUp(NamedTuple):
    """Column of events that is looked up where it is read: the row of a table for each code.

    Attributes
    ----------
    codes : ndarray of shape (n_events,)
        Of the sessions, perhaps mapped from a file.
    table : ndarray of shape (n_codes,) or (n_codes, n_columns)
    """

    codes: np.ndarray
    table: np.ndarray

    def __getitem__(self, events: Any) -> Any:
        return self.table[self.codes[events]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.table[self.codes], dtype=dtype)


class OfSession(NamedTuple):
    """Column of events that is looked up where it is read: the row of the session of each.

    Attributes
    ----------
    offsets : ndarray of shape (n_sessions + 1,)
    table : ndarray of shape (n_sessions, n_columns)
    """

    offsets: np.ndarray
    table: np.ndarray

    def __getitem__(self, events: Any) -> Any:
        return self.table[np.searchsorted(self.offsets, events, side="right") - 1]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(np.repeat(self.table, np.diff(self.offsets), axis=0), dtype=dtype)


class Following(NamedTuple):
    """Column of the items that follow events of the same session.

    Attributes
    ----------
    items : LookedUp
    """

    items: LookedUp

    def __getitem__(self, events: Any) -> Any:
        return self.items[events + 1]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.append(np.asarray(self.items, dtype=dtype)[1:], -1)


def training_prefixes(
    sessions: Sessions, encoder: SessionEncoder, max_length: int, one_pass: bool | str
) -> PrefixData:
    """All prefixes of the sessions that an encoder has learned from.

    They are those of :func:`prefix_data`. As the model knows all of their items, nothing is
    annotated anew, and no column of events is made: batches look their events up in the columns of
    the sessions, which stay in their files if they were opened from some.

    Parameters
    ----------
    sessions : Sessions
    encoder : SessionEncoder
    max_length, one_pass
        As in :func:`prefix_examples`.

    Returns
    -------
    PrefixData
        Without prefixes if no session holds a target.

    Examples
    --------
    >>> sessions = Sessions.from_lists([["a", "b", "c"], ["b"]])
    >>> data = training_prefixes(sessions, SessionEncoder.learn(sessions), 50, True)
    >>> data.targets.tolist()
    [1, 2]
    """
    code_of = encoder.vocabulary.translate(sessions.vocabulary).astype(np.int64)  # (n_items,)
    items: Any = LookedUp(sessions.codes, code_of)
    first_prefix = np.broadcast_to(np.int64(1), len(sessions))  # which takes no memory
    if sessions.target_start is not None:
        first_prefix = np.maximum(sessions.target_start, 1)
    asked = None
    if sessions.is_target is not None:
        asked = np.append(sessions.is_target[1:], False)
    encoded = EncodedSessions(
        items=items,
        offsets=sessions.offsets,
        prompts={kind: _prompts(sessions, encoder, kind, code_of) for kind in encoder.prompts},
        first_prefix=first_prefix,
        asked=asked,
        n_read=_events_before_last_targets(sessions),
    )
    following: Any = Following(items)
    return PrefixData(prefix_examples(encoded, max_length, one_pass), following)


def _events_before_last_targets(sessions: Sessions) -> np.ndarray:
    """Events of each session that stand before its last target, (n_sessions,), int32."""
    rows, last = sessions.last_targets()
    last -= sessions.offsets[rows]
    n_read = np.zeros(len(sessions), dtype=np.int32)  # a long log has many sessions
    n_read[rows] = last
    return n_read


def _prompts(sessions: Sessions, encoder: SessionEncoder, kind: str, code_of: np.ndarray) -> Any:
    """Column of the prompt codes of a kind; `code_of` has the model's code of each item."""
    if kind in OWNERS:
        codes = owner_codes(sessions, kind, encoder.owners[kind], encoder.numberings)
        return OfSession(sessions.offsets, codes[:, None])
    if kind in encoder.owners:
        attribute: Any = event_attribute(sessions, kind)
        return LookedUp(attribute.codes, attribute.codes_in(encoder.owners[kind])[:, None])
    return LookedUp(sessions.codes, encoder.item_prompts(kind)[code_of])
