"""Checks of the columns that sessions are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = []


def _checked_lists(lists: Any, name: str) -> Any:
    wanted = f"{name} must be a list of sessions, each a list of item ids"
    if not isinstance(lists, list | tuple):
        way_out = (
            "; for a table of events use Sessions.from_events" if hasattr(lists, "columns") else ""
        )
        way_out = "; convert it with .tolist()" if hasattr(lists, "tolist") else way_out
        raise TypeError(f"{wanted}, got {type(lists).__name__}{way_out}.")
    for type_ in set(map(type, lists)):
        if not issubclass(type_, list | tuple | np.ndarray):
            raise TypeError(
                f"{wanted}, but it holds {type_.__name__} values; pass one session as [session]."
            )
    return lists


def _integers(values: Any, name: str, dtype: Any) -> NDArray[Any]:
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(dtype)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {array.dtype}.")
    return array.astype(dtype, copy=False)


def _check_layout(codes: NDArray[np.int32], offsets: NDArray[np.int64], n_items: int) -> None:
    if codes.ndim != 1 or offsets.ndim != 1 or len(offsets) == 0:
        raise ValueError(
            f"codes and offsets must have one dimension, got shapes {codes.shape} and {offsets.shape}."
        )
    if offsets[0] != 0 or offsets[-1] != len(codes) or (np.diff(offsets) < 0).any():
        raise ValueError(f"offsets must rise from 0 to the number of events, {len(codes)}.")
    if len(codes) and not (codes.min() >= 0 and codes.max() < n_items):
        raise ValueError(
            f"codes must be at least 0 and below {n_items}, the size of the vocabulary."
        )


def _aligned(array: NDArray[Any], name: str, n: int) -> NDArray[Any]:
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}, but must have {n} values.")
    return array


def _times(values: Any, name: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "iufM":
        raise TypeError(
            f"{name} must be an array of numbers or datetime64, got {array.dtype}; convert it first."
        )
    if array.dtype.kind in "fM" and np.isnan(array).any():
        raise ValueError(
            f"{name}[{int(np.isnan(array).argmax())}] is missing; every time must be known."
        )
    if array.dtype.kind == "M" and np.datetime_data(array.dtype)[0] not in ("ms", "us", "ns"):
        array = array.astype("datetime64[us]")
    return array


def _labels(values: Any, n_events: int) -> NDArray[np.int32]:
    array = _integers(values, "labels", np.int32)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != n_events:
        raise ValueError(
            f"labels has shape {array.shape}, but must have one row for each of {n_events} events."
        )
    return array


def _target_start(values: Any, n: int) -> NDArray[np.int32]:
    array = _aligned(_integers(values, "target_start", np.int32), "target_start", n)
    if (array < 1).any():
        raise ValueError(
            "target_start must be at least 1: the first event of a session has nothing before it."
        )
    return array


def _rows(key: Any, n: int) -> NDArray[np.int64]:
    if isinstance(key, slice):
        return np.arange(n)[key]
    index = np.asarray(key)
    if index.dtype == bool:
        return np.flatnonzero(_aligned(index, "the mask", n))
    rows = _integers(index, "the index", np.int64)
    if rows.ndim != 1:
        raise IndexError(f"sessions have one axis, got an index of shape {rows.shape}.")
    if len(rows) and not (rows.min() >= -n and rows.max() < n):
        raise IndexError(
            f"index {rows.max() if rows.max() >= n else rows.min()} is out of range for {n} sessions."
        )
    return np.where(rows < 0, rows + n, rows)


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
