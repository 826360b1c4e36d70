"""From a data frame of events to arrays: reading and checking the columns, cutting the events into sessions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from sessionprompt.vocabulary import Vocabulary, id_array

__all__ = ["EventTable", "gap_limit", "read_events"]

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class EventTable:
    """The columns of an event frame, one row per event in the order of the frame."""

    vocabulary: Vocabulary
    codes: NDArray[np.int32]
    times: NDArray[Any] | None
    users: NDArray[Any] | None
    sessions: NDArray[Any] | None
    owners: NDArray[np.int64]  # equal for events of the same session id, user, or pair of both

    def kept_rows(self, duplicates: str) -> NDArray[np.int64]:
        """Return the rows that the treatment of duplicates leaves."""
        if duplicates not in ("keep", "drop", "error"):
            raise ValueError(f"duplicates={duplicates!r} is not known; use 'keep', 'drop' or 'error'.")
        if duplicates == "keep":
            return np.arange(len(self.codes))
        repeated, sentence = self._repeats()
        if duplicates == "error" and repeated.any():
            raise ValueError(f"{sentence}; pass duplicates='drop' or duplicates='keep'.")
        return np.flatnonzero(~repeated)

    def _repeats(self) -> tuple[NDArray[np.bool_], str]:
        """Return which rows repeat an earlier row, and a sentence about the first of them."""
        columns = [column for column in (self.codes, self.times, self.owners) if column is not None]
        order = np.lexsort(columns)
        same = np.all([column[order[1:]] == column[order[:-1]] for column in columns], axis=0)
        repeated = np.zeros(len(order), dtype=bool)
        repeated[order[1:]] = same
        row = int(repeated.argmax())
        first = int(np.all([column == column[row] for column in columns], axis=0).argmax())
        return (
            repeated,
            f"row {row} repeats row {first}, and {np.count_nonzero(repeated)} rows in all are repeats",
        )

    def cut(
        self, rows: NDArray[np.int64], limit: float | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return these rows in session order, and where each session starts among them.

        A session is all events of one owner in the order of time (ties keep the order of the rows), cut where a
        pause is longer than the limit. Sessions come by the time of their last event, or by first appearance.
        """
        owners, times = self.owners[rows], None if self.times is None else self.times[rows]
        order = np.argsort(owners, kind="stable") if times is None else np.lexsort((times, owners))
        new = np.ones(len(rows), dtype=bool)
        new[1:] = np.diff(owners[order]) != 0
        if times is not None and limit is not None:
            new[1:] |= np.diff(times[order]).astype(np.float64) > limit
        return rows[order], np.flatnonzero(new)


def read_events(
    events: Any, *, item: str, time: str | None, user: str | None, session: str | None, unit: str
) -> EventTable:
    """Read and check the named columns of a pandas, polars or pyarrow table."""
    if unit not in PER_SECOND:
        raise ValueError(f"unit={unit!r} is not known; use 's', 'ms', 'us' or 'ns'.")
    if user is None and session is None:
        raise ValueError(
            "nothing says which events belong together; pass session=, user= (with gap=), or both."
        )
    frame = _open(events, [column for column in (item, time, user, session) if column is not None])
    vocabulary, codes = Vocabulary.from_values(_read_ids(frame, item), item)
    times = None if time is None else _read_times(frame, time, unit)
    users = None if user is None else _read_ids(frame, user)
    sessions = None if session is None else _read_ids(frame, session)
    owners = np.zeros(len(codes), dtype=np.int64)
    for ids in (users, sessions):
        if ids is not None:
            distinct, owner = Vocabulary.from_values(ids)
            owners = owners * len(distinct) + owner
    return EventTable(vocabulary, codes, times, users, sessions, owners)


def _open(events: Any, columns: list[str]) -> nw.DataFrame[Any]:
    """Return a pandas, polars or pyarrow table as a narwhals frame with at least one row and these columns."""
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


def _read_ids(frame: nw.DataFrame[Any], column: str) -> NDArray[Any]:
    """Return a column of ids as an int64, float64 or object array."""
    series = frame[column]
    numeric = series.dtype.is_integer() or series.dtype.is_float()
    return id_array(series.to_numpy() if numeric and not series.is_null().any() else series.to_list(), column)


def _read_times(frame: nw.DataFrame[Any], column: str, unit: str) -> NDArray[Any]:
    """Return a column of times: datetimes as UTC datetime64, numbers as they are."""
    series = frame[column]
    missing = series.is_null().to_numpy()
    if missing.any():
        raise _bad_time(column, int(missing.argmax()), series.to_list()[int(missing.argmax())], "is missing")
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
            column, row, times[row], "is missing" if np.isnan(times[row]) else "is negative or infinite"
        )
    if unit == "s" and times.max() > 1e11:
        row = int(times.argmax())
        raise _bad_time(column, row, times[row], "looks like milliseconds; pass unit='ms' ('us', 'ns')")
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
    if isinstance(gap, Real) and not isinstance(gap, bool):
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
