"""Columns of a table of events, whatever its library: ids as codes, times as numbers or UTC."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from ..vocabulary import Vocabulary, distinct_values, id_array

__all__ = ["Column", "read_ids", "read_times"]

LATEST = 1e11  # seconds, in the year 5138: what is larger counts in smaller units


@dataclass(frozen=True)
class Column:
    """A column of ids: the distinct ones, in no particular order, and the one of each row."""

    ids: NDArray[Any]
    codes: NDArray[np.int32]

    def ids_in(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Ids in these rows."""
        return self.ids[self.codes[rows]]

    def in_order(self) -> tuple[Vocabulary, NDArray[np.int32]]:
        """Vocabulary of the ids, and the code of each row."""
        vocabulary, code_of = Vocabulary.from_values(self.ids)
        return vocabulary, code_of[self.codes]


def read_ids(series: nw.Series[Any]) -> Column:
    """Ids of a column, of one kind and none missing."""
    if series.is_null().any():
        id_array(series.to_list(), series.name)  # raises, and says where
    if isinstance(series.dtype, nw.String | nw.Categorical | nw.Enum):
        return _read_categories(series)
    if series.dtype.is_integer() or series.dtype.is_float():
        ids = id_array(series.to_numpy(), series.name)
    else:
        ids = id_array(series.to_list(), series.name)
    return Column(*distinct_values(ids))


def _read_categories(series: nw.Series[Any]) -> Column:
    """Strings, told apart by the library of the frame: far faster than a dict of Python strings."""
    _, codes = distinct_values(_category_codes(series).astype(np.int64))
    first_rows = np.empty(codes.max() + 1, dtype=np.int64)
    first_rows[codes[::-1]] = np.arange(len(codes))[::-1]
    ids = id_array(series[first_rows].to_list(), series.name, partial(_row_in_words, first_rows))
    return Column(ids, codes)


def _row_in_words(first_rows: NDArray[np.int64], place: int) -> str:
    return f"row {first_rows[place]}"


def _category_codes(series: nw.Series[Any]) -> NDArray[Any]:
    if series.implementation.is_pandas_like():
        return series.to_native().factorize()[0]
    if series.dtype == nw.String:
        series = series.cast(nw.Categorical)
    native = series.to_native()
    if series.implementation.is_polars():
        return native.to_physical().to_numpy()
    return native.combine_chunks().indices.to_numpy()


def read_times(series: nw.Series[Any], unit: str) -> NDArray[Any]:
    """Times of a column: datetimes as UTC datetime64, numbers as they are."""
    missing = series.is_null().to_numpy()
    if missing.any():
        row = int(missing.argmax())
        raise _bad_time(series.name, row, series.to_list()[row], "is missing")
    if series.dtype == nw.Date:
        series = series.cast(nw.Datetime("us"))
    if isinstance(series.dtype, nw.Datetime):
        if series.dtype.time_zone is not None:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return series.to_numpy()
    if not (series.dtype.is_integer() or series.dtype.is_float()):
        raise TypeError(
            f"column {series.name!r} holds {series.dtype}, not times; "
            "convert it to datetime (pandas.to_datetime, polars str.to_datetime) or to a number."
        )
    times = series.to_numpy()
    _check_numbers(times, series.name, unit)
    return times


def _check_numbers(times: NDArray[Any], column: str, unit: str) -> None:
    """Raise on the first number that is no time, or that is none in this unit."""
    bad = ~np.isfinite(times) | (times < 0)
    if bad.any():
        row = int(bad.argmax())
        if np.isnan(times[row]):
            raise _bad_time(column, row, times[row].item(), "is missing")
        raise _bad_time(column, row, times[row].item(), "is negative or infinite")
    if unit == "s" and times.max() > LATEST:
        row = int(times.argmax())
        raise ValueError(
            f"column {column!r}, row {row}: time {times[row].item()!r} looks like milliseconds; "
            "pass unit='ms' ('us', 'ns')."
        )


def _bad_time(column: str, row: int, value: Any, why: str) -> ValueError:
    return ValueError(
        f"column {column!r}, row {row}: time {value!r} {why}; drop or repair such rows first."
    )
