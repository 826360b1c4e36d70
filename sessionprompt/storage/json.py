"""Values as JSON and back without loss: what JSON has no word for is tagged, or refused."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np

__all__ = ["from_json", "to_json"]


def to_json(value: Any, name: str) -> Any:
    """Return a value in terms of JSON.

    Tuples, data frames, numbers without a literal and dicts that are no JSON objects are tagged,
    NumPy's scalars become numbers and paths strings.

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
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _float_to_json(value)
    if isinstance(value, list):
        return [to_json(part, name) for part in value]
    if isinstance(value, tuple):
        return {"tuple": to_json(list(value), name)}
    if isinstance(value, dict):
        return _dict_to_json(value, name)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return _table_to_json(value, name)


def _float_to_json(value: float) -> Any:
    if math.isfinite(value):
        return value
    return {"float": repr(value)}


def _dict_to_json(value: dict[Any, Any], name: str) -> dict[str, Any]:
    pairs = [[to_json(key, name), to_json(part, name)] for key, part in value.items()]
    if all(isinstance(key, str) for key, _ in pairs) and not _is_tagged(value):
        return dict(pairs)
    return {"dict": pairs}


def _is_tagged(stored: dict[Any, Any]) -> bool:
    return len(stored) == 1 and stored.keys() <= _TAGS.keys()


def _table_to_json(value: Any, name: str) -> dict[str, Any]:
    frame = nw.from_native(value, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        raise TypeError(
            f"{name} holds {value!r}, and values like this ({type(value).__name__}) cannot be "
            f"stored; set_params({name}=...) to numbers, strings, lists, tuples and dicts of "
            "these, or to None."
        )
    columns = {column: frame[column].to_list() for column in frame.columns}
    return {"table": [frame.implementation.value, to_json(columns, name)]}


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
    return nw.from_dict(from_json(columns), backend=backend).to_native()


_TAGS: dict[str, Callable[[Any], Any]] = {
    "tuple": lambda content: tuple(from_json(content)),
    "dict": lambda content: {from_json(key): from_json(part) for key, part in content},
    "float": float,
    "table": _table,
}
