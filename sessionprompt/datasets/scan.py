"""Options of polars, pandas and pyarrow for reading a text log as texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import narwhals as nw

from ..sessions import find_backend

__all__ = ["Layout", "scan_texts"]


@dataclass(frozen=True)
class Layout:
    """Form of a text log.

    Attributes
    ----------
    names : list of str
        Names of all columns.
    header : bool
        Whether the first line is a header.
    separator : str
    quoted : bool
        Whether quotes can hold a separator.
    """

    names: list[str]
    header: bool
    separator: str
    quoted: bool


def scan_texts(path: Path, layout: Layout, wanted: list[str]) -> nw.LazyFrame[Any]:
    """Wanted columns of a log as texts, empty fields as missing, by the library at hand."""
    backend = find_backend()
    module, reader = READERS[backend]
    read = getattr(import_module(module), reader)  # narwhals takes separators in some versions only
    native = read(str(path), **OPTIONS[backend](layout, wanted))
    return nw.from_native(native).lazy().select(wanted)


def _polars_options(layout: Layout, wanted: list[str]) -> dict[str, Any]:
    quote = None
    if layout.quoted:
        quote = '"'
    return {
        "separator": layout.separator,
        "has_header": layout.header,
        "new_columns": layout.names,
        "infer_schema": False,
        "quote_char": quote,
    }


def _pandas_options(layout: Layout, wanted: list[str]) -> dict[str, Any]:
    header = None
    if layout.header:
        header = 0
    quoting = 3  # csv.QUOTE_NONE
    if layout.quoted:
        quoting = 0  # csv.QUOTE_MINIMAL
    return {
        "sep": layout.separator,
        "header": header,
        "names": layout.names,
        "usecols": wanted,
        "index_col": False,
        "dtype": str,
        "keep_default_na": False,
        "na_values": [""],
        "quoting": quoting,
    }


def _pyarrow_options(layout: Layout, wanted: list[str]) -> dict[str, Any]:
    csv = import_module("pyarrow.csv")
    quote: str | bool = False
    if layout.quoted:
        quote = '"'
    convert = csv.ConvertOptions(
        include_columns=wanted,
        column_types=dict.fromkeys(wanted, "string"),
        strings_can_be_null=True,
        null_values=[""],
    )
    return {
        "read_options": csv.ReadOptions(column_names=layout.names, skip_rows=int(layout.header)),
        "parse_options": csv.ParseOptions(delimiter=layout.separator, quote_char=quote),
        "convert_options": convert,
    }


READERS = {
    "polars": ("polars", "scan_csv"),
    "pandas": ("pandas", "read_csv"),
    "pyarrow": ("pyarrow.csv", "read_csv"),
}
OPTIONS: dict[str, Callable[[Layout, list[str]], dict[str, Any]]] = {
    "polars": _polars_options,
    "pandas": _pandas_options,
    "pyarrow": _pyarrow_options,
}
