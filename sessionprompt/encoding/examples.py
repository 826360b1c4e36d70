"""Examples: windows of events, and the prefixes in them that ask for their next item."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .._arrays import ragged_range, repeated
from .encoded import EncodedSessions

__all__ = ["Examples", "last_prefixes", "prefix_examples"]


@dataclass(frozen=True)
class Examples:
    """Windows of events to read, and the number of their last positions that ask for a prediction.

    Attributes
    ----------
    sessions : EncodedSessions
    starts : ndarray of shape (n,)
        First event of each window, counted over all events.
    lengths : ndarray of shape (n,)
        Events of each window.
    n_prefixes : ndarray of shape (n,)
        The prefixes that end at the last `n_prefixes` positions of the window are asked for; where
        sessions ask for some events alone, at the last of these.
    """

    sessions: EncodedSessions
    starts: np.ndarray
    lengths: np.ndarray
    n_prefixes: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, index: np.ndarray) -> Examples:
        """Some of the examples, in the order of `index`; their numbers in 8 bytes."""
        return replace(
            self,
            starts=self.starts[index],
            lengths=self.lengths[index].astype(np.int64, copy=False),
            n_prefixes=self.n_prefixes[index].astype(np.int64, copy=False),
        )

    @property
    def ends(self) -> np.ndarray:
        """Events at which the prefixes asked for end, example by example."""
        stops = self.starts + self.lengths
        if self.sessions.asked is None:
            return ragged_range(stops - self.n_prefixes, self.n_prefixes)
        asked = self.sessions.asked_events
        last = np.searchsorted(asked, stops)
        return asked[ragged_range(last - self.n_prefixes, self.n_prefixes)]

    @property
    def places(self) -> np.ndarray:
        """The same ends, counted over the events of all windows, one window after another."""
        stops = np.cumsum(self.lengths)
        if self.sessions.asked is None:
            return ragged_range(stops - self.n_prefixes, self.n_prefixes)
        return self.ends + np.repeat(stops - self.lengths - self.starts, self.n_prefixes)


def last_prefixes(sessions: EncodedSessions, max_length: int) -> Examples:
    """One example per session: its newest `max_length` events, asked for once, at the end."""
    lengths = np.minimum(sessions.lengths, max_length)
    return Examples(sessions, sessions.offsets[1:] - lengths, lengths, np.ones_like(lengths))


def prefix_examples(
    sessions: EncodedSessions,
    max_length: int,
    one_pass: bool | str,
    longest_shared: np.ndarray | None = None,
) -> Examples:
    """Examples that ask once for every prefix of every session, its `first_prefix` the shortest.

    In one pass, the prefixes of up to `max_length` events share a window; longer ones get a window
    of their own, since the state of a truncated prefix starts anew. ``"distinct"`` also gives
    prefixes in which an item occurs twice a window of their own. Otherwise every prefix has its own
    window.

    Parameters
    ----------
    sessions : EncodedSessions
    max_length : int
        Longest window, in events.
    one_pass : bool or "distinct"
        True if one window may serve many prefixes, as
        :attr:`~sessionprompt.backbones.Backbone.one_pass` allows.
    longest_shared : ndarray of shape (n_sessions,), optional
        Length up to which prefixes of each session may share a window.

    Returns
    -------
    examples : Examples
    """
    first = sessions.first_prefix
    shared_last = np.minimum(_one_pass_lengths(sessions, one_pass), max_length)
    if longest_shared is not None:
        shared_last = np.minimum(shared_last, longest_shared)
    ends = sessions.offsets[:-1] + shared_last
    n_shared = sessions.n_asked(sessions.offsets[:-1] + first - 1, ends)
    shared = np.flatnonzero(n_shared)
    own_first = np.maximum(first, shared_last + 1)
    counts = np.maximum(sessions.lengths - own_first + 1, 0)
    owner = np.repeat(np.arange(len(sessions)), counts)
    prefix = ragged_range(own_first, counts)
    if sessions.asked is not None:
        kept = sessions.asked[sessions.offsets[owner] + prefix - 1]
        owner = owner[kept]
        prefix = prefix[kept]
    window = np.minimum(prefix, max_length)
    own_starts = sessions.offsets[owner] + prefix - window
    n_prefixes = np.concatenate([n_shared[shared], np.ones_like(window)])
    return Examples(
        sessions,
        starts=np.concatenate([sessions.offsets[shared], own_starts]),
        lengths=np.concatenate([shared_last[shared], window], dtype=shared_last.dtype),
        n_prefixes=n_prefixes.astype(shared_last.dtype, copy=False),
    )


def _one_pass_lengths(sessions: EncodedSessions, one_pass: bool | str) -> np.ndarray:
    """Length of the longest prefix of each session that one window may serve."""
    if not one_pass:
        return np.zeros_like(sessions.lengths)
    if one_pass == "distinct":
        return _distinct_lengths(sessions)
    return sessions.lengths


def _distinct_lengths(sessions: EncodedSessions) -> np.ndarray:
    """Events of each session before an item occurs for the second time."""
    session = np.repeat(np.arange(len(sessions)), np.diff(sessions.offsets))
    repeats = np.flatnonzero(repeated(np.asarray(sessions.items), session))
    lengths = sessions.lengths.copy()
    np.minimum.at(lengths, session[repeats], repeats - sessions.offsets[session[repeats]])
    return lengths
