"""Values as JSON and back without loss: what JSON has no word for is tagged, or refused."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import narwhals as nw
import numpy as np

__all__ = ["from_json", "parse_json", "to_json"]

DEPTH = 200  # lists and dicts within each other; far from the limits of the interpreter
BACKENDS = ("pandas", "polars", "pyarrow")


def parse_json(text: bytes | str) -> Any:
    """Value of a JSON text that is not nested without end.

    Raises
    ------
    ValueError
        If it is no JSON, holds a number that JSON has not, or is nested more than 200 deep.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError(f"nested more than {DEPTH} deep") from error
    _check_depth(value)
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _check_depth(value: Any) -> None:
    """Raise a ValueError if lists and dicts lie too deep in each other; level by level."""
    level = [value]
    for _ in range(DEPTH):
        inner: list[Any] = []
        for part in level:
            if isinstance(part, dict):
                inner.extend(part.values())
            elif isinstance(part, list):
                inner.extend(part)
        if not inner:
            return
        level = inner
    raise ValueError(f"nested more than {DEPTH} deep")


def to_json(value: Any, name: str) -> Any:
    """Return a value in terms of JSON.

    Tuples, bytes, decimals, UUIDs, dates and times, data frames, numbers without a literal and
    dicts that are no JSON objects are tagged, NumPy's scalars become numbers and paths strings.

    Parameters
    ----------
    value : object
    name : str
        What the value is called in error messages.

    Returns
    -------
    None, bool, int, float, str, list or dict of str

    Raises
    ------
    TypeError
        If the value is of any other kind, such as a class or an array.

    Examples
    --------
    >>> to_json({"dropouts": (0.5, np.float32(0.25))}, "backbone_params")
    {'dropouts': {'tuple': [0.5, 0.25]}}
    """
    try:
        return _to_json(value, name)
    except RecursionError as error:
        raise TypeError(f"{name} is nested too deep to be stored.") from error


def _to_json(value: Any, name: str) -> Any:
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _float_to_json(value)
    if isinstance(value, list):
        return [_to_json(part, name) for part in value]
    if type(value) is tuple:  # a named one would come back as a plain one
        return {"tuple": _to_json(list(value), name)}
    if isinstance(value, dict):
        return _dict_to_json(value, name)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    written = _WRITERS.get(type(value))
    if written is not None and _comes_back(value):
        tag, write = written
        return {tag: write(value)}
    return _table_to_json(value, name)


def _float_to_json(value: float) -> Any:
    if math.isfinite(value):
        return value
    return {"float": repr(value)}


def _dict_to_json(value: dict[Any, Any], name: str) -> dict[str, Any]:
    pairs = [[_to_json(key, name), _to_json(part, name)] for key, part in value.items()]
    if all(isinstance(key, str) for key, _ in pairs) and not _is_tagged(value):
        return dict(pairs)
    return {"dict": pairs}


def _is_tagged(stored: dict[Any, Any]) -> bool:
    return len(stored) == 1 and stored.keys() <= _TAGS.keys()


def _comes_back(value: Any) -> bool:
    """Whether a value of a type with a tag comes back as it was: time zones with names do not."""
    return getattr(value, "tzinfo", None) is None or type(value.tzinfo) is timezone


def _table_to_json(value: Any, name: str) -> dict[str, Any]:
    frame = nw.from_native(value, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame) or frame.implementation.value not in BACKENDS:
        raise TypeError(
            f"{name} holds {value!r}, and values like this ({type(value).__name__}) cannot be "
            f"stored; set_params({name}=...) to numbers, strings, lists, tuples and dicts of "
            "these, or to None."
        )
    columns = {column: frame[column].to_list() for column in frame.columns}
    return {"table": [frame.implementation.value, _to_json(columns, name)]}


def from_json(stored: Any) -> Any:
    """Return the value that `to_json` was given.

    Examples
    --------
    >>> from_json({"tuple": [1, {"float": "nan"}]})
    (1, nan)
    """
    if isinstance(stored, list):
        return [from_json(part) for part in stored]
    if not isinstance(stored, dict):
        return stored
    if not _is_tagged(stored):
        return {key: from_json(part) for key, part in stored.items()}
    [(tag, content)] = stored.items()
    return _TAGS[tag](content)


def _table(content: list[Any]) -> Any:
    backend, columns = content
    if backend not in BACKENDS:
        raise ValueError(f"{backend!r} is no kind of table; known kinds are {BACKENDS}.")
    return nw.from_dict(from_json(columns), backend=backend).to_native()


def _span(content: list[int]) -> timedelta:
    days, seconds, microseconds = content
    return timedelta(days, seconds, microseconds)


def _numpy_time(value: np.datetime64 | np.timedelta64) -> list[Any]:
    unit, count = np.datetime_data(value.dtype)
    return [int(value.astype(np.int64)), unit, count]


def _datetime64(content: list[Any]) -> np.datetime64:
    number, unit, count = content
    return np.datetime64(number, (unit, count))


def _timedelta64(content: list[Any]) -> np.timedelta64:
    number, unit, count = content
    return np.timedelta64(number, (unit, count))


_WRITERS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
    bytes: ("bytes", bytes.hex),
    date: ("date", date.isoformat),
    datetime: ("datetime", datetime.isoformat),
    time: ("time", time.isoformat),
    timedelta: ("timedelta", lambda span: [span.days, span.seconds, span.microseconds]),
    np.datetime64: ("datetime64", _numpy_time),
    np.timedelta64: ("timedelta64", _numpy_time),
}
_TAGS: dict[str, Callable[[Any], Any]] = {
    "tuple": lambda content: tuple(from_json(content)),
    "dict": lambda content: {from_json(key): from_json(part) for key, part in content},
    "float": float,
    "table": _table,
    "decimal": Decimal,
    "uuid": UUID,
    "bytes": bytes.fromhex,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": _span,
    "datetime64": _datetime64,
    "timedelta64": _timedelta64,
}
