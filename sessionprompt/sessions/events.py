"""From a table of events to arrays: reading and checking its columns, cutting the events into sessions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from .._arrays import repeated, stable_order
from ..vocabulary import Vocabulary, distinct_values, id_array

__all__ = ["Column", "EventTable", "gap_limit", "read_events"]

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Column:
    """A column of ids: the distinct ones, in no particular order, and which of them each row holds."""

    ids: NDArray[Any]
    codes: NDArray[np.int32]

    def ids_in(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the ids in these rows."""
        return self.ids[self.codes[rows]]

    def in_order(self) -> tuple[Vocabulary, NDArray[np.int32]]:
        """Return the vocabulary of the ids, and the code of each row."""
        vocabulary, code_of = Vocabulary.from_values(self.ids)
        return vocabulary, code_of[self.codes]


@dataclass(frozen=True)
class EventTable:
    """The columns of a table of events, one row per event in the order of the table."""

    items: Column
    times: NDArray[Any] | None
    users: Column | None
    owners: Column  # whose ids become session ids: the sessions, or the users
    groups: NDArray[np.int64]  # equal for events of the same session, user, or pair of both

    def kept_rows(self, duplicates: str) -> NDArray[np.int64]:
        """Return the rows that are left when repeated rows are kept, dropped, or an error."""
        if duplicates not in ("keep", "drop", "error"):
            raise ValueError(
                f"duplicates={duplicates!r} is not known; use 'keep', 'drop' or 'error'."
            )
        if duplicates == "keep":
            return np.arange(len(self.groups))
        columns = [
            column for column in (self.items.codes, self.times, self.groups) if column is not None
        ]
        repeats = repeated(*columns)
        if duplicates == "error" and repeats.any():
            row = int(repeats.argmax())
            first = int(np.all([column == column[row] for column in columns], axis=0).argmax())
            raise ValueError(
                f"row {row} of the events repeats row {first}, and {np.count_nonzero(repeats)} rows in all "
                "repeat another; pass duplicates='drop' or duplicates='keep'."
            )
        return np.flatnonzero(~repeats)

    def cut(
        self, rows: NDArray[np.int64], limit: float | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Cut these rows into sessions, ordered by their last events.

        Returns
        -------
        order : ndarray of shape (n_rows,)
            The rows, session after session.
        offsets : ndarray of shape (n_sessions + 1,)
        first_rows : ndarray of shape (n_sessions,)
            The lowest row of each session.
        """
        groups, times = self.groups[rows], None if self.times is None else self.times[rows]
        order = stable_order(groups) if times is None else stable_order(times, groups)
        is_start = np.diff(groups[order], prepend=-1) != 0
        if times is not None and limit is not None:
            is_start[1:] |= np.diff(times[order]).astype(np.float64) > limit
        starts = np.flatnonzero(is_start)
        lengths, first = np.diff(starts, append=len(rows)), np.minimum.reduceat(order, starts)
        by_end = (
            stable_order(first)
            if times is None
            else stable_order(first, times[order[starts + lengths - 1]])
        )
        ends = np.cumsum(lengths[by_end])
        place = np.arange(len(rows)) + np.repeat((starts + lengths)[by_end] - ends, lengths[by_end])
        return rows[order[place]], np.append(0, ends), rows[first[by_end]]


def read_events(
    events: Any, *, item: str, time: str | None, user: str | None, session: str | None, unit: str
) -> EventTable:
    """Read and check the named columns of a pandas, polars or pyarrow table."""
    if unit not in PER_SECOND:
        raise ValueError(f"unit={unit!r} is not known; use 's', 'ms', 'us' or 'ns'.")
    if user is None and session is None:
        raise ValueError(
            "nothing says which events belong together; pass session=, or user= (with gap=)."
        )
    frame = _open(events, [column for column in (item, time, user, session) if column is not None])
    items = _read_ids(frame, item)
    times = None if time is None else _read_times(frame, time, unit)
    users = None if user is None else _read_ids(frame, user)
    sessions = users if session is None else _read_ids(frame, session)
    assert sessions is not None
    groups = sessions.codes.astype(np.int64)
    if users is not None and session is not None:
        groups += users.codes * np.int64(len(sessions.ids))
    return EventTable(items, times, users, sessions, groups)


def _open(events: Any, columns: list[str]) -> nw.DataFrame[Any]:
    try:
        frame = nw.from_native(events, eager_only=True)
    except TypeError as error:
        if hasattr(events, "collect"):
            raise TypeError("events is a lazy frame; call .collect() on it first.") from error
        raise TypeError(
            f"events must be a pandas, polars or pyarrow table, got {type(events).__name__}; "
            "for lists of sessions use Sessions.from_lists."
        ) from error
    for column in columns:
        if column not in frame.columns:
            raise ValueError(
                f"column {column!r} is not in the events; they have {', '.join(map(repr, frame.columns))}."
            )
    if len(frame) == 0:
        raise ValueError("events has no rows; there is nothing to make sessions of.")
    return frame


def _read_ids(frame: nw.DataFrame[Any], name: str) -> Column:
    series = frame[name]
    if series.is_null().any():
        id_array(series.to_list(), name)  # raises, and says where
    if isinstance(series.dtype, nw.String | nw.Categorical | nw.Enum):
        return _read_categories(series, name)
    values = (
        series.to_numpy()
        if series.dtype.is_integer() or series.dtype.is_float()
        else series.to_list()
    )
    return Column(*distinct_values(id_array(values, name)))


def _read_categories(series: nw.Series[Any], name: str) -> Column:
    """Let the library of the frame tell strings apart: far faster than a dict of Python strings."""
    codes = distinct_values(_category_codes(series).astype(np.int64))[1]
    first_rows = np.empty(codes.max() + 1, dtype=np.int64)
    first_rows[codes[::-1]] = np.arange(len(codes))[::-1]
    return Column(
        id_array(series[first_rows].to_list(), name, lambda k: f"row {first_rows[k]}"), codes
    )


def _category_codes(series: nw.Series[Any]) -> NDArray[Any]:
    if series.implementation.is_pandas_like():
        return series.to_native().factorize()[0]
    native = (series.cast(nw.Categorical) if series.dtype == nw.String else series).to_native()
    if series.implementation.is_polars():
        return native.to_physical().to_numpy()
    return native.combine_chunks().indices.to_numpy()


def _read_times(frame: nw.DataFrame[Any], column: str, unit: str) -> NDArray[Any]:
    """Return a column of times: datetimes as UTC datetime64, numbers as they are."""
    series = frame[column]
    missing = series.is_null().to_numpy()
    if missing.any():
        raise _bad_time(
            column, int(missing.argmax()), series.to_list()[int(missing.argmax())], "is missing"
        )
    if series.dtype == nw.Date:
        series = series.cast(nw.Datetime("us"))
    if isinstance(series.dtype, nw.Datetime):
        if series.dtype.time_zone is not None:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return series.to_numpy()
    if not (series.dtype.is_integer() or series.dtype.is_float()):
        raise TypeError(
            f"column {column!r} holds {series.dtype}, not times; convert it to datetime (pandas.to_datetime, "
            "polars str.to_datetime) or to a number."
        )
    return _checked_numbers(series.to_numpy(), column, unit)


def _checked_numbers(times: NDArray[Any], column: str, unit: str) -> NDArray[Any]:
    bad = ~np.isfinite(times) | (times < 0)
    if bad.any():
        row = int(bad.argmax())
        raise _bad_time(
            column,
            row,
            times[row],
            "is missing" if np.isnan(times[row]) else "is negative or infinite",
        )
    if unit == "s" and times.max() > 1e11:
        row = int(times.argmax())
        raise _bad_time(
            column, row, times[row], "looks like milliseconds; pass unit='ms' ('us', 'ns')"
        )
    return times


def _bad_time(column: str, row: int, value: Any, why: str) -> ValueError:
    shown = value.item() if isinstance(value, np.generic) else value
    way_out = "" if "unit" in why else "; drop or repair such rows first"
    return ValueError(f"column {column!r}, row {row}: time {shown!r} {why}{way_out}.")


def gap_limit(gap: Any, times: NDArray[Any] | None, unit: str) -> float | None:
    """Return a gap ("30min", timedelta, number) in the unit in which the times are counted."""
    if gap is None:
        return None
    if times is None:
        raise ValueError(f"gap={gap!r} needs times; pass time= with the name of the time column.")
    dated = times.dtype.kind == "M"
    if isinstance(gap, Real) and not isinstance(gap, bool | np.timedelta64):
        if dated:
            raise ValueError(
                f"gap={gap!r} has no unit, and the times are datetimes; pass '30min' or a timedelta."
            )
        limit = float(gap)
    else:
        limit = _seconds(gap) * PER_SECOND[np.datetime_data(times.dtype)[0] if dated else unit]
    if not 0 < limit < np.inf:
        raise ValueError(f"gap={gap!r} must be longer than zero and finite.")
    return limit


def _seconds(gap: Any) -> float:
    if isinstance(gap, timedelta):
        return gap.total_seconds()
    if isinstance(gap, np.timedelta64):
        return float(gap / np.timedelta64(1, "s"))
    if not isinstance(gap, str):
        raise TypeError(f"gap={gap!r} must be a string such as '30min', a timedelta, or a number.")
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*", gap)
    if match is None:
        raise ValueError(
            f"gap={gap!r} is not understood; write a number and one of s, min, h, d, as in '30min'."
        )
    return float(match[1]) * SECONDS[match[2]]
