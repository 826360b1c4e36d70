"""Spans of time, such as "30min": their length in seconds, and in the unit of a column of times."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import is_number

__all__ = ["PER_SECOND", "gap_limit", "span_seconds"]

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*")


def span_seconds(name: str, span: str | timedelta | np.timedelta64) -> float:
    """Length of a span of time in seconds.

    Parameters
    ----------
    name : str
        What the span is called in error messages.
    span : str, timedelta or timedelta64
        A text is a number and one of s, min, h, d; spaces around either do not matter.

    Returns
    -------
    float
        Above zero and finite.

    Raises
    ------
    TypeError
        If the span is of another type.
    ValueError
        If the text is not understood, or the span is not above zero.

    Examples
    --------
    >>> span_seconds("gap", "1.5 h"), span_seconds("gap", timedelta(minutes=2))
    (5400.0, 120.0)
    """
    if isinstance(span, str):
        seconds = _text_seconds(name, span)
    elif isinstance(span, timedelta):
        seconds = span.total_seconds()
    elif isinstance(span, np.timedelta64):
        seconds = float(span / np.timedelta64(1, "s"))
    else:
        raise TypeError(
            f"{name}={span!r} must be a string such as '30min', a timedelta, or a number."
        )
    _check_length(name, span, seconds)
    return seconds


def gap_limit(gap: Any, times: NDArray[Any] | None, unit: str) -> float | None:
    """Longest pause inside a session, in the unit in which the times are counted.

    Parameters
    ----------
    gap : str, timedelta, timedelta64, number or None
        A number is taken in the unit of numeric times.
    times : ndarray of shape (n_events,) or None
        Numbers or datetime64.
    unit : {"s", "ms", "us", "ns"}
        Unit of numeric times.

    Returns
    -------
    float or None
        None for no gap.

    Raises
    ------
    TypeError
        If the gap is of another type.
    ValueError
        If the gap is not above zero, has no unit though the times are datetimes, or there are no
        times.

    Examples
    --------
    >>> gap_limit("30min", np.array([0, 60_000]), "ms")
    1800000.0
    """
    if gap is None:
        return None
    if times is None:
        raise ValueError(f"gap={gap!r} needs times; pass time= with the name of the time column.")
    if times.dtype.kind == "M":
        unit = np.datetime_data(times.dtype)[0]
        if is_number(gap):
            raise ValueError(
                f"gap={gap!r} has no unit, and the times are datetimes; "
                "pass '30min' or a timedelta."
            )
    if not is_number(gap):
        return span_seconds("gap", gap) * PER_SECOND[unit]
    _check_length("gap", gap, float(gap))
    return float(gap)


def _text_seconds(name: str, text: str) -> float:
    """Seconds of a span that is written as a number and a unit."""
    match = SPAN.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{name}={text!r} is not understood; write a number and one of s, min, h, d, "
            "as in '30min'."
        )
    number, unit = match.groups()
    return float(number) * SECONDS[unit]


def _check_length(name: str, span: Any, length: float) -> None:
    if not 0 < length < np.inf:
        raise ValueError(f"{name}={span!r} must be longer than zero and finite.")
