"""Times of events: numbers or datetime64 in UTC, from columns of any library."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime
from typing import Any, Literal

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from .._checks import is_number
from .spans import PER_SECOND

__all__ = ["check_extremes", "check_precision", "object_times", "read_times", "ticks_of"]

LATEST = 1e11  # seconds, in the year 5138: what is larger counts in smaller units
# logs of events are younger and older than this, in seconds since 1970
EARLY = 315_532_800  # 1980
LATE = 4_102_444_800  # 2100


def read_times(series: nw.Series[Any], unit: str = "s") -> NDArray[Any]:
    """Times of a column: datetimes as UTC datetime64, numbers as they are.

    Parameters
    ----------
    series : narwhals Series
        Dates, datetimes with or without a zone, also as Python's objects, or numbers.
    unit : {"s", "ms", "us", "ns"}
        Of numbers.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    TypeError
        If the column holds no times, or some with a zone and some without.
    ValueError
        If a time is missing, negative, or surely not in the unit, or if the numbers are floats too
        short to tell their times apart.

    Warns
    -----
    UserWarning
        If times lie before 1980 beside later ones, or after 2100.
    """
    missing = series.is_null().to_numpy()
    if missing.any():
        row = int(missing.argmax())
        raise _bad_time(series.name, row, series.to_list()[row], "is missing")
    times = _known_times(series)
    if len(times) == 0:
        return times
    if times.dtype.kind == "M":
        _check_dates(times, series.name)
        return times
    _check_numbers(times, series.name)
    check_precision(times, f"column {series.name!r}")
    _check_unit(times, series.name, unit)
    if times.dtype.kind == "f":
        return times.astype(np.float64, copy=False)
    return times


def ticks_of(dtype: nw.dtypes.DType, column: str) -> Literal["ms", "us", "ns"] | None:
    """Unit in which an engine counts the times of a column; None where they are numbers.

    Raises
    ------
    TypeError
        If columns of this type hold no times.
    """
    if dtype.is_integer() or dtype.is_float():
        return None
    if dtype == nw.Date:
        return "us"
    if not isinstance(dtype, nw.Datetime):
        raise _no_times(f"column {column!r}", str(dtype))
    if dtype.time_unit == "s":
        return "ms"
    return dtype.time_unit


def check_extremes(extremes: NDArray[Any], column: str, unit: str) -> None:
    """Raise or warn as :func:`read_times` does, knowing the earliest and the latest time alone.

    Parameters
    ----------
    extremes : ndarray of shape (2,)
        Numbers or datetime64.
    column : str
    unit : {"s", "ms", "us", "ns"}
        Of numbers.
    """
    if extremes.dtype.kind == "M":
        _check_dates(extremes, column, whole=False)
        return
    low, high = extremes.tolist()
    if low < 0 or not high < np.inf:
        raise ValueError(
            f"column {column!r} holds times from {low!r} to {high!r}, and none may be negative or "
            "infinite; drop or repair such rows first."
        )
    check_precision(extremes, f"column {column!r}")
    _check_unit(extremes, column, unit, whole=False)


def _known_times(series: nw.Series[Any]) -> NDArray[Any]:
    """Numbers or datetime64 of a column without missing values."""
    dtype = series.dtype
    if dtype in (nw.Int128, nw.UInt128):
        return object_times(series.to_list(), f"column {series.name!r}")
    if dtype.is_integer() or dtype.is_float():
        return series.to_numpy()
    if dtype == nw.Date:
        series = series.cast(nw.Datetime("us"))
    if isinstance(series.dtype, nw.Datetime):
        if series.dtype.time_zone is not None:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return series.to_numpy()
    native = series.to_native()
    if series.implementation.is_pandas_like() and getattr(native.dtype, "tz", None) is not None:
        return native.dt.tz_convert(None).to_numpy()  # zones whose names narwhals cannot read
    if getattr(getattr(native, "dtype", None), "kind", "") == "f":
        return series.to_numpy()  # float16, which early releases of narwhals do not know
    if dtype in (nw.Object, nw.Unknown):
        return object_times(series.to_list(), f"column {series.name!r}")
    raise _no_times(f"column {series.name!r}", str(dtype))


def object_times(values: list[Any], name: str) -> NDArray[Any]:
    """Numbers or datetime64 of Python's or pandas' objects.

    Parameters
    ----------
    values : list of datetime, date, datetime64, Timestamp or number
        All with a time zone or all without; None is missing.
    name : str
        What the values are called in error messages.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    TypeError
        If they are of other types, or some have a zone and some not.
    ValueError
        If one is missing, or is too large a number.
    """
    for row, value in enumerate(values):
        if _is_missing(value):
            raise ValueError(f"{name}, row {row}: time {value} is missing; drop such rows first.")
    if all(map(is_number, values)):
        numbers = np.array(values)
        if numbers.dtype == object:
            raise ValueError(f"{name} holds {max(values)}, which is too large for a time.")
        return numbers
    with_zone = [_has_zone(value, name) for value in values]
    if any(with_zone) and not all(with_zone):
        raise TypeError(
            f"{name} holds times with a zone and times without, first without in row "
            f"{with_zone.index(False)}; give all of them a zone, or none."
        )
    return np.array(list(map(_moment, values)))


def _is_missing(value: Any) -> bool:
    """Whether a value is None, pandas' NA, NaN or NaT."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return bool(value != value)


