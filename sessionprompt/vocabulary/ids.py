"""Arrays of ids: of one kind, none missing, each in the dtype of its kind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["id_array", "kind_of_ids", "object_array"]

EXACT = 2**53  # up to it, every integer is a float


def _row(row: int) -> str:
    return f"row {row}"


def id_array(
    values: ArrayLike | Iterable[Any], name: str = "item", locate: Callable[[int], str] = _row
) -> NDArray[Any]:
    """Ids as an int64, float64 or object array, without missing values and mixed kinds.

    Parameters
    ----------
    values : array-like of shape (n,)
        Ids.
    name : str
        What the ids are called in error messages.
    locate : callable
        Says in words where the i-th value stands, for error messages.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    TypeError
        If the ids are of several kinds, booleans, or not hashable.
    ValueError
        If an id is missing (None, NaN, NaT), or an integer beside floats is no float exactly.

    Examples
    --------
    >>> id_array([1, 2.5])
    array([1. , 2.5])
    """
    if isinstance(values, str | bytes):
        raise TypeError(f"{name!r} must be a list or an array of ids, got {values!r}.")
    if not isinstance(values, np.ndarray) and hasattr(values, "__array__"):
        values = np.asarray(values)
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"{name!r} must have one dimension, got shape {values.shape}.")
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        array = _number_array(values)
    else:
        array = _checked_list(_as_list(values), name, locate)
    if array.dtype.kind == "f":
        missing = np.isnan(array)
        if missing.any():
            raise _missing(name, float("nan"), locate(int(missing.argmax())))
    return array


def _as_list(values: Any) -> list[Any]:
    """Values as a list, of Python's own objects where an array holds such."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "bOSU":
        return values.tolist()
    return list(values)


def _checked_list(values: list[Any], name: str, locate: Callable[[int], str]) -> NDArray[Any]:
    """Ids of a list, looked at by their types first: only a fault needs every value."""
    types = set(map(type, values))
    kinds = set(map(_kind, types))
    unhashable = any(type_.__hash__ is None for type_ in types)
    if len(kinds) > 1 or kinds & {"null", "boolean"} or unhashable:
        raise _first_fault(values, name, locate)
    if "datetime64" in kinds and np.isnat(np.array(values)).any():
        raise _first_fault(values, name, locate)
    if "number" in kinds or not kinds:
        return _number_list(values, types, name, locate)
    if np.str_ in types:
        return object_array(map(str, values), len(values))
    return object_array(values, len(values))


def _first_fault(values: list[Any], name: str, locate: Callable[[int], str]) -> Exception:
    """Error that names the first value that cannot be an id beside those before it."""
    first = _kind(type(values[0]))
    for row, value in enumerate(values):
        kind = _kind(type(value))
        if kind == "null" or (kind in ("number", "datetime64") and value != value):  # NaN, NaT
            return _missing(name, value, locate(row))
        if kind == "boolean" or type(value).__hash__ is None:
            return TypeError(
                f"{name!r} holds {value!r} in {locate(row)}, and a {kind} is no id; convert it."
            )
        if kind != first:
            break
    return TypeError(
        f"{name!r} mixes kinds: {values[0]!r} in {locate(0)} is a {first}, "
        f"{value!r} in {locate(row)} is a {kind}; convert them to one kind."
    )


def _missing(name: str, value: object, where: str) -> ValueError:
    return ValueError(
        f"{name!r} has a missing value ({value}) in {where}; drop or fill such values first."
    )


def _kind(type_: type) -> str:
    """Kind of the ids of a type: those of one kind can stand in one vocabulary."""
    if issubclass(type_, bool | np.bool_):
        return "boolean"
    if issubclass(type_, int | float | np.integer | np.floating):
        return "number"
    if type_.__name__ in {"NoneType", "NAType", "NaTType"}:
        return "null"
    if issubclass(type_, str):
        return "string"
    return type_.__name__


def kind_of_ids(ids: NDArray[Any]) -> str:
    """Kind of an array of ids that is not empty."""
    return _kind(type(ids[0]))


def _number_array(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind == "u" and array.max(initial=0) > np.iinfo(np.int64).max:
        return object_array(array.tolist(), len(array))
    return array.astype(np.int64, copy=False)


def _number_list(
    values: list[Any], types: set[type], name: str, locate: Callable[[int], str]
) -> NDArray[Any]:
    """Numbers as int64, as float64 where one is no integer, or as objects beyond int64."""
    if not all(issubclass(type_, int | np.integer) for type_ in types):
        _check_exact(values, name, locate)
        return np.array(values, dtype=np.float64)
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return object_array(map(int, values), len(values))


def _check_exact(values: list[Any], name: str, locate: Callable[[int], str]) -> None:
    """Raise if an integer beside floats is no float itself: two ids could become one."""
    for row, value in enumerate(values):
        if not isinstance(value, int | np.integer) or abs(int(value)) <= EXACT:
            continue
        if abs(int(value)) > sys.float_info.max or int(float(value)) != value:
            raise ValueError(
                f"{name!r} mixes floats with the integer {value} in {locate(row)}, which no float "
                "equals; make all ids integers, or all of them strings."
            )


def object_array(values: Iterable[Any], n: int) -> NDArray[Any]:
    """Array of n Python objects, shape (n,), whatever they are."""
    return np.fromiter(values, dtype=object, count=n)
