"""Prefixes with the items that follow them: what training and evaluation run over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._arrays import ragged_range
from ..sessions import Sessions
from .encoded import EncodedSessions
from .encoder import SessionEncoder
from .examples import Examples, last_prefixes, prefix_examples
from .targets import NextItemTargets

__all__ = ["PrefixData", "count_unknown", "last_windows", "prefix_data"]

EVENTS_AT_A_TIME = 2**17  # of windows to annotate: some 20 MB of intermediate results


@dataclass(frozen=True)
class PrefixData:
    """Examples with the item that follows each event.

    Attributes
    ----------
    examples : Examples
    next_items : ndarray of shape (n_events,)
        Code of the item after each event of the sessions; -1 where it is unknown.
    clusters : ndarray of shape (n_items,), optional
        Cluster of each item, -1 for none. The windows of a part of shuffled examples then end with
        items of a few clusters, drawn anew each time.
    part_items : int
        About how many items these clusters hold together.
    weights : ndarray of shape (n_examples,), optional
        How often each example stands among shuffled ones on average, of mean one.
    """

    examples: Examples
    next_items: np.ndarray
    clusters: np.ndarray | None = None
    weights: np.ndarray | None = None
    part_items: int = 4096

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
        order = self._order(rng)
        part_of = (np.cumsum(self.examples.n_prefixes[order]) - 1) // batch_size
        bounds = np.flatnonzero(np.diff(part_of)) + 1
        parts = [index for index in np.split(order, bounds) if len(index)]
        if rng is not None and self.clusters is not None:
            parts = [parts[place] for place in rng.permutation(len(parts))]
        return (self.examples.take(index) for index in parts)

    def _order(self, rng: np.random.Generator | None) -> np.ndarray:
        """Examples in order or shuffled; with clusters, those that end in some of them together."""
        if rng is None:
            return np.arange(len(self.examples))
        order = self._drawn(rng)
        if self.clusters is None:
            return order
        ends = self.examples.starts + self.examples.lengths - 1  # (n_examples,)
        last_items = self.examples.sessions.items[ends]  # (n_examples,), below 0 if unknown
        np.maximum(last_items, 0, out=last_items)
        group = _groups(self.clusters, self.part_items, rng)[last_items]  # (n_examples,)
        return order[np.argsort(group[order], kind="stable")]

    def _drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Shuffled examples, each once, or as often as its weight says: rounded up or down."""
        if self.weights is None:
            return rng.permutation(len(self.examples))
        bounds = np.floor(np.cumsum(self.weights) + rng.random()).astype(np.int64)
        examples = np.repeat(np.arange(len(bounds)), np.diff(bounds, prepend=0))
        return rng.permutation(examples)


def _groups(clusters: np.ndarray, n_items: int, rng: np.random.Generator) -> np.ndarray:
    """Group of each item (n_items,): clusters at random, so many that they hold `n_items`."""
    sizes = np.bincount(clusters + 1)  # (n_clusters + 1,), first the items of none
    order = rng.permutation(len(sizes))
    group = np.empty_like(sizes)  # (n_clusters + 1,)
    group[order] = np.cumsum(sizes[order]) // n_items
    # few numbers of two bytes are sorted fastest
    return group.astype(np.min_scalar_type(group.max()))[clusters + 1]


def last_windows(sessions: Sessions, encoder: SessionEncoder, max_length: int) -> Examples:
    """One example per session, its newest events, as :func:`prefix_data` reads a prefix.

    Parameters
    ----------
    sessions : Sessions
    encoder : SessionEncoder
    max_length : int
        What older events say of an unknown item is not read either.
    """
    lengths = sessions.lengths
    if sessions.annotator is not None and (lengths > max_length).any():
        sessions = sessions.windows(np.arange(len(sessions)), lengths, max_length)
    return last_prefixes(encoder.encode(sessions), max_length)