def _has_zone(value: Any, name: str) -> bool:
    """Whether a datetime names its time zone."""
    if not isinstance(value, date | np.datetime64):  # a datetime is a date
        raise _no_times(name, type(value).__name__)
    return getattr(value, "tzinfo", None) is not None


def _moment(value: Any) -> np.datetime64:
    """Moment of a datetime in UTC, with the nanoseconds of pandas."""
    if isinstance(value, np.datetime64):
        if np.datetime_data(value.dtype)[0] in PER_SECOND:
            return value
        return value.astype("datetime64[us]")
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    if hasattr(value, "to_datetime64"):
        return value.to_datetime64()
    return np.datetime64(value, "us")


def _no_times(name: str, kind: str) -> TypeError:
    return TypeError(
        f"{name} holds {kind}, not times; "
        "convert it to datetime (pandas.to_datetime, polars str.to_datetime) or to a number."
    )


def _bad_time(column: str, row: int, value: Any, why: str) -> ValueError:
    return ValueError(
        f"column {column!r}, row {row}: time {value!r} {why}; drop or repair such rows first."
    )


# ---- numbers ----


def check_precision(times: NDArray[Any], name: str) -> None:
    """Raise on floats too short to count up to the largest of them; of float64, warn."""
    if times.dtype.kind != "f" or len(times) == 0:
        return
    exact = 2.0 ** (np.finfo(times.dtype).nmant + 1)
    highest = max(times.max(), -times.min())
    if not highest > exact:
        return
    fault = (
        f"{name} holds times as {times.dtype}, which near {float(highest):.0f} are told apart by "
        f"{float(np.spacing(highest)):g} at best, so events can lose their order; read the times "
        "as int64 from where they come"
    )
    if times.dtype.itemsize < 8:
        raise ValueError(f"{fault}, or seconds as float64.")
    warnings.warn(f"{fault}.", stacklevel=2)


def _check_numbers(times: NDArray[Any], column: str) -> None:
    """Raise on the first number that is no time."""
    if times.min() >= 0 and times.max() < np.inf:
        return
    bad = ~np.isfinite(times) | (times < 0)
    row = int(bad.argmax())
    why = "is negative or infinite"
    if np.isnan(times[row]):
        why = "is missing"
    raise _bad_time(column, row, times[row].item(), why)


def _check_unit(times: NDArray[Any], column: str, unit: str, *, whole: bool = True) -> None:
    """Raise if the numbers are dates in another unit alone; warn if some are hardly in this one.

    They are a whole column or its extremes alone.
    """
    low = float(times.min())
    high = float(times.max())
    if _is_dated(high, unit):
        if low < EARLY * PER_SECOND[unit]:
            early = times < EARLY * PER_SECOND[unit]
            _warn_early(early, times[early.argmax()].item(), column, whole)
        return
    fitting = [other for other in PER_SECOND if _is_dated(low, other) and _is_dated(high, other)]
    if fitting or high > LATEST * PER_SECOND[unit]:
        raise _wrong_unit(column, times.max().item(), fitting, unit)
    if high > LATE * PER_SECOND[unit]:
        warnings.warn(
            f"column {column!r} holds times after the year 2100 in unit={unit!r}, such as "
            f"{high:.0f}; name the unit that they are in.",
            stacklevel=2,
        )


def _is_dated(time: float, unit: str) -> bool:
    """Whether a number is a date between 1980 and 2100 in a unit."""
    return EARLY * PER_SECOND[unit] <= time <= LATE * PER_SECOND[unit]


def _wrong_unit(column: str, time: Any, fitting: list[str], unit: str) -> ValueError:
    names = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
    found = names.get("".join(fitting[:1]), "milliseconds or less")
    choice = "'ms' ('us', 'ns')"
    if fitting:
        choice = repr(fitting[0])
    return ValueError(
        f"column {column!r} holds times up to {time!r}, which looks like {found}; pass "
        f"unit={choice} instead of {unit!r}, or subtract the first time if they count from another "
        "moment."
    )


# ---- dates ----


def _check_dates(times: NDArray[Any], column: str, *, whole: bool = True) -> None:
    """Warn of dates that no log holds, as numbers become in a wrong unit."""
    early = times < np.datetime64(EARLY, "s")
    if early.all() or times.max() > np.datetime64(LATE, "s"):
        warnings.warn(
            f"column {column!r} holds times from {times.min()} to {times.max()}; if they were "
            "numbers once, convert them in their unit, such as pandas.to_datetime(..., unit='s').",
            stacklevel=2,
        )
    elif early.any():
        _warn_early(early, times[early.argmax()], column, whole)


def _warn_early(early: NDArray[np.bool_], time: Any, column: str, whole: bool) -> None:
    found = f"times before 1980, the earliest {time}"
    if whole:
        count = f"{np.count_nonzero(early)} of {len(early)}"
        found = f"{count} times before 1980, the first in row {int(early.argmax())} ({time})"
    warnings.warn(
        f"column {column!r} holds {found}; look for missing values and other units.", stacklevel=2
    )
