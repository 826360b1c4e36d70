"""Encoded sessions: integer columns of items and prompts, aligned event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .._arrays import ragged_range
from ..clustering import Features

__all__ = ["EncodedSessions"]


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
    """

    items: np.ndarray
    offsets: np.ndarray
    prompts: dict[str, np.ndarray]
    first_prefix: np.ndarray
    described: dict[str, Features] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Number of events of each session."""
        return np.diff(self.offsets)

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
        )
