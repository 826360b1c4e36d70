"""Columns that sessions are made of, each checked and in its dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..vocabulary import id_array
from .times import check_precision, object_times

__all__ = [
    "check_layout",
    "id_column",
    "integer_array",
    "label_columns",
    "row_numbers",
    "target_starts",
    "time_column",
]

TIME_UNITS = ("ms", "us", "ns")  # those that pandas, polars and pyarrow share


def integer_array(values: Any, name: str, dtype: Any) -> NDArray[Any]:
    """Integers of this dtype; no values at all have no kind, and pass."""
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(dtype)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {array.dtype}.")
    return array.astype(dtype, copy=False)


def check_layout(codes: NDArray[np.int32], offsets: NDArray[np.int64], n_items: int) -> None:
    """Raise unless the offsets cut the codes into sessions, and every code has an item."""
    if codes.ndim != 1 or offsets.ndim != 1 or len(offsets) == 0:
        raise ValueError(
            f"codes and offsets must have one dimension, got shapes {codes.shape} "
            f"and {offsets.shape}."
        )
    if offsets[0] != 0 or offsets[-1] != len(codes) or (np.diff(offsets) < 0).any():
        raise ValueError(f"offsets must rise from 0 to the number of events, {len(codes)}.")
    if len(codes) and not (codes.min() >= 0 and codes.max() < n_items):
        raise ValueError(
            f"codes must be at least 0 and below {n_items}, the size of the vocabulary."
        )


def id_column(values: Any, name: str, n: int) -> NDArray[Any]:
    """External ids, shape (n,)."""
    return _aligned(id_array(values, name), name, n)


def time_column(values: Any, name: str, n: int) -> NDArray[Any]:
    """Known times, shape (n,), as numbers or as datetime64 of at least milliseconds."""
    array = np.asarray(values)
    if array.dtype == object and array.ndim == 1:
        array = object_times(array.tolist(), name)
    if array.dtype.kind not in "iufM":
        raise TypeError(
            f"{name} must be an array of numbers or datetime64, got {array.dtype}; "
            "convert it first."
        )
    if array.dtype.kind in "fM":
        missing = np.isnan(array)
        if missing.any():
            raise ValueError(
                f"{name}[{int(missing.argmax())}] is missing; every time must be known."
            )
    if array.dtype.kind == "M" and np.datetime_data(array.dtype)[0] not in TIME_UNITS:
        array = array.astype("datetime64[us]")
    check_precision(array, name)
    if array.dtype.kind == "f":
        array = array.astype(np.float64, copy=False)
    return _aligned(array, name, n)


def label_columns(values: Any, n_events: int) -> NDArray[np.int32]:
    """Labels of the events, shape (n_events, n_columns)."""
    array = integer_array(values, "labels", np.int32)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or len(array) != n_events:
        raise ValueError(
            f"labels has shape {array.shape}, but must have one row for each of {n_events} events."
        )
    return array


def target_starts(values: Any, n: int) -> NDArray[np.int32]:
    """First target position of each session, shape (n,)."""
    array = _aligned(integer_array(values, "target_start", np.int32), "target_start", n)
    if (array < 1).any():
        raise ValueError(
            "target_start must be at least 1: the first event of a session has nothing before it."
        )
    return array


def row_numbers(key: Any, n: int) -> NDArray[np.int64]:
    """Rows that a slice, a mask or an array of integers names, counted from 0."""
    if isinstance(key, slice):
        return np.arange(n)[key]
    index = np.asarray(key)
    if index.dtype == bool:
        return np.flatnonzero(_aligned(index, "the mask", n))
    rows = integer_array(index, "the index", np.int64)
    if rows.ndim != 1:
        raise IndexError(f"sessions have one axis, got an index of shape {rows.shape}.")
    outside = (rows < -n) | (rows >= n)
    if outside.any():
        raise IndexError(f"index {rows[outside.argmax()]} is out of range for {n} sessions.")
    return np.where(rows < 0, rows + n, rows)


def _aligned(array: NDArray[Any], name: str, n: int) -> NDArray[Any]:
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}, but must have {n} values.")
    return array
