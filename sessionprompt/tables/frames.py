"""Frames of the library that a caller names, made of columns."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal

import narwhals as nw
import numpy as np

__all__ = ["BACKENDS", "Backend", "native_table"]

Backend = Literal["pandas", "polars", "pyarrow"]
BACKENDS: tuple[Backend, ...] = ("polars", "pyarrow", "pandas")  # the fastest first


def native_table(columns: Mapping[str, Any], backend: Backend, name: str = "backend") -> Any:
    """Table of a library.

    Parameters
    ----------
    columns : mapping of str to ndarray or list
        Of equal length. The values of arrays are ids or numbers, those of lists anything.
    backend : {"pandas", "polars", "pyarrow"}
        Library of the table; it must be installed.
    name : str
        What the choice of the library is called in error messages.

    Returns
    -------
    table of that library

    Raises
    ------
    ImportError
        If the library is not installed.
    TypeError
        If it has no column for ids of this kind.
    ValueError
        If it is none of the three.

    Examples
    --------
    >>> native_table({"item": np.array(["tea", "cup"]), "rank": np.array([1, 2])}, "pandas")
      item  rank
    0  tea     1
    1  cup     2
    """
    if backend not in BACKENDS:
        raise ValueError(f"Unsupported {name}={backend!r}; choose one of {sorted(BACKENDS)}.")
    if find_spec(backend) is None:
        raise ImportError(
            f"{name}={backend!r} needs {backend}, which is not installed; pip install {backend}, "
            f"or choose another of {sorted(BACKENDS)}."
        )
    examples: list[Any] = []
    native: dict[str, Any] = {}
    for title, column in columns.items():
        native[title] = column
        if isinstance(column, list):
            continue
        native[title] = np.array(column)  # writable, as some libraries want it
        if column.dtype == object:
            native[title] = column.tolist()
            examples += native[title][:1]
    fault = f"{backend} has no columns for ids such as {examples}; use {name}='pandas'."
    # which other libraries would make something else of
    if backend != "pandas" and any(isinstance(id_, tuple | np.datetime64) for id_ in examples):
        raise TypeError(fault)
    try:
        return nw.from_dict(native, backend=backend).to_native()
    except ImportError:  # of a release that is too old
        raise
    except Exception as error:  # each library has errors of its own
        raise TypeError(fault) from error
