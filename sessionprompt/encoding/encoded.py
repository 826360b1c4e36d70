"""Encoded sessions: integer columns of items and prompts, aligned event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .._arrays import ragged_range
from ..clustering import Features
from ..sessions import Sessions

__all__ = ["EncodedSessions", "asked_events"]


@dataclass(frozen=True)
class EncodedSessions:
    """Integer columns of some sessions, aligned event by event.

    Attributes
    ----------
    items : ndarray of shape (n_events,), int64
        Item codes of the model. Below 0 are items that it does not know; within a session,
        different codes are different items.
    offsets : ndarray of shape (n_sessions + 1,), int64
    prompts : dict of str to ndarray of shape (n_events, n_columns), int64
        Prompt codes per kind; -1 is the blank (nothing known). Columns of one kind number one
        common table.
    first_prefix : ndarray of shape (n_sessions,), int64
        Length of the shortest prefix of each session that is asked for; shorter ones are context
        only.
    described : dict of str to features
        Attributes of items that the model does not know, by kind. Codes name them after those of
        the known items.
    asked : ndarray of shape (n_events,), bool, optional
        True where the prefix that ends with the event is asked for; None stands for all prefixes.
    n_read : ndarray of shape (n_sessions,), optional
        Events of each session that windows hold, its first ones; None stands for all.
    """

    items: np.ndarray
    offsets: np.ndarray
    prompts: dict[str, np.ndarray]
    first_prefix: np.ndarray
    described: dict[str, Features] = field(default_factory=dict)
    asked: np.ndarray | None = None
    n_read: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Number of events of each session that windows hold."""
        if self.n_read is not None:
            return self.n_read
        return np.diff(self.offsets)

    @cached_property
    def asked_events(self) -> np.ndarray:
        """Events at which a prefix ends that is asked for, where not all of them are."""
        assert self.asked is not None
        return np.flatnonzero(self.asked)

    def n_asked(self, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """Number of prefixes asked for that end between events, the last of these not included."""
        if self.asked is None:
            return np.maximum(stops - starts, 0)
        before = np.searchsorted(self.asked_events, [starts, stops])
        return np.maximum(before[1] - before[0], 0)

    @property
    def n_prefixes(self) -> np.ndarray:
        """Number of prefixes of each session that are asked for."""
        return self.n_asked(self.offsets[:-1] + self.first_prefix - 1, self.offsets[1:])

    def take(self, rows: np.ndarray) -> EncodedSessions:
        """Some of the sessions, in the order of `rows`."""
        lengths = self.lengths[rows]
        events = ragged_range(self.offsets[rows], lengths)
        return EncodedSessions(
            items=self.items[events],
            offsets=np.append(0, np.cumsum(lengths)),
            prompts={kind: codes[events] for kind, codes in self.prompts.items()},
            first_prefix=self.first_prefix[rows],
            described=self.described,
            asked=_taken(self.asked, events),
        )

    @classmethod
    def join(cls, parts: Sequence[EncodedSessions]) -> EncodedSessions:
        """Several encoded sessions of one vocabulary, one after another."""
        lengths = np.concatenate([part.lengths for part in parts])
        prompts = {
            kind: np.concatenate([part.prompts[kind] for part in parts])
            for kind in parts[0].prompts
        }
        return cls(
            items=np.concatenate([part.items for part in parts]),
            offsets=np.append(0, np.cumsum(lengths)),
            prompts=prompts,
            first_prefix=np.concatenate([part.first_prefix for part in parts]),
            described=parts[0].described,
            asked=_joined([part.asked for part in parts]),
        )


def asked_events(sessions: Sessions) -> np.ndarray | None:
    """Mark the events that a target follows, (n_events,); None where all events are targets.

    What follows the end of a session is asked for.
    """
    if sessions.is_target is None:
        return None
    asked = np.append(sessions.is_target[1:], True)[: sessions.n_events]
    asked[sessions.offsets[1:][sessions.lengths > 0] - 1] = True
    return asked


def _taken(asked: np.ndarray | None, events: np.ndarray) -> np.ndarray | None:
    if asked is None:
        return None
    return asked[events]


def _joined(masks: list[np.ndarray | None]) -> np.ndarray | None:
    """Masks one after another; parts of the same sessions have one all or none."""
    known = [mask for mask in masks if mask is not None]
    if not known:
        return None
    return np.concatenate(known)
