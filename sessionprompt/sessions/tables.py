"""Table files: events from text and Parquet, results back to them, by the library at hand."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from ..storage import write_atomically
from ..tables import BACKENDS, Backend, native_table
from .text import EventFile, check_columns, decoded, read_json, read_separated

__all__ = [
    "check_writable",
    "find_backend",
    "loaded_backend",
    "read_items",
    "read_parquet",
    "read_table",
    "with_numbers",
    "write_json_lines",
    "write_table",
]

STANDARD_INPUT = "-"
SEPARATORS = {"csv": None, "tsv": "\t"}  # None is found out
JSON_LINES = ("jsonl", "ndjson")
# of one spelling each, so that ids come back as they were written
WHOLE_NUMBER = r"^(?:0|-?[1-9][0-9]{0,17})$"
NUMBER = r"^[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?$"
FRACTION = r"^-?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?$"
LARGEST = 2**63 - 1
SKIP = "or leave such lines out by --skip-bad-lines"
UTC_WORD = re.compile(r"\s*(?:UTC|GMT)$")


def read_table(
    path: str | os.PathLike[str],
    ids: Collection[str],
    *,
    time: str | None = None,
    text: Collection[str] = (),
    skip_bad: bool = False,
) -> Any:
    """Table of events from a file.

    Parameters
    ----------
    path : path
        Ends in ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson``, each also with ``.gz``, or in
        ``.parquet``; ``-`` is standard input, with fields or JSON lines. The first line of a CSV
        file names the columns and tells the separator: comma, semicolon, tab or bar.
    ids : collection of str
        Columns of ids. In a text file they are numbers if all of them are whole numbers, written
        without leading zeros (in JSON also without quotes), otherwise strings.
    time : str, optional
        Column of times. Texts become seconds since 1970: numbers as they are, ISO dates read in UTC
        where they name no zone.
    text : collection of str
        Columns of ids that are strings even if all of them look like numbers.
    skip_bad : bool, default=False
        Leave out lines that lack an id or a time or have a time that is not understood, and warn of
        them.

    Returns
    -------
    table of polars, pyarrow or pandas, whichever is installed

    Raises
    ------
    FileNotFoundError
    ImportError
        If none of the three libraries is installed.
    ValueError
        If the file cannot be read, a column is not there, or a line of a text file is broken; also,
        without `skip_bad`, if one lacks an id or a time, or has a time that is not understood.
    """
    wanted = list(ids)
    if time is not None:
        wanted.append(time)
    if Path(path).suffix == ".parquet":
        table = _parquet_events(Path(path), wanted)
    else:
        table = _text_table(path, wanted)
    if skip_bad:
        table = _usable(table, wanted, time)
    elif Path(path).suffix != ".parquet":
        _check_known(table, wanted, SKIP)
    columns = {}
    for name in ids:
        columns[name] = _ids(table.frame[name], name in text, name in table.typed)
    if time is not None:
        columns[time] = _times(table.frame[time], table.place)
    return table.frame.select(**columns).to_native()


def read_items(path: str | os.PathLike[str], item: str, names: Collection[str]) -> Any:
    """Table of items from a file.

    Parameters
    ----------
    path : path
        As of :func:`read_table`.
    item : str
        Column of item ids, read as those of events.
    names : collection of str
        Further columns; empty fields are missing values. In a text file they are whole numbers or
        numbers if all of their values are, otherwise strings.

    Returns
    -------
    table of polars, pyarrow or pandas, whichever is installed

    Raises
    ------
    FileNotFoundError, ImportError, ValueError
        As of :func:`read_table`.
    """
    wanted = [item, *names]
    if Path(path).suffix == ".parquet":
        table = _parquet_events(Path(path), wanted)
    else:
        table = _text_table(path, wanted)
        _check_known(table, [item], "or remove such lines")
    columns = {item: _ids(table.frame[item], False, item in table.typed)}
    for name in names:
        columns[name] = _values(table.frame[name], name in table.typed)
    return table.frame.select(**columns).to_native()


def _values(series: nw.Series[Any], typed: bool) -> nw.Series[Any]:
    """Values of a column: numbers where all that are there can be."""
    if typed or series.dtype != nw.String:
        return series
    for pattern, dtype in ((WHOLE_NUMBER, nw.Int64), (FRACTION, nw.Float64)):
        if series.drop_nulls().str.contains(pattern).all():
            return series.cast(dtype)
    return series


def _parquet_events(path: Path, wanted: Collection[str]) -> EventFile:
    frame = read_parquet(path)
    check_columns(frame.columns, wanted, str(path))
    return EventFile(frame, lambda row: f"{path}, row {row}", frozenset(frame.columns))


def read_parquet(path: Path, backend: Backend | None = None) -> nw.DataFrame[Any]:
    """All columns of a Parquet file, read by some library or the one at hand."""
    _check_there(path)
    if backend is None:
        backend = find_backend()
    try:
        return nw.read_parquet(path, backend=backend)
    except Exception as error:  # each library has errors of its own
        first_line, *_ = str(error).split("\n")
        raise ValueError(f"{path} cannot be read ({first_line}).") from error


def _text_table(path: str | os.PathLike[str], wanted: Collection[str]) -> EventFile:
    """Columns of a text file."""
    backend = find_backend()
    name, form, data = _contents(path)
    if form in JSON_LINES:
        return read_json(data, name, wanted, backend=backend)
    separator = SEPARATORS[form]
    return read_separated(data, name, wanted, separator=separator, backend=backend)


def _check_known(table: EventFile, columns: Collection[str], way_out: str) -> None:
    """Raise a ValueError where a column lacks a value."""
    for column in columns:
        missing = table.frame[column].is_null().to_numpy()
        if missing.any():
            raise ValueError(
                f"{table.place(int(missing.argmax()))}: column {column!r} has a missing value "
                f"({np.count_nonzero(missing)} in all); fill it in, {way_out}."
            )


def _usable(table: EventFile, wanted: Collection[str], time: str | None) -> EventFile:
    """Rows that lack no value and have a time that is understood, with a warning of the others."""
    bad = np.zeros(len(table.frame), dtype=bool)
    for column in wanted:
        bad |= table.frame[column].is_null().to_numpy()
    if time is not None and table.frame[time].dtype == nw.String:
        bad |= [not _is_time(text) for text in table.frame[time].to_list()]
    if not bad.any():
        return table
    first = table.place(int(bad.argmax()))
    warnings.warn(
        f"{np.count_nonzero(bad):,} of {len(bad):,} events lack an id or a time, or have a time "
        f"that is not understood (first {first}); they are left out.",
        stacklevel=3,
    )
    rows = np.flatnonzero(~bad)
    return EventFile(
        table.frame.filter((~bad).tolist()), lambda row: table.place(int(rows[row])), table.typed
    )


def _is_time(text: str | None) -> bool:
    """Whether a text is a number or a date; one that is missing is counted elsewhere."""
    return text is None or re.search(NUMBER, text) is not None or _seconds(text) is not None


def _contents(path: str | os.PathLike[str]) -> tuple[str, str, bytes]:
    """Name, form and text of a file or of standard input."""
    if path == STANDARD_INPUT:
        data = decoded(sys.stdin.buffer.read(), "standard input")
        form = "csv"
        if data.startswith(b"{"):
            form = "jsonl"
        return "standard input", form, data
    path = Path(path)
    _check_there(path)
    form = path.name.removesuffix(".gz").rpartition(".")[2]
    if form not in (*SEPARATORS, *JSON_LINES):
        raise ValueError(
            f"{path} is of no known format; give a file that ends in .csv, .csv.gz or .parquet, or "
            "in .tsv, .jsonl or .ndjson (with .gz as well), or - for standard input."
        )
    return str(path), form, decoded(path.read_bytes(), str(path))


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")


def loaded_backend() -> Backend:
    """Name of a library that is loaded already and reads tables, else of the one at hand.

    Another one would stay in memory, for a frame that nobody sees.
    """
    for backend in BACKENDS:
        if backend in sys.modules and find_spec(backend) is not None:
            return backend
    return find_backend()


def find_backend() -> Backend:
    """Name of the library that reads and writes tables here."""
    for backend in BACKENDS:
        if find_spec(backend) is not None:
            return backend
    raise ImportError(
        "reading and writing tables needs polars, pyarrow or pandas; pip install one of them."
    )


def _ids(series: nw.Series[Any], as_text: bool, typed: bool) -> nw.Series[Any]:
    """Ids of a column: as strings if that is asked for, else whole numbers where they can be."""
    if as_text:
        if series.dtype.is_integer():
            return series.cast(nw.String)
        return series
    if typed or not series.str.contains(WHOLE_NUMBER).all():
        return series
    return series.cast(nw.Int64)


def with_numbers(table: Any, column: str, known: Collection[int]) -> tuple[Any, dict[int, str]]:
    """Table in which ids that are no whole numbers have become some, where others are numbers.

    For a model whose ids are numbers: what is none is unknown to it, which keeps no event from
    being served.

    Parameters
    ----------
    table : table of polars, pyarrow or pandas
    column : str
        A column of ids; nothing changes if it holds no strings, or no whole number.
    known : collection of int
        Ids that the new numbers must differ from.

    Returns
    -------
    table : table of the same library
    names : dict
        The string of each new number.
    """
    frame = nw.from_native(table, eager_only=True)
    series = frame[column]
    if series.dtype != nw.String or series.is_null().any():
        return table, {}
    is_number = series.str.contains(WHOLE_NUMBER).to_numpy()
    if is_number.all() or not is_number.any():
        return table, {}
    texts = series.to_list()
    others = dict.fromkeys(text for text, whole in zip(texts, is_number, strict=True) if not whole)
    numbers = [int(text) for text, whole in zip(texts, is_number, strict=True) if whole]
    lowest = min(0, *known, *numbers)
    number_of = {text: lowest - place for place, text in enumerate(others, 1)}
    codes = [number_of.get(text) or int(text) for text in texts]
    warnings.warn(
        f"{np.count_nonzero(~is_number)} of {len(texts)} events have ids in column {column!r} "
        f"that are no whole numbers, as those of the model are (first {next(iter(others))!r}); "
        "they are taken as unknown, and their sessions are served like all others.",
        stacklevel=2,
    )
    made = nw.new_series(column, codes, nw.Int64(), backend=series.implementation)
    names = {number: text for text, number in number_of.items()}
    return frame.with_columns(made).to_native(), names


def _times(series: nw.Series[Any], place: Callable[[int], str]) -> nw.Series[Any]:
    """Times of a column, texts as seconds since 1970."""
    if series.dtype != nw.String or series.is_null().any():
        return series
    if not series.str.contains(NUMBER).all():
        times = _dates(series.to_list(), series.name, place)
        return nw.new_series(series.name, times, nw.Float64, backend=series.implementation)
    if series.str.contains("[.eE]").any():
        return series.cast(nw.Float64)
    if len(series) and series.str.len_chars().max() > 18:
        _check_size(series.to_list(), place)
    return series.cast(nw.Int64)


def _dates(texts: list[str], column: str, place: Callable[[int], str]) -> list[float]:
    """Seconds since 1970 of ISO dates."""
    times = []
    numbers = []
    for row, text in enumerate(texts):
        if re.search(NUMBER, text):
            numbers.append(row)
            continue
        seconds = _seconds(text)
        if seconds is None:
            raise ValueError(
                f"{place(row)}, column {column!r}, row {row}: {text!r} is neither a number nor an "
                "ISO date such as '2024-12-31T23:59:00'; rewrite the column as one of them, "
                f"{SKIP}."
            )
        times.append(seconds)
    if numbers:
        first = numbers[0]
        raise ValueError(
            f"{place(first)}, column {column!r}, row {first}: {texts[first]!r} is a number, but "
            "other rows hold dates; rewrite the column as one of them."
        )
    return times


def _check_size(texts: list[str], place: Callable[[int], str]) -> None:
    for row, text in enumerate(texts):
        if int(text) > LARGEST:
            raise ValueError(
                f"{place(row)}: time {text} has {len(text)} digits, and no time in nanoseconds has "
                "more than 19; repair or remove that line."
            )


def _seconds(text: str) -> float | None:
    """Seconds since 1970 of an ISO date, in UTC where it names no zone; None of another text."""
    try:
        moment = datetime.fromisoformat(UTC_WORD.sub("Z", text.strip()))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise unless `path` ends in ``.csv`` or ``.parquet`` and a library is there to write it."""
    if Path(path).suffix not in (".csv", ".parquet"):
        raise ValueError(
            f"{path} is of no known format; name a file that ends in .jsonl, .csv or .parquet."
        )
    find_backend()


def write_json_lines(path: str | os.PathLike[str] | None, columns: Mapping[str, Any]) -> None:
    """Write columns of equal length as one JSON object a row, to a file or to standard output.

    Parameters
    ----------
    path : path or None
    columns : mapping of str to ndarray
    """
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    lines = (_json_line(dict(zip(columns, row, strict=True))) for row in rows)
    if path is None:
        sys.stdout.writelines(lines)
    else:
        write_atomically(path, lambda file: file.writelines(line.encode() for line in lines))


def _json_line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, default=str) + "\n"


def write_table(path: str | os.PathLike[str], columns: Mapping[str, Any]) -> None:
    """Write columns of equal length to a CSV or Parquet file, which is whole or not there.

    Parameters
    ----------
    path : path
        Ends in ``.csv`` or ``.parquet``.
    columns : mapping of str to ndarray or list
    """
    check_writable(path)
    frame = nw.from_native(native_table(columns, find_backend()), eager_only=True)
    buffer = BytesIO()
    if Path(path).suffix == ".csv":
        frame.write_csv(buffer)
    else:
        frame.write_parquet(buffer)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))
