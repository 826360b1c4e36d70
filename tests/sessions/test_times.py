"""Times of events: zones, objects, precision, and units that make dates."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from dateutil import tz
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt.sessions import Sessions

LAWS = settings(max_examples=40, deadline=None)
MOMENTS = [datetime(2020, 1, 1, 10), datetime(2020, 7, 2, 10, 10)]  # winter and summer
ZONES = [
    "America/New_York",
    "America/Argentina/Buenos_Aires",
    "Etc/GMT+3",
    "UTC",
    "UTC+02:00",
    "-03:30",
    UTC,
    timezone(timedelta(hours=5, minutes=45)),
    ZoneInfo("Asia/Kolkata"),
    tz.tzoffset(None, 3600),
]


def times_of(column: Any, **options: Any) -> np.ndarray:
    events = column
    if not hasattr(column, "columns") and not hasattr(column, "column_names"):
        events = pd.DataFrame({"item": 0, "user": 1, "ts": column})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Sessions.from_events(events, user="user", time="ts", **options).event_times


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("form", ["pandas", "objects", "datetimes", "list"])
def test_every_zone_of_pandas_becomes_utc(zone: Any, form: str) -> None:
    column = pd.Series(MOMENTS).dt.tz_localize(zone)
    expected = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    if form == "objects":
        column = column.astype(object)
    if form == "datetimes":
        column = pd.Series([moment.to_pydatetime() for moment in column], dtype=object)
    if form == "list":
        made = Sessions.from_lists([[1], [2]], times=list(column))
        np.testing.assert_array_equal(made.event_times, expected)
        return
    np.testing.assert_array_equal(times_of(column), expected)


@pytest.mark.parametrize("zone", ["America/New_York", "Etc/GMT+3", "UTC", "+02:00"])
@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_every_zone_of_other_libraries_becomes_utc(zone: str, library: str) -> None:
    moments = pa.array(MOMENTS, pa.timestamp("us", zone))  # Arrow stores UTC
    table = pa.table({"item": [1, 2], "user": [1, 1], "ts": moments})
    events: Any = table
    if library == "polars":
        events = pl.DataFrame(table)
    np.testing.assert_array_equal(times_of(events), np.array(MOMENTS, "datetime64[us]"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (MOMENTS, np.array(MOMENTS, "datetime64[us]")),
        ([moment.date() for moment in MOMENTS], np.array(["2020-01-01", "2020-07-02"], "M8[us]")),
        ([np.datetime64(moment, "ms") for moment in MOMENTS], np.array(MOMENTS, "M8[ms]")),
        ([pd.Timestamp(1577872800000000001), pd.Timestamp(1577872800000000002)], None),
        ([1, 2.5], np.array([1, 2.5])),
    ],
)
def test_objects_are_times(values: list[Any], expected: Any) -> None:
    if expected is None:
        expected = np.array([value.value for value in values]).view("datetime64[ns]")
    np.testing.assert_array_equal(times_of(pd.Series(values, dtype=object)), expected)


@pytest.mark.parametrize("arrow_type", [pa.date32(), pa.date64()])
def test_arrow_dates_are_times(arrow_type: Any) -> None:
    days = pa.array([date(2020, 1, 1), date(2020, 1, 2)], arrow_type)
    found = times_of(pa.table({"item": [1, 2], "user": [1, 1], "ts": days}))
    np.testing.assert_array_equal(found, np.array(["2020-01-01", "2020-01-02"], "M8[us]"))


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        (
            [MOMENTS[0], MOMENTS[1].replace(tzinfo=UTC)],
            TypeError,
            "without, first without in row 0",
        ),
        ([MOMENTS[0], "later"], TypeError, "holds str, not times"),
        ([Decimal(1), Decimal(2)], TypeError, "holds Decimal, not times"),
        ([True, False], TypeError, "holds bool, not times|holds Boolean"),
        ([MOMENTS[0], None], ValueError, "row 1: time .* is missing"),
        ([10**20, 5], ValueError, "too large for a time"),
    ],
)
def test_other_objects_are_refused(values: list[Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        times_of(pd.Series(values, dtype=object))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_short_floats_are_refused_where_they_lose_seconds(dtype: str) -> None:
    high = {"float32": 1.6e9, "float16": 40_000}[dtype]
    times = np.array([high, high], dtype)
    with pytest.raises(ValueError, match=f"as {dtype}, which near .* read the times as int64"):
        times_of(times)
    with pytest.raises(ValueError, match=f"times holds times as {dtype}"):
        Sessions.from_lists([[1], [2]], times=times)
    exact = times_of(np.array([1, 2], dtype))
    assert exact.dtype == np.float64 and exact.tolist() == [1, 2]


def test_wide_integers_of_polars() -> None:
    wide = pl.DataFrame({"item": [2**70, 5], "user": [1, 1], "ts": [1, 2]})
    wide = wide.cast({"item": pl.Int128, "ts": pl.Int128})
    assert times_of(wide).tolist() == [1, 2]
    made = Sessions.from_events(wide, user="user", time="ts")
    assert made.to_lists() == [[2**70, 5]]
    with pytest.raises(ValueError, match="too large for a time"):
        times_of(wide.with_columns(ts=pl.col("item")))


def test_a_missing_value_among_objects_is_found() -> None:
    for missing in (None, pd.NA, pd.NaT, float("nan")):
        with pytest.raises(ValueError, match="times, row 1: time .* is missing"):
            Sessions.from_lists([[1], [2]], times=np.array([MOMENTS[0], missing], dtype=object))


def test_nanoseconds_in_float64_are_said() -> None:
    events = pd.DataFrame({"item": [1], "user": [1], "ts": [1.6e18]})
    with pytest.warns(UserWarning, match="are told apart by 256 at best"):
        Sessions.from_events(events, user="user", time="ts", unit="ns")


PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@LAWS
@given(
    st.sampled_from(list(PER_SECOND)),
    st.sampled_from(list(PER_SECOND)),
    st.lists(st.integers(315_532_800, 4_102_444_800), min_size=1, max_size=4),
)
def test_times_are_taken_in_their_unit_alone(true: str, said: str, seconds: list[int]) -> None:
    times = np.array(seconds) * PER_SECOND[true]
    if true == said:
        assert times_of(times, unit=said).tolist() == sorted(times.tolist())
        return
    with pytest.raises(ValueError, match=f"pass unit='{true}' instead of '{said}'"):
        times_of(times, unit=said)


@pytest.mark.parametrize("unit", PER_SECOND)
def test_times_from_another_moment_are_fine(unit: str) -> None:
    assert times_of([0, 60, 9000], unit=unit).tolist() == [0, 60, 9000]


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([1_600_000_000, 0], "1 of 2 times before 1980, the first in row 1"),
        ([6_000_000_000, 6_000_000_001], "after the year 2100 in unit='s'"),
        (pd.to_datetime([1_600_000_000, 1_600_000_001]), "convert them in their unit"),
        (pd.to_datetime(["1970-01-01", "2020-01-01"]), "1 of 2 times before 1980"),
        (pd.to_datetime(["2020-01-01", "2150-01-01"]), "convert them in their unit"),
    ],
)
def test_unlikely_dates_are_said(times: Any, words: str) -> None:
    events = pd.DataFrame({"item": 0, "user": 1, "ts": times})
    with pytest.warns(UserWarning, match=words):
        Sessions.from_events(events, user="user", time="ts")
