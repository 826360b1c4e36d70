"""Text files of events: separated fields or JSON lines, where every fault has its line."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from io import BytesIO, StringIO
from itertools import islice
from typing import Any

import narwhals as nw

__all__ = ["EventFile", "broken_line", "check_columns", "decoded", "read_json", "read_separated"]

SEPARATORS = (",", ";", "\t", "|")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
GZIP = b"\x1f\x8b"
BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")

Row = tuple[int, list[str]]  # last line of a record, counted from 1, and its fields


@dataclass(frozen=True)
class EventFile:
    """Columns of a file, missing where a field of a text is empty.

    Attributes
    ----------
    frame : narwhals DataFrame
    place : callable
        Says in words where in the file a row stands.
    typed : frozenset of str
        Columns whose values are of the type that the file says, even texts that look like numbers.
    """

    frame: nw.DataFrame[Any]
    place: Callable[[int], str]
    typed: frozenset[str] = field(default_factory=frozenset)


def decoded(data: bytes, name: str) -> bytes:
    """Text in UTF-8, unpacked where it is compressed, without byte order mark and blank end."""
    try:
        if data.startswith(GZIP):
            data = gzip.decompress(data)
        if data.startswith(UTF_16):
            data = data.decode("utf-16").encode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{name} cannot be read ({error}).") from error
    data = data.removeprefix(codecs.BOM_UTF8).strip(b"\r\n \x00\x1a")
    if not data:
        raise ValueError(f"{name} cannot be read (it is empty).")
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    return data


def check_columns(names: Collection[str], wanted: Iterable[str], name: str) -> None:
    """Raise unless every column that is wanted is among the names."""
    for column in wanted:
        if column not in names:
            known = ", ".join(map(repr, names))
            raise ValueError(f"column {column!r} is not in {name}; it has {known}.")


# ---- separated fields ----


def read_separated(
    data: bytes, name: str, wanted: Collection[str], *, separator: str | None, backend: str
) -> EventFile:
    """Table of lines of separated fields, the first of which names the columns.

    Parameters
    ----------
    data : bytes
        From :func:`decoded`.
    name : str
        What the file is called in error messages.
    wanted : collection of str
        Columns to read.
    separator : str, optional
        By default that of comma, semicolon, tab and bar which tells most of the wanted columns
        apart.
    backend : {"polars", "pyarrow", "pandas"}

    Returns
    -------
    EventFile

    Raises
    ------
    ValueError
        If a column is not there, or a line has more or fewer fields than the first one.
    """
    first_line = _text(data.split(b"\n", 1)[0], name)
    if separator is None:
        separator = max(SEPARATORS, key=lambda mark: _fit(first_line, mark, wanted))
    names = _fields(first_line, separator)
    check_columns(names, wanted, name)
    for column in wanted:
        if names.count(column) > 1:
            raise ValueError(f"{name} has {names.count(column)} columns {column!r}; rename them.")
    frame = _read_fast(data, separator, [*wanted, names[-1]], backend)
    if frame is not None:
        return EventFile(frame, lambda row: f"{name}, line {_line_of(data, separator, row)}")
    rows = _checked_rows(data, separator, len(names), name)
    columns = {}
    for column in wanted:
        place = names.index(column)
        columns[column] = [fields[place] or None for _, fields in rows]
    return EventFile(_texts(columns, backend), lambda row: f"{name}, line {rows[row][0]}")


def _fit(first_line: str, separator: str, wanted: Collection[str]) -> tuple[int, int]:
    """Number of wanted columns that a separator finds in the first line, and of all columns."""
    fields = _fields(first_line, separator)
    return len(set(wanted) & set(fields)), len(fields)


def _fields(line: str, separator: str) -> list[str]:
    try:
        [fields] = csv.reader([line.rstrip("\r")], delimiter=separator)
    except csv.Error as error:
        raise ValueError(f"the first line cannot be read ({error}).") from error
    return fields


def _read_fast(
    data: bytes, separator: str, columns: list[str], backend: str
) -> nw.DataFrame[Any] | None:
    """Columns as a library reads them; None where it might hide or misread a broken line."""
    if BLANK_LINE.search(data):
        return None
    *wanted, last = columns
    try:
        native = READERS[backend](data, separator, list(dict.fromkeys(columns)))
    except Exception:  # each library has errors of its own
        return None
    frame = nw.from_native(native, eager_only=True)
    if frame[last].is_null().any():
        return None
    return frame.select(*dict.fromkeys(wanted))


def _read_polars(data: bytes, separator: str, columns: list[str]) -> Any:
    read_csv = import_module("polars").read_csv
    return read_csv(BytesIO(data), separator=separator, columns=columns, infer_schema=False)


def _read_pandas(data: bytes, separator: str, columns: list[str]) -> Any:
    options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "na_values": [""]}
    table = import_module("pandas").read_csv(BytesIO(data), sep=separator, **options)
    if table.index.dtype != int:  # a line of more fields has pushed the first into the index
        raise ValueError("a line has too many fields")
    return table[columns]


def _read_pyarrow(data: bytes, separator: str, columns: list[str]) -> Any:
    pyarrow_csv = import_module("pyarrow.csv")
    convert = pyarrow_csv.ConvertOptions(
        include_columns=columns,
        column_types=dict.fromkeys(columns, "string"),
        strings_can_be_null=True,
        null_values=[""],
    )
    parse = pyarrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    return pyarrow_csv.read_csv(BytesIO(data), parse_options=parse, convert_options=convert)


READERS: dict[str, Callable[[bytes, str, list[str]], Any]] = {
    "polars": _read_polars,
    "pandas": _read_pandas,
    "pyarrow": _read_pyarrow,
}


def _checked_rows(data: bytes, separator: str, n_fields: int, name: str) -> list[Row]:
    """All records after the first line; each has the same number of fields."""
    text = _text(data, name)
    fault = broken_line(StringIO(text, newline=""), separator, n_fields)
    if fault is not None:
        raise ValueError(f"{name}, {fault}; repair or remove that line.")
    return list(islice(_records(StringIO(text, newline=""), separator), 1, None))


def broken_line(
    lines: Iterable[str], separator: str, n_fields: int, *, quoted: bool = True
) -> str | None:
    """Number and fault, in words, of the first line that has not so many fields.

    Parameters
    ----------
    lines : iterable of str
        Of the whole file; blank ones do not count.
    separator : str
    n_fields : int
    quoted : bool
        Whether quotes can hold a separator.

    Returns
    -------
    str or None
        None if there is no such line.
    """
    line = 0
    try:
        for line, fields in _records(lines, separator, quoted):
            if len(fields) != n_fields:
                return f"line {line} has {len(fields)} fields, and the first has {n_fields}"
    except csv.Error as error:
        return f"line {line + 1} is broken ({error})"
    return None


def _records(lines: Iterable[str], separator: str, quoted: bool = True) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=separator)
    if not quoted:
        reader = csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
    for fields in reader:
        if len(fields) > 1 or "".join(fields).strip():
            yield reader.line_num, fields


def _line_of(data: bytes, separator: str, row: int) -> int:
    """Line on which a record ends."""
    lines = StringIO(data.decode("utf-8", "replace"), newline="")
    [(line, _)] = islice(_records(lines, separator), row + 1, row + 2)
    return line


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} cannot be read, it is no text in UTF-8 ({error}).") from error


def _texts(columns: dict[str, list[str | None]], backend: Any) -> nw.DataFrame[Any]:
    schema: nw.Schema | None = nw.Schema(dict.fromkeys(columns, nw.String()))
    if any(None in values for values in columns.values()):
        schema = None  # by a schema, early releases of narwhals make texts of what is missing
    return nw.from_dict(columns, schema, backend=backend)


# ---- JSON lines ----


def read_json(data: bytes, name: str, wanted: Collection[str], *, backend: str) -> EventFile:
    """Table of lines that hold one JSON object each, with the wanted keys among its own.

    Parameters
    ----------
    data : bytes
        From :func:`decoded`.
    name : str
        What the file is called in error messages.
    wanted : collection of str
        Keys to read; where one is not there, its value is missing.
    backend : {"polars", "pyarrow", "pandas"}

    Returns
    -------
    EventFile
        Numbers as they are written.

    Raises
    ------
    ValueError
        If a line is no JSON object, holds something else than texts and numbers, or no line has a
        key.
    """
    rows = []
    for number, line in enumerate(_text(data, name).split("\n"), 1):
        if line.strip():
            rows.append((number, _json_object(line, f"{name}, line {number}")))
    check_columns(list(dict.fromkeys(key for _, row in rows for key in row)), wanted, name)
    columns = {}
    typed = set()
    for column in wanted:
        columns[column] = [_value_text(row, column, name, number) for number, row in rows]
        if any(isinstance(row.get(column), str) for _, row in rows):
            typed.add(column)
    frame = _texts(columns, backend)
    return EventFile(frame, lambda row: f"{name}, line {rows[row][0]}", frozenset(typed))


def _value_text(row: dict[str, Any], column: str, name: str, line: int) -> str | None:
    """Text of a value, numbers as they are written; None where there is none."""
    value = row.get(column)
    if isinstance(value, _Written):
        return value.text
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"{name}, line {line}: {column!r} is {value!r}, neither text nor number.")


@dataclass(frozen=True)
class _Written:
    """A number as it is written."""

    text: str


DECODER = json.JSONDecoder(parse_int=_Written, parse_float=_Written)


def _json_object(line: str, place: str) -> dict[str, Any]:
    try:
        row = DECODER.decode(line.strip())
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "too deep")
        raise ValueError(f"{place} is no JSON ({reason}).") from error
    if not isinstance(row, dict):
        raise ValueError(f"{place} is no JSON object with the columns as its keys.")
    return row
