"""Table files: events from CSV and Parquet, results back to them, by the library at hand."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import narwhals as nw

from ..storage import write_atomically

__all__ = ["check_writable", "find_backend", "read_frame", "read_table", "write_table"]

Backend = Literal["polars", "pyarrow", "pandas"]
BACKENDS: tuple[Backend, ...] = ("polars", "pyarrow", "pandas")
# of one spelling each, so that ids come back as they were written
WHOLE_NUMBER = r"^(?:0|-?[1-9][0-9]{0,17})$"
NUMBER = r"^[0-9]+(?:\.[0-9]*)?$"


def read_table(
    path: str | os.PathLike[str],
    ids: Collection[str],
    *,
    time: str | None = None,
    text: Collection[str] = (),
) -> Any:
    """Table of events from a file.

    Parameters
    ----------
    path : path
        Ends in ``.csv``, ``.csv.gz`` or ``.parquet``.
    ids : collection of str
        Columns of ids. In a CSV file they are numbers if all of them are whole numbers, written
        without leading zeros, otherwise strings.
    time : str, optional
        Column of times. Texts become seconds since 1970: numbers as they are, ISO dates read in UTC
        where they name no zone.
    text : collection of str
        Columns of ids that are strings even if all of them look like numbers.

    Returns
    -------
    table of polars, pyarrow or pandas, whichever is installed

    Raises
    ------
    FileNotFoundError
    ImportError
        If none of the three libraries is installed.
    ValueError
        If the file cannot be read, a column is not there, or a time is not understood.
    """
    path = Path(path)
    frame = read_frame(path)
    for column in (*ids, time):
        if column is not None and column not in frame.columns:
            known = ", ".join(map(repr, frame.columns))
            raise ValueError(f"column {column!r} is not in {path}; it has {known}.")
    columns = {name: _ids(frame[name], name in text, _is_csv(path)) for name in ids}
    if time is not None:
        columns[time] = _times(frame[time])
    return frame.select(**columns).to_native()


def read_frame(path: Path) -> nw.DataFrame[Any]:
    """All columns of a file that ends in ``.csv``, ``.csv.gz`` (as text) or ``.parquet``."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    if not _is_csv(path) and path.suffix != ".parquet":
        raise ValueError(
            f"{path} is of no known format; give a file that ends in .csv, .csv.gz or .parquet."
        )
    backend = find_backend()
    try:
        if _is_csv(path):
            return _read_csv(path, backend)
        return nw.read_parquet(path, backend=backend)
    except Exception as error:  # each library has errors of its own
        first_line, *_ = str(error).split("\n")
        raise ValueError(f"{path} cannot be read ({first_line}).") from error


def _is_csv(path: Path) -> bool:
    return path.name.endswith((".csv", ".csv.gz"))


def _read_csv(path: Path, backend: Backend) -> nw.DataFrame[Any]:
    """All columns as text, empty fields as missing."""
    if backend == "polars":
        return nw.read_csv(path, backend=backend, infer_schema=False)
    if backend == "pandas":
        return nw.read_csv(path, backend=backend, dtype=str, keep_default_na=False, na_values=[""])
    csv = import_module("pyarrow.csv")
    names = csv.open_csv(path).schema.names
    as_text = csv.ConvertOptions(
        column_types=dict.fromkeys(names, "string"), strings_can_be_null=True, null_values=[""]
    )
    return nw.read_csv(path, backend=backend, convert_options=as_text)


def find_backend() -> Backend:
    """Name of the library that reads and writes tables here."""
    for backend in BACKENDS:
        if find_spec(backend) is not None:
            return backend
    raise ImportError(
        "reading and writing tables needs polars, pyarrow or pandas; pip install one of them."
    )


def _ids(series: nw.Series[Any], keep_text: bool, from_csv: bool) -> nw.Series[Any]:
    """Ids of a column: as strings if that is asked for, else whole numbers where they can be."""
    if keep_text:
        if series.dtype.is_integer():
            return series.cast(nw.String)
        return series
    # what is missing is reported with its row later
    if not from_csv or series.is_null().any() or not series.str.contains(WHOLE_NUMBER).all():
        return series
    return series.cast(nw.Int64)


def _times(series: nw.Series[Any]) -> nw.Series[Any]:
    """Times of a column, texts as seconds since 1970."""
    if series.dtype != nw.String or series.is_null().any():
        return series
    if not series.str.contains(NUMBER).all():
        seconds = [_seconds(text, row, series.name) for row, text in enumerate(series.to_list())]
        return nw.new_series(series.name, seconds, nw.Float64, backend=series.implementation)
    if series.str.contains(".", literal=True).any():
        return series.cast(nw.Float64)
    return series.cast(nw.Int64)


def _seconds(text: str, row: int, column: str) -> float:
    """Seconds since 1970 of an ISO date, in UTC where it names no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"column {column!r}, row {row}: {text!r} is neither a number nor an ISO date such as "
            "'2024-12-31T23:59:00'; rewrite the column as one of them."
        ) from error
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


def write_table(path: str | os.PathLike[str], columns: Mapping[str, Any]) -> None:
    """Write columns of equal length to a CSV or Parquet file, which is whole or not there.

    Parameters
    ----------
    path : path
        Ends in ``.csv`` or ``.parquet``.
    columns : mapping of str to array-like
    """
    check_writable(path)
    frame = nw.from_dict(dict(columns), backend=find_backend())
    buffer = BytesIO()
    if Path(path).suffix == ".csv":
        frame.write_csv(buffer)
    else:
        frame.write_parquet(buffer)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))
