"""Distinct values of an array of ids, and the code of each value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ids import object_array

__all__ = ["distinct_values"]

FEW = 64  # numbers that a dict tells apart faster than a sort


def distinct_values(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Distinct values of an id array, sorted if they can be, and the code of each value.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        From :func:`id_array`.

    Returns
    -------
    ids : ndarray of shape (n,)
    codes : ndarray of shape (n_values,), int32

    Examples
    --------
    >>> distinct_values(np.array([30, 10, 30]))
    (array([10, 30]), array([1, 0, 1], dtype=int32))
    """
    if values.dtype == object:
        return _distinct_objects(values.tolist())
    if len(values) < FEW:
        few, codes = _distinct_objects(values.tolist())
        return few.astype(values.dtype), codes
    if values.dtype.kind == "i" and len(values):
        low = int(values.min())
        high = int(values.max())
        if high - low < 4 * len(values) + 1024:
            return _distinct_dense(values, low, high)
    ids, inverse = np.unique(values, return_inverse=True)
    return ids, inverse.astype(np.int32)


def _distinct_objects(values: list[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    ids = list(dict.fromkeys(values))
    try:
        ids.sort()
    except TypeError:
        ids = list(dict.fromkeys(values))  # a failed sort leaves the list half sorted
    index = {id_: code for code, id_ in enumerate(ids)}
    codes = np.fromiter(map(index.__getitem__, values), dtype=np.int32, count=len(values))
    return object_array(ids, len(ids)), codes


def _distinct_dense(
    values: NDArray[Any], low: int, high: int
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """The same for integers that lie close together: marks in a table instead of a sort."""
    shifted = values - low
    present = np.zeros(high - low + 1, dtype=bool)
    present[shifted] = True
    code_of = np.cumsum(present, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(present) + low, code_of[shifted]
