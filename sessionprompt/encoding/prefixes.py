"""Prefixes with the items that follow them: what training and evaluation run over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._arrays import ragged_range
from .encoded import EncodedSessions
from .encoder import SessionEncoder
from .examples import Examples, prefix_examples
from .targets import NextItemTargets

__all__ = ["PrefixData", "prefix_data"]


@dataclass(frozen=True)
class PrefixData:
    """Examples with the item that follows each event.

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

    @property
    def targets(self) -> np.ndarray:
        """Code of the item after each prefix, example by example; -1 where it is unknown."""
        return self.next_items[self.examples.ends]

    def parts(self, batch_size: int, rng: np.random.Generator | None = None) -> Iterator[Examples]:
        """Examples of about `batch_size` prefixes each, in order or, with `rng`, shuffled.

        A window is never torn apart: it goes where its last prefix goes.
        """
        if rng is None and 0 < len(self) <= batch_size:
            return iter([self.examples])
        if rng is None:
            order = np.arange(len(self.examples))
        else:
            order = rng.permutation(len(self.examples))
        part_of = (np.cumsum(self.examples.n_prefixes[order]) - 1) // batch_size
        bounds = np.flatnonzero(np.diff(part_of)) + 1
        return (self.examples.take(index) for index in np.split(order, bounds) if len(index))


def prefix_data(
    cut: NextItemTargets, encoder: SessionEncoder, max_length: int, one_pass: bool | str
) -> tuple[PrefixData, np.ndarray]:
    """All prefixes of cut sessions as a network reads them, without hindsight.

    Sessions whose items are all known are read once for all their prefixes, where the backbone
    allows it. A session with an unknown item is taken apart into its prefixes first, and each is
    annotated anew: the cluster of an unknown item must not depend on what follows the prefix.

    Parameters
    ----------
    cut : NextItemTargets
    encoder : SessionEncoder
    max_length, one_pass
        As in :func:`prefix_examples`.

    Returns
    -------
    data : PrefixData
    places : ndarray of shape (n_prefixes,)
        Event of ``cut.inputs`` at which each prefix ends.
    """
    sessions, events = _without_hindsight(cut, encoder)
    examples = prefix_examples(sessions, max_length, one_pass)
    return PrefixData(examples, cut.next_items[events]), events[examples.ends]


def _without_hindsight(
    cut: NextItemTargets, encoder: SessionEncoder
) -> tuple[EncodedSessions, np.ndarray]:
    """Sessions of known items as they are, the others prefix by prefix.

    Returns
    -------
    sessions : EncodedSessions
    events : ndarray of shape (n_events,)
        Event of ``cut.inputs`` that each event of them is.
    """
    apart = _with_unknown_items(cut)
    if not apart.any():
        return cut.encoded, np.arange(len(cut.encoded.items))
    whole = np.flatnonzero(~apart)
    parts = [cut.encoded.take(whole)]
    events = [ragged_range(cut.encoded.offsets[whole], cut.encoded.lengths[whole])]
    for owner, lengths in _prefix_groups(cut, np.flatnonzero(apart)):
        prefixes = encoder.encode(cut.inputs.prefixes(owner, lengths))
        parts.append(replace(prefixes, first_prefix=lengths))
        events.append(ragged_range(cut.encoded.offsets[owner], lengths))
    return EncodedSessions.join(parts), np.concatenate(events)


def _with_unknown_items(cut: NextItemTargets) -> np.ndarray:
    """Mark the sessions that hold an unknown item which an annotator would label."""
    apart = np.zeros(len(cut.encoded), dtype=bool)
    if cut.inputs.annotator is not None:
        session = np.repeat(np.arange(len(cut.encoded)), cut.encoded.lengths)
        apart[session[cut.encoded.items < 0]] = True
    return apart


def _prefix_groups(
    cut: NextItemTargets, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Owner and length of the prefixes that some sessions ask for, by calls of the annotator."""
    first = cut.encoded.first_prefix[rows]
    counts = np.maximum(cut.encoded.lengths[rows] - first + 1, 0)
    owner = np.repeat(rows, counts)
    lengths = ragged_range(first, counts)
    for group in _annotated_together(lengths, cut.inputs.annotator):
        yield owner[group], lengths[group]


def _annotated_together(lengths: np.ndarray, annotator: Any) -> list[np.ndarray]:
    """Prefixes to annotate in one call: if they inform each other, no two of one session."""
    if getattr(annotator, "attach", "session") == "batch":
        return [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    return [np.arange(len(lengths))]
