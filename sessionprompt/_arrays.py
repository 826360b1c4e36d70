"""Arrays: stable orders of integer keys, and index arithmetic on rows of different lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["ragged_range", "repeated", "stable_order"]


def stable_order(*keys: NDArray[Any]) -> NDArray[np.int64]:
    """Return ``np.lexsort(keys)``: the last key orders first, equal ones stay as they are.

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


def repeated(*keys: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the rows that an earlier row equals in all keys.

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
    marks = np.zeros(len(order), dtype=bool)
    marks[order[1:]] = np.all([key[order[1:]] == key[order[:-1]] for key in keys], axis=0)
    return marks


def _argsort(key: NDArray[Any]) -> NDArray[np.int64]:
    numbers = key.view(np.int64) if key.dtype.kind == "M" else key
    if numbers.dtype.kind != "i" or len(key) == 0:
        return np.argsort(key, kind="stable")
    low, bits = int(numbers.min()), (len(key) - 1).bit_length()
    span = int(numbers.max()) - low
    if span.bit_length() + bits > 63:
        return np.argsort(key, kind="stable")
    above = numbers.astype(np.int64, copy=False) - low
    return _bucketed(above, span + 1) if span < 4 * len(key) else _packed(above, bits)


def _bucketed(key: NDArray[np.int64], n_buckets: int) -> NDArray[np.int64]:
    """Small numbers: transposing a matrix of one row is a bucket sort by column."""
    row = sparse.csr_array(
        (np.arange(len(key)), key, np.array([0, len(key)])), shape=(1, n_buckets)
    )
    return row.tocsc().data


def _packed(key: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Numbers that leave room for their place in the lower bits: sorting numbers beats sorting places."""
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
