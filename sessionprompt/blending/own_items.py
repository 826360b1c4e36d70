"""The items of a prefix itself: when and how often it has seen them, and what that is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .._arrays import ragged_range
from .habits import OF_EARLIER, OF_LAST, habit_columns, habits_of

__all__ = [
    "BONUSES",
    "COUNTS",
    "KNOTS",
    "LENGTHS",
    "MOST",
    "STEPS",
    "OwnItems",
    "count_columns",
    "knot_columns",
    "length_columns",
    "step_columns",
]

STEPS = np.array([0, 1, 2, 3, 5, 9, 17])  # least steps back of each bucket
COUNTS = np.array([2, 3, 4])  # least times seen
LENGTHS = np.array([2, 3, 4, 7, 13])  # least events of the prefix
KNOTS = np.array([1, 2, 32])  # lengths at which the trust in scores is learned
MOST = 255  # steps, times and lengths beyond count as so many


def _names(what: str, bounds: np.ndarray) -> list[str]:
    """Names of buckets between lower bounds: ``"2"`` or ``"3-4"``, and ``"17+"``."""
    last = [f"{bound}+" for bound in bounds[-1:]]
    names = []
    for least, beyond in pairwise(bounds):
        name = f"{least}-{beyond - 1}"
        if beyond == least + 1:
            name = f"{least}"
        names.append(name)
    return [f"{what} {name}" for name in names + last]


BONUSES = (
    *_names("steps back", STEPS),
    *_names("times seen", COUNTS),
    "log of times seen",
    "share of events",
    *_names("length", LENGTHS),
    *OF_LAST,
    *OF_EARLIER,
)
"""Names of the columns of :attr:`OwnItems.columns`."""


@dataclass(frozen=True)
class OwnItems:
    """Distinct known items of some prefixes, by prefix and item.

    Attributes
    ----------
    row, item : ndarray of shape (n_pairs,)
    steps : ndarray of shape (n_pairs,)
        Steps back to the last time that the prefix saw the item; 0 is its last event.
    counts : ndarray of shape (n_pairs,)
        Times that it saw it.
    lengths : ndarray of shape (n_rows,)
        Events of each prefix.
    habits : ndarray of shape (n_rows, 5)
        Shares of what each prefix has done so far, see :func:`~.habits.habits_of`.
    """

    row: np.ndarray
    item: np.ndarray
    steps: np.ndarray
    counts: np.ndarray
    lengths: np.ndarray
    habits: np.ndarray

    @classmethod
    def of(
        cls, row: np.ndarray, item: np.ndarray, steps: np.ndarray, lengths: np.ndarray
    ) -> OwnItems:
        """Items of the events of some prefixes.

        Parameters
        ----------
        row, item, steps : ndarray of shape (n_events,)
            Prefix of each event, rising, its item's code, negative where unknown, and the steps
            from it to the last event of its prefix, falling within a prefix.
        lengths : ndarray of shape (n_rows,)
        """
        of_events = item
        n_events = lengths
        lengths = np.minimum(lengths, MOST)
        if item.min(initial=0) < 0:
            known = np.flatnonzero(item >= 0)
            row = row[known]
            item = item[known]
            steps = steps[known]
        key = row * (item.max(initial=0) + 1) + item
        order = np.argsort(key, kind="stable")
        key = key[order]
        is_last = np.ones(len(key), dtype=bool)  # event of its item in its prefix
        np.not_equal(key[1:], key[:-1], out=is_last[:-1])
        places = np.flatnonzero(is_last)
        last = order[places]
        counts = np.minimum(np.diff(places, prepend=-1), MOST)
        own_row = row[last]
        habits = habits_of(of_events, n_events, np.bincount(own_row, minlength=len(lengths)))
        return cls(own_row, item[last], np.minimum(steps[last], MOST), counts, lengths, habits)

    @classmethod
    def of_prefixes(cls, items: np.ndarray, offsets: np.ndarray, first: np.ndarray) -> OwnItems:
        """Items of all prefixes of some sessions, session by session, the shortest first.

        Parameters
        ----------
        items : ndarray of shape (n_events,)
            Codes, negative where unknown.
        offsets : ndarray of shape (n_sessions + 1,)
        first : ndarray of shape (n_sessions,)
            Length of the shortest prefix of each session.
        """
        n_prefixes = np.maximum(np.diff(offsets) - first + 1, 0)  # (n_sessions,)
        lengths = ragged_range(first, n_prefixes)  # (n_rows,)
        starts = np.repeat(offsets[:-1], n_prefixes)  # (n_rows,)
        row = np.repeat(np.arange(len(lengths)), lengths)  # (n_events of prefixes,)
        event = ragged_range(starts, lengths)
        return cls.of(row, items[event], (starts + lengths)[row] - 1 - event, lengths)

    @classmethod
    def join(cls, parts: Sequence[OwnItems]) -> OwnItems:
        """Items of several groups of prefixes, one group after another."""
        n_rows = [len(part.lengths) for part in parts]
        firsts = np.cumsum(n_rows) - n_rows
        rows = [part.row + first for part, first in zip(parts, firsts, strict=True)]
        return cls(
            np.concatenate(rows),
            np.concatenate([part.item for part in parts]),
            np.concatenate([part.steps for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.habits for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.row)

    def take(self, rows: np.ndarray) -> OwnItems:
        """Items of some of the prefixes, in their order; `rows` rise."""
        place = np.full(len(self.lengths), -1)
        place[rows] = np.arange(len(rows))
        place = place[self.row]  # (n_pairs,)
        kept = place >= 0
        return OwnItems(
            place[kept],
            self.item[kept],
            self.steps[kept],
            self.counts[kept],
            self.lengths[rows],
            self.habits[rows],
        )

    @property
    def columns(self) -> np.ndarray:
        """What the bonus of each pair is made of, shape (n_pairs, len(BONUSES))."""
        columns = np.empty((len(self.row), len(BONUSES)))
        self.write_columns(columns)
        return columns

    def write_columns(self, columns: np.ndarray) -> None:
        """Write them to an array (n_pairs, len(BONUSES)), some at a time."""
        place = 0
        for part in self._parts():
            columns[:, place : place + part.shape[1]] = part
            place += part.shape[1]

    def _parts(self) -> Iterator[np.ndarray]:
        lengths = self.lengths[self.row]
        yield step_columns(self.steps)
        yield count_columns(self.counts)
        yield (self.counts / lengths)[:, None]
        yield length_columns(lengths)
        yield habit_columns(self.steps, self.habits[self.row])


def step_columns(steps: np.ndarray) -> np.ndarray:
    """Bucket of each number of steps back, shape (n, 7)."""
    return _one_hot(STEPS, steps)


def count_columns(counts: np.ndarray) -> np.ndarray:
    """Bucket and logarithm of each number of times, shape (n, 4)."""
    return np.column_stack([_one_hot(COUNTS, counts), np.log(counts)])


def length_columns(lengths: np.ndarray) -> np.ndarray:
    """Bucket of each length, shape (n, 5)."""
    return _one_hot(LENGTHS, lengths)


def knot_columns(lengths: np.ndarray) -> np.ndarray:
    """Shares of the `KNOTS` between which each length lies, shape (n, 3).

    Between them the logarithm of the length counts, beyond the last one it stays there.
    """
    logs = np.log(np.clip(lengths, KNOTS[0], KNOTS[-1]))
    knots = np.log(KNOTS)
    return np.column_stack([np.interp(logs, knots, column) for column in np.eye(len(KNOTS))])


def _one_hot(bounds: np.ndarray, values: np.ndarray) -> np.ndarray:
    """1 in the bucket of each value, shape (n, n_buckets); below the first bound there is none."""
    bucket = np.searchsorted(bounds, values, side="right")  # (n,)
    return np.eye(len(bounds) + 1)[bucket, 1:]
