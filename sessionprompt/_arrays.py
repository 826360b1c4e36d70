"""Index arithmetic on arrays: stable orders of keys, largest of rows, ranges of many lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["counted", "largest_of_rows", "looked_up", "ragged_range", "repeated", "stable_order"]

BLOCK = 2**22  # codes that NumPy reads at a time: it makes a copy of them in 8 bytes each


def counted(codes: NDArray[Any], n: int) -> NDArray[np.int64]:
    """``np.bincount(codes, minlength=n)`` of codes below n, without a copy of all of them.

    Parameters
    ----------
    codes : ndarray of shape (n_events,)
        Integers in 0..n-1.
    n : int

    Returns
    -------
    ndarray of shape (n,), int64

    Examples
    --------
    >>> counted(np.array([2, 0, 2]), 4)
    array([1, 0, 2, 0])
    """
    counts = np.zeros(n, dtype=np.int64)
    for start in range(0, len(codes), BLOCK):
        counts += np.bincount(codes[start : start + BLOCK], minlength=n)
    return counts


def stable_order(*keys: NDArray[Any]) -> NDArray[np.int64]:
    """``np.lexsort(keys)``: the last key orders first, equal ones stay as they are.

    Parameters
    ----------
    *keys : ndarray of shape (n,)
        Integers, floats or times; at least one key.

    Returns
    -------
    ndarray of shape (n,), int64

    Examples
    --------
    >>> stable_order(np.array([5, 4, 3]), np.array([1, 0, 1]))
    array([1, 2, 0])
    """
    order = _argsort(keys[0])
    for key in keys[1:]:
        order = order[_argsort(key[order])]
    return order


def looked_up(table: NDArray[Any], codes: NDArray[Any]) -> NDArray[Any]:
    """``table[codes]``, without a copy of all codes.

    Parameters
    ----------
    table : ndarray of shape (n, ...)
    codes : ndarray of shape (n_events,)
        Integers.

    Returns
    -------
    ndarray of shape (n_events, ...)

    Examples
    --------
    >>> looked_up(np.array([5, 7]), np.array([1, 0, 1]))
    array([7, 5, 7])
    """
    if len(codes) <= BLOCK:
        return table[codes]
    rows = np.empty((len(codes), *table.shape[1:]), dtype=table.dtype)
    for start in range(0, len(codes), BLOCK):
        part = slice(start, start + BLOCK)
        rows[part] = table[codes[part]]
    return rows


def repeated(*keys: NDArray[Any]) -> NDArray[np.bool_]:
    """Mask of the rows that an earlier row equals in all keys.

    Parameters
    ----------
    *keys : ndarray of shape (n,)
        As for :func:`stable_order`.

    Returns
    -------
    ndarray of shape (n,), bool

    Examples
    --------
    >>> repeated(np.array([5, 5, 4, 5]), np.array([0, 1, 0, 0]))
    array([False, False, False,  True])
    """
    order = stable_order(*keys)
    before = order[:-1]
    after = order[1:]
    marks = np.zeros(len(order), dtype=bool)
    marks[after] = np.all([key[after] == key[before] for key in keys], axis=0)
    return marks


def _argsort(key: NDArray[Any]) -> NDArray[np.int64]:
    """Stable order of one key, by buckets or by packing where its range allows it."""
    numbers = key
    if key.dtype.kind == "M":
        numbers = key.view(np.int64)
    if numbers.dtype.kind != "i" or len(key) == 0:
        return np.argsort(key, kind="stable")
    low = int(numbers.min())
    span = int(numbers.max()) - low
    bits = (len(key) - 1).bit_length()  # of the last place
    if span.bit_length() + bits > 63:
        return np.argsort(key, kind="stable")
    above = numbers.astype(np.int64, copy=False) - low
    if span < 4 * len(key):
        return _bucketed(above, span + 1)
    return _packed(above, bits)


def _bucketed(key: NDArray[np.int64], n_buckets: int) -> NDArray[np.int64]:
    """Order of small numbers: transposing a matrix of one row is a bucket sort by column."""
    places = np.arange(len(key))
    bounds = np.array([0, len(key)])
    row = sparse.csr_array((places, key, bounds), shape=(1, n_buckets))
    return row.tocsc().data


def _packed(key: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Order of numbers that carry their places in the lower bits: sorting numbers is faster."""
    packed = key << bits
    packed |= np.arange(len(key))
    packed.sort()
    packed &= (1 << bits) - 1
    return packed


def ragged_range(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """``starts[i], starts[i] + 1, ..., starts[i] + lengths[i] - 1`` for every i, one after another.

    Examples
    --------
    >>> ragged_range(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)


def largest_of_rows(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of the `k` largest of each row, best first, then by column.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n)
    k : int
        At most `n`.

    Returns
    -------
    columns, largest : ndarray of shape (n_rows, k)

    Examples
    --------
    >>> largest_of_rows(np.array([[1, 3, 3, 2]]), 3)[0].tolist()
    [[1, 2, 3]]
    """
    n_rows, n = values.shape
    peaks = np.maximum.reduceat(values, np.arange(0, n, max(n // (8 * k), 1)), axis=1)
    # at least k values reach the k-th highest peak
    bound = np.partition(peaks, -k, axis=1)[:, [-k]]
    row, column = np.divmod(np.flatnonzero(values >= bound), n)
    value = values[row, column]
    order = np.lexsort((column, -value, row))
    best = order[np.searchsorted(row, np.arange(n_rows))[:, None] + np.arange(k)]
    return column[best], value[best]
