"""Tables of events as eager frames, whatever library they are from."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Any

import narwhals as nw
from narwhals.exceptions import DuplicateError

from .tables import find_backend

__all__ = ["check_names", "open_frame"]

# of an engine that holds its rows elsewhere: an attribute of its frames, and the call that brings
# them here; the first one that is there counts
CALLS = (
    ("to_spark", ".to_pandas() or .to_spark()"),
    ("toArrow", ".toArrow()"),
    ("toPandas", ".toPandas()"),
    ("compute", ".compute()"),
    ("collect", ".collect()"),
)
CONVERSIONS = ("to_table", "to_arrow", "to_pyarrow", "to_pandas")


def open_frame(events: Any, wanted: Collection[Hashable]) -> nw.DataFrame[Any]:
    """Eager frame of a table of events that has the wanted columns.

    Parameters
    ----------
    events : table
        Of pandas, polars or pyarrow; a dataset of pyarrow, or whatever else has
        ``__arrow_c_stream__``, of which the wanted columns are read.
    wanted : collection of hashable
        Names of columns.

    Returns
    -------
    narwhals DataFrame

    Raises
    ------
    TypeError
        If it is no table, or one that an engine has not computed.
    ValueError
        If a column is not there, or two columns have one name.
    """
    try:
        frame = nw.from_native(events, eager_only=True)
    except TypeError:
        frame = _collected(events, wanted)
    except DuplicateError as error:
        first_line, *others = str(error).split("\n")
        raise ValueError(
            f"columns of the events have one name ({' '.join([first_line, *others])}); rename them."
        ) from error
    check_names(frame.columns, wanted)
    return frame


def check_names(names: Collection[Hashable], wanted: Collection[Hashable]) -> None:
    """Raise a ValueError if a wanted column is not among those of a table."""
    for name in wanted:
        if name not in names:
            known = ", ".join(map(repr, names))
            raise ValueError(f"column {name!r} is not in the events; they have {known}.")


def _collected(events: Any, wanted: Collection[Hashable]) -> nw.DataFrame[Any]:
    """Frame of what is no table in memory yet, or an error with the way out."""
    for attribute, call in CALLS:
        if hasattr(events, attribute):
            raise TypeError(_way_out(events, call))
    if hasattr(events, "to_table") and hasattr(events, "schema"):  # a dataset of pyarrow
        check_names(events.schema.names, wanted)
        return nw.from_native(events.to_table(columns=_distinct(wanted)), eager_only=True)
    if isinstance(nw.from_native(events, allow_series=True, pass_through=True), nw.Series):
        raise TypeError(
            f"events is a single column ({type(events).__name__}); give the table that it is from, "
            "or lists of sessions to Sessions.from_lists."
        )
    if hasattr(events, "__arrow_c_stream__"):
        return nw.DataFrame.from_arrow(_Stream(events), backend=find_backend())
    for attribute in CONVERSIONS:
        if hasattr(events, attribute):
            raise TypeError(_way_out(events, f".{attribute}()"))
    raise TypeError(
        f"events must be a pandas, polars or pyarrow table, got {type(events).__name__}; "
        "for lists of sessions use Sessions.from_lists."
    )


class _Stream:
    """Events as nothing but a stream, since polars 1.20 takes a reader for a list of columns."""

    def __init__(self, events: Any) -> None:
        self.events = events

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.events.__arrow_c_stream__(requested_schema)


def _distinct(names: Collection[Hashable]) -> list[Any]:
    return list(dict.fromkeys(names))


def _way_out(events: Any, call: str) -> str:
    return (
        f"events is a {type(events).__module__}.{type(events).__name__}, whose rows are not in "
        f"memory; call {call} on it first."
    )