def count_unknown(sessions: Sessions, examples: Examples) -> tuple[int, int]:
    """Numbers of windows that hold nothing known: without any prompt, and with a guessed cluster.

    Known is an item, a user or a session of the model, and a cluster that was given or follows from
    an edge. A cluster is guessed where the annotator of the sessions says so, with a method
    ``reached_events(sessions)``.

    Parameters
    ----------
    sessions : Sessions
    examples : Examples
        Their windows, as of :func:`last_windows`.
    """
    encoded = examples.sessions
    known = _holding(examples, encoded.items >= 0)
    if known.all():
        return 0, 0
    clustered = np.zeros(len(examples), dtype=bool)
    for kind, codes in encoded.prompts.items():
        holding = _holding(examples, codes.max(axis=1, initial=-1) >= 0)
        if kind == "cluster":
            clustered = holding
        else:
            known |= holding
    n_blank = int((~known & ~clustered).sum())
    guessed = ~known & clustered
    annotator: Any = sessions.annotator
    if not guessed.any() or not hasattr(annotator, "reached_events"):
        return n_blank, 0
    longest = int(examples.lengths.max())
    windows = sessions.windows(np.arange(len(sessions)), sessions.lengths, longest)
    events = annotator.reached_events(windows)
    reached = np.logical_or.reduceat(events, windows.offsets[:-1])
    return n_blank, int((guessed & ~reached).sum())


def _holding(examples: Examples, events: np.ndarray) -> np.ndarray:
    """Mark the windows that hold one of the marked events."""
    before = np.append(0, np.cumsum(events))
    return before[examples.starts + examples.lengths] > before[examples.starts]


def prefix_data(
    cut: NextItemTargets, encoder: SessionEncoder, max_length: int, one_pass: bool | str
) -> tuple[PrefixData, np.ndarray]:
    """All prefixes of cut sessions as a network reads them, without hindsight.

    Prefixes of known items are read once, several at a time where the backbone allows it. A window
    with an unknown item is annotated anew for every prefix, by its own events: the cluster of an
    unknown item must not depend on what follows the prefix.

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
    if cut.inputs.annotator is None or (cut.encoded.items >= 0).all():
        examples = prefix_examples(cut.encoded, max_length, one_pass)
        return PrefixData(examples, cut.next_items), examples.ends
    longest = _lengths_of_known(cut.encoded)
    examples = prefix_examples(cut.encoded, max_length, one_pass, longest)
    return _without_hindsight(cut, encoder, examples, max_length), examples.ends


def _lengths_of_known(sessions: EncodedSessions) -> np.ndarray:
    """Events of each session before the first one of an unknown item."""
    unknown = np.flatnonzero(sessions.items < 0)
    session = np.searchsorted(sessions.offsets, unknown, side="right") - 1
    lengths = sessions.lengths.copy()
    np.minimum.at(lengths, session, unknown - sessions.offsets[session])
    return lengths


def _without_hindsight(
    cut: NextItemTargets, encoder: SessionEncoder, examples: Examples, max_length: int
) -> PrefixData:
    """Examples in which windows with an unknown item, of one prefix each, are annotated anew."""
    stops = examples.starts + examples.lengths  # (n_examples,)
    unknown_before = np.append(0, np.cumsum(cut.encoded.items < 0))
    anew = np.flatnonzero(unknown_before[stops] > unknown_before[examples.starts])
    owner = np.searchsorted(cut.encoded.offsets, examples.starts[anew], side="right") - 1
    prefix = stops[anew] - cut.encoded.offsets[owner]
    parts = [cut.encoded]
    events = [np.arange(len(cut.encoded.items))]
    starts = examples.starts.copy()
    n_events = len(cut.encoded.items)
    for group in _annotated_together(prefix, examples.lengths[anew], cut.inputs.annotator):
        windows = cut.inputs.windows(owner[group], prefix[group], max_length)
        parts.append(encoder.encode(windows))
        chosen = anew[group]
        events.append(ragged_range(examples.starts[chosen], examples.lengths[chosen]))
        starts[chosen] = n_events + windows.offsets[:-1]
        n_events += windows.n_events
    sessions = EncodedSessions.join(parts)
    examples = replace(examples, sessions=sessions, starts=starts)
    return PrefixData(examples, cut.next_items[np.concatenate(events)])


def _annotated_together(
    prefix: np.ndarray, lengths: np.ndarray, annotator: Any
) -> Iterator[np.ndarray]:
    """Windows to annotate in one call; if they inform each other, no two of one session."""
    if getattr(annotator, "attach", "session") == "batch":
        order = np.argsort(prefix, kind="stable")
        bounds = np.flatnonzero(np.diff(prefix[order])) + 1
    else:
        order = np.arange(len(prefix))
        bounds = np.flatnonzero(np.diff(np.cumsum(lengths) // EVENTS_AT_A_TIME)) + 1
    return (group for group in np.split(order, bounds) if len(group))
