"""Examples: which prefixes of which sessions ask for their next item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._arrays import ragged_range, repeated
from .encoder import EncodedSessions, SessionEncoder
from .targets import NextItemTargets

__all__ = ["Examples", "PrefixData", "last_prefixes", "prefix_data", "prefix_examples"]


@dataclass(frozen=True)
class Examples:
    """Windows of events to encode, and how many of their last positions ask for a prediction.

    Attributes
    ----------
    sessions : EncodedSessions
    starts : ndarray of shape (n,)
        First event of each window, counted over all events.
    lengths : ndarray of shape (n,)
        Events of each window.
    n_prefixes : ndarray of shape (n,)
        The prefixes that end at the last `n_prefixes` positions of the window are asked for.
    """

    sessions: EncodedSessions
    starts: np.ndarray
    lengths: np.ndarray
    n_prefixes: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, index: np.ndarray) -> Examples:
        """Some of the examples, in the order of `index`."""
        return replace(
            self,
            starts=self.starts[index],
            lengths=self.lengths[index],
            n_prefixes=self.n_prefixes[index],
        )

    @property
    def ends(self) -> np.ndarray:
        """Events at which the prefixes asked for end, example by example."""
        return ragged_range(self.starts + self.lengths - self.n_prefixes, self.n_prefixes)


def last_prefixes(sessions: EncodedSessions, max_length: int) -> Examples:
    """One example per session: its newest `max_length` events, asked for once, at the end."""
    lengths = np.minimum(sessions.lengths, max_length)
    return Examples(sessions, sessions.offsets[1:] - lengths, lengths, np.ones_like(lengths))


def prefix_examples(sessions: EncodedSessions, max_length: int, one_pass: bool | str) -> Examples:
    """Examples that ask once for every prefix of every session, from its `first_prefix` to its whole length.

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
        Whether one window serves many prefixes, as
        :attr:`~sessionprompt.backbones.Backbone.one_pass` allows.

    Returns
    -------
    examples : Examples
    """
    first, last = sessions.first_prefix, sessions.lengths
    longest = (
        _distinct_lengths(sessions)
        if one_pass == "distinct"
        else last
        if one_pass
        else np.zeros_like(last)
    )
    shared_last = np.minimum(longest, max_length)
    shared = np.flatnonzero(shared_last >= first)
    own_first = np.maximum(first, shared_last + 1)
    counts = np.maximum(last - own_first + 1, 0)
    owner, prefix = np.repeat(np.arange(len(sessions)), counts), ragged_range(own_first, counts)
    window = np.minimum(prefix, max_length)
    return Examples(
        sessions,
        np.concatenate([sessions.offsets[shared], sessions.offsets[owner] + prefix - window]),
        np.concatenate([shared_last[shared], window]),
        np.concatenate([(shared_last - first + 1)[shared], np.ones_like(window)]),
    )


def _distinct_lengths(sessions: EncodedSessions) -> np.ndarray:
    """Events of each session before an item occurs for the second time."""
    session = np.repeat(np.arange(len(sessions)), sessions.lengths)
    repeats = np.flatnonzero(repeated(sessions.items, session))
    lengths = sessions.lengths.copy()
    np.minimum.at(lengths, session[repeats], repeats - sessions.offsets[session[repeats]])
    return lengths


@dataclass(frozen=True)
class PrefixData:
    """Examples with the item that follows each event: what training and evaluation run over.

    Attributes
    ----------
    examples : Examples
    next_items : ndarray of shape (n_events,)
        Code of the item after each event of the sessions; -1 where it is unknown.
    """

    examples: Examples
    next_items: np.ndarray

    def __len__(self) -> int:
        return int(self.examples.n_prefixes.sum())

    def parts(self, batch_size: int, rng: np.random.Generator | None = None) -> Iterator[Examples]:
        """Yield examples of about `batch_size` prefixes, shuffled by `rng` or, without one, in order.

        A window is never torn apart: it goes where its last prefix goes.
        """
        if rng is None and 0 < len(self) <= batch_size:
            return iter([self.examples])
        order = (
            np.arange(len(self.examples)) if rng is None else rng.permutation(len(self.examples))
        )
        batch_of = (np.cumsum(self.examples.n_prefixes[order]) - 1) // batch_size
        bounds = np.flatnonzero(np.diff(batch_of)) + 1
        return (self.examples.take(index) for index in np.split(order, bounds) if len(index))


def prefix_data(
    cut: NextItemTargets, encoder: SessionEncoder, max_length: int, one_pass: bool | str
) -> tuple[PrefixData, np.ndarray]:
    """All prefixes of cut sessions as the network reads them, without hindsight.

    Sessions whose items are all known are encoded once for all their prefixes, where the backbone
    allows it. A session with an unknown item is taken apart into its prefixes first, and each is
    annotated anew: the cluster of an unknown item must not depend on what follows the prefix.

    Returns
    -------
    data : PrefixData
    places : ndarray of shape (n_prefixes,)
        Event of ``cut.inputs`` at which each prefix ends.
    """
    parts, places = zip(*_without_hindsight(cut, encoder), strict=True)
    place = np.concatenate(places)
    examples = prefix_examples(EncodedSessions.join(parts), max_length, one_pass)
    return PrefixData(examples, cut.next_items[place]), place[examples.ends]


def _without_hindsight(
    cut: NextItemTargets, encoder: SessionEncoder
) -> Iterator[tuple[EncodedSessions, np.ndarray]]:
    """Sessions of known items whole, the others prefix by prefix; with the place of each event in the inputs."""
    inputs = cut.inputs
    session = np.repeat(np.arange(len(inputs)), inputs.lengths)
    apart = np.zeros(len(inputs), dtype=bool)
    if inputs.annotator is not None:
        apart[session[encoder.item_codes(inputs) < 0]] = True
    if not apart.all():
        yield encoder.encode(inputs[~apart]), np.flatnonzero(~apart[session])
    if apart.any():
        first = encoder.encode(inputs).first_prefix
        rows = np.flatnonzero(apart)
        counts = np.maximum(inputs.lengths[rows] - first[rows] + 1, 0)
        owner, lengths = np.repeat(rows, counts), ragged_range(first[rows], counts)
        for group in _annotated_together(lengths, inputs.annotator):
            single = encoder.encode(inputs.prefixes(owner[group], lengths[group]))
            yield (
                replace(single, first_prefix=lengths[group]),
                ragged_range(inputs.offsets[owner[group]], lengths[group]),
            )


def _annotated_together(lengths: np.ndarray, annotator: Any) -> list[np.ndarray]:
    """Indices of prefixes to annotate in one call: if they inform each other, no two of one session."""
    if getattr(annotator, "attach", "session") == "batch":
        return [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    return [np.arange(len(lengths))]
