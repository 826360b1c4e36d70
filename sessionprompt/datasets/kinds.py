"""Kinds of columns of a raw log: patterns of their texts, and the values of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import narwhals as nw

__all__ = [
    "DAY",
    "MAYBE",
    "MILLISECONDS",
    "SECONDS",
    "TEXT",
    "UTC",
    "UTC_MILLISECONDS",
    "WHOLE",
    "Kind",
]


@dataclass(frozen=True)
class Kind:
    """A kind of column.

    Parameters
    ----------
    words : str
        Noun of a value, for errors.
    pattern : str
        Regular expression of its text, to find the first that does not match.
    parse : callable
        Makes values of texts.
    required : bool
        Whether a missing value is an error.
    time : bool
        Whether values are times, which must be of this age.
    """

    words: str
    pattern: str
    parse: Callable[[nw.Expr], nw.Expr] = lambda column: column
    required: bool = True
    time: bool = False


def _whole_seconds(column: nw.Expr) -> nw.Expr:
    """Times of texts such as 2009-05-04T23:08:57.123Z without what follows the seconds."""
    return column.str.slice(0, 19).str.to_datetime(format="%Y-%m-%dT%H:%M:%S")


def _fraction(column: nw.Expr) -> nw.Expr:
    """Milliseconds of texts such as 2014-04-07T10:51:09.277Z, later digits cut off."""
    digits = column.str.slice(19).str.replace_all("[.Z]", "")
    padded = nw.concat_str(digits, nw.lit("000"))
    return padded.str.slice(0, 3).cast(nw.Int64())


MOMENT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?$"
TEXT = Kind("a text", "")
MAYBE = Kind("a text or nothing", "", required=False)
WHOLE = Kind("a whole number", r"^-?\d{1,18}$", lambda column: column.cast(nw.Int64()))
SECONDS = Kind(
    "seconds since 1970",
    r"^\d+(?:\.\d*)?$",
    lambda column: (column.cast(nw.Float64()) * 1000).cast(nw.Int64()).cast(nw.Datetime("ms")),
    time=True,
)
MILLISECONDS = Kind(
    "milliseconds since 1970",
    r"^\d{1,18}$",
    lambda column: column.cast(nw.Int64()).cast(nw.Datetime("ms")),
    time=True,
)
UTC = Kind("a time such as 2009-05-04T23:08:57Z", MOMENT, _whole_seconds, time=True)
UTC_MILLISECONDS = Kind(
    "a time such as 2014-04-07T10:51:09.277Z",
    MOMENT,
    lambda column: (_whole_seconds(column).dt.timestamp("ms") + _fraction(column)).cast(
        nw.Datetime("ms")
    ),
    time=True,
)
DAY = Kind(
    "a date such as 2016-05-31",
    r"^\d{4}-\d\d-\d\d$",
    lambda column: column.str.to_datetime(format="%Y-%m-%d"),
    time=True,
)
