"""Sessions as rows of item codes, and sparse matrices made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._arrays import ragged_range

__all__ = ["ItemRows", "LastClicks", "Windows"]


class LastClicks(NamedTuple):
    """The last event of each item in each row, by row and item; arrays of shape (n_pairs,)."""

    rows: np.ndarray
    items: np.ndarray
    positions: np.ndarray


@dataclass(frozen=True)
class ItemRows:
    """Item codes of some sessions, one row after another.

    Attributes
    ----------
    items : ndarray of shape (n_events,), int64
    offsets : ndarray of shape (n_rows + 1,), int64
    """

    items: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of_known(cls, items: np.ndarray, offsets: np.ndarray) -> ItemRows:
        """Rows without the events whose item is not known (code -1)."""
        known = items >= 0
        return cls(items[known], np.append(0, np.cumsum(known))[offsets])

    @classmethod
    def checked(cls, items: np.ndarray, offsets: np.ndarray, n_items: int) -> ItemRows:
        """Rows as read from a file; a ValueError if they are none of `n_items` items."""
        rows = cls(items.astype(np.int64), offsets.astype(np.int64))
        if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != len(items):
            raise ValueError("arrays.npz: 'session_offsets' do not span the items of sessions.")
        if (rows.lengths < 0).any() or not ((items >= 0) & (items < n_items)).all():
            raise ValueError("arrays.npz: 'session_items' are no sessions of the known items.")
        return rows

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: np.ndarray) -> ItemRows:
        """Some of the rows, in the order of `rows`."""
        lengths = self.lengths[rows]
        return self.windows(self.offsets[rows], lengths)

    def windows(self, starts: np.ndarray, lengths: np.ndarray) -> ItemRows:
        """Rows made of some events each: so many from each start on; both of shape (n_windows,)."""
        events = ragged_range(starts, lengths)
        return ItemRows(self.items[events], np.append(0, np.cumsum(lengths)))

    def newest(self, n: int) -> ItemRows:
        """The rows, each cut to its last `n` events."""
        lengths = np.minimum(self.lengths, n)
        if lengths.sum() == len(self.items):
            return self
        return self.windows(self.offsets[1:] - lengths, lengths)

    @property
    def lengths(self) -> np.ndarray:
        """Number of events of each row."""
        return np.diff(self.offsets)

    @cached_property
    def row(self) -> np.ndarray:
        """Row of each event."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @cached_property
    def position(self) -> np.ndarray:
        """Place of each event in its row, from 0."""
        return np.arange(len(self.items)) - self.offsets[self.row]

    @property
    def steps(self) -> np.ndarray:
        """Steps from each event to the one that would come next: 1 for the last of a row."""
        return self.lengths[self.row] - self.position

    def matrix(self, weights: np.ndarray, n_items: int) -> sparse.csr_array:
        """Weights of the events, summed by row and item; shape (n_rows, n_items)."""
        places = (self.row, self.items)
        return sparse.coo_array((weights, places), shape=(len(self), n_items)).tocsr()

    def incidence(self, n_items: int) -> sparse.csr_array:
        """1 where a row holds an item; shape (n_rows, n_items)."""
        matrix = self.matrix(np.ones(len(self.items)), n_items)
        matrix.data[:] = 1
        return matrix

    def last_clicks(self, n_items: int) -> LastClicks:
        """The last event of each item in each row."""
        key = self.row * n_items + self.items
        pairs, from_the_end = np.unique(key[::-1], return_index=True)
        rows, items = np.divmod(pairs, n_items)
        positions = self.position[::-1][from_the_end]
        return LastClicks(rows, items, positions)


@dataclass(frozen=True)
class Windows:
    """Rows that are not laid out yet: so many events, up to an end, of the rows of others.

    Attributes
    ----------
    of : ItemRows
    ends : ndarray of shape (n_windows,)
        Number of events of all rows up to the end of each window.
    lengths : ndarray of shape (n_windows,)
    """

    of: ItemRows
    ends: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    def newest(self, n: int) -> Windows:
        """The windows, each cut to its last `n` events."""
        return Windows(self.of, self.ends, np.minimum(self.lengths, n))

    def rows(self, places: slice) -> ItemRows:
        """Some of the windows, laid out."""
        lengths = self.lengths[places]
        return self.of.windows(self.ends[places] - lengths, lengths)

    def slices(self, n_windows: int, n_events: int) -> Iterator[slice]:
        """Slices of at most so many windows, and of at most so many events where one has less."""
        if len(self) <= n_windows and self.lengths.sum() <= n_events:
            yield slice(0, len(self))
            return
        until = np.cumsum(self.lengths)
        first = 0
        while first < len(self):
            before = until[first] - self.lengths[first]
            fitting = int(np.searchsorted(until, before + n_events, side="right"))
            last = max(min(first + n_windows, fitting), first + 1)
            yield slice(first, last)
            first = last
