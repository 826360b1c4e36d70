"""Sessions as the baselines read them: rows of item codes, and sparse matrices made of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._arrays import ragged_range

__all__ = ["ItemRows", "LastClicks", "largest_per_row"]


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
        """Leave out the events whose item is not known (code -1)."""
        known = items >= 0
        return cls(items[known], np.append(0, np.cumsum(known))[offsets])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: np.ndarray) -> ItemRows:
        """Some of the rows, in the order of `rows`."""
        lengths = self.lengths[rows]
        return ItemRows(
            self.items[ragged_range(self.offsets[rows], lengths)],
            np.append(0, np.cumsum(lengths)),
        )

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
        return sparse.coo_array(
            (weights, (self.row, self.items)), shape=(len(self), n_items)
        ).tocsr()

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
        return LastClicks(rows, items, self.position[::-1][from_the_end])


def largest_per_row(matrix: sparse.csr_array, k: int) -> sparse.csr_array:
    """The `k` entries of largest magnitude of each row, in single precision.

    Of equal magnitude, those below 0 come first, then those of lower columns.

    Examples
    --------
    >>> largest_per_row(sparse.csr_array([[0.5, 0, 2, 0.5], [0, -1, 0, 3]]), 2).toarray()
    array([[ 0.5,  0. ,  2. ,  0. ],
           [ 0. , -1. ,  0. ,  3. ]], dtype=float32)
    """
    # One sort of packed numbers: the row on top, then the value's bits, the column at the bottom.
    width = np.uint64(max(matrix.shape[1] - 1, 1).bit_length())
    step = 2 ** (32 - int(width))
    parts = [
        _largest(matrix[first : first + step], k, width)
        for first in range(0, matrix.shape[0], step)
    ]
    return parts[0] if len(parts) == 1 else sparse.vstack(parts, format="csr")


def _largest(matrix: sparse.csr_array, k: int, width: np.uint64) -> sparse.csr_array:
    counts = np.diff(matrix.indptr)
    row = np.repeat(np.arange(len(counts), dtype=np.uint64) << np.uint64(32), counts)
    bits = matrix.data.astype(np.float32).view(np.uint32)
    # the sign goes last, the largest comes first
    by_magnitude = ~(bits << np.uint32(1) | bits >> np.uint32(31))
    key = (row | by_magnitude) << width | matrix.indices.astype(np.uint64)
    key.sort()
    kept = np.minimum(counts, k)
    key = key[ragged_range(matrix.indptr[:-1], kept)]
    column = key & ((np.uint64(1) << width) - np.uint64(1))
    bits = ~(key >> width).astype(np.uint32)
    value = (bits >> np.uint32(1) | bits << np.uint32(31)).view(np.float32)
    return sparse.csr_array(
        (value, column.astype(np.int64), np.append(0, np.cumsum(kept))), shape=matrix.shape
    )
