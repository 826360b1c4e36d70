"""Columns of tables that an engine holds: checked there, and ids and times made integers there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from ..engines import Engine
from ..vocabulary import Vocabulary
from .event_attributes import EventAttribute
from .event_columns import read_ids
from .times import check_extremes, ticks_of

__all__ = ["NumberedIds", "checked_frame", "numbered_ids", "numbered_values"]

TEXTS = (nw.Categorical, nw.Enum)  # which engines order in ways of their own


@dataclass(frozen=True)
class NumberedIds:
    """Ids of a column, numbered by an engine in their order."""

    name: str
    frame: nw.LazyFrame[Any]  # columns of this name and `code`

    def joined(self, events: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Events with the number of each id in place of it, -1 where there is none."""
        codes = self.frame.with_columns(nw.col("code").cast(nw.Int64))
        joined = events.join(codes, on=self.name, how="left")
        number = nw.col("code").fill_null(-1).cast(nw.Int32)
        return joined.with_columns(number.alias(self.name)).drop("code")

    def vocabulary(self, used: nw.LazyFrame[Any] | None) -> tuple[Vocabulary, NDArray[np.int32]]:
        """Vocabulary of the ids whose numbers are in a frame, or of all, and its code by number."""
        frame = self.frame
        if used is not None:
            left = used.select(nw.col(self.name).alias("code")).unique()
            frame = frame.join(left, on="code", how="inner")
        table = frame.collect()
        column = read_ids(table[self.name])
        vocabulary, codes = Vocabulary.from_values(column.ids[column.codes])
        numbers = table["code"].to_numpy()
        code_of = np.zeros(int(numbers.max()) + 1, dtype=np.int32)
        code_of[numbers] = codes
        return vocabulary, code_of


def checked_frame(
    engine: Engine, columns: Mapping[str, str], unit: str
) -> tuple[nw.LazyFrame[Any], int, NDArray[Any] | None]:
    """Frame of some columns of an engine's table, with the rows numbered and times as integers.

    Parameters
    ----------
    engine : Engine
    columns : mapping of str to str
        New name of each column, and the name in the table: ``item``, ``time``, ``user``,
        ``session``, or something that begins with ``of_`` and may miss values.
    unit : {"s", "ms", "us", "ns"}
        Of numeric times.

    Returns
    -------
    frame : narwhals LazyFrame
        With a further column ``row``.
    n_events : int
    extremes : ndarray of shape (2,)
        Earliest and latest time; None without times.

    Raises
    ------
    TypeError
        If a column holds no times.
    ValueError
        If there is no row, a value is missing, or times are no dates in this unit.
    """
    frame = engine.frame.select(**{new: nw.col(old) for new, old in columns.items()})
    schema = frame.collect_schema()
    for name, dtype in schema.items():
        if isinstance(dtype, TEXTS):
            frame = frame.with_columns(nw.col(name).cast(nw.String))
        elif dtype == nw.Boolean and name.startswith("of_"):
            frame = frame.with_columns(nw.col(name).cast(nw.Int8))
    ticks = None
    if "time" in columns:
        ticks = ticks_of(schema["time"], columns["time"])
        frame = _with_numbers(engine, frame, ticks)
    facts = _facts(frame, [name for name in columns if not name.startswith("of_")])
    _check_known(facts, columns)
    extremes = None
    if "time" in columns:
        extremes = _extremes(facts, schema["time"], ticks)
        check_extremes(extremes, columns["time"], unit)
    return engine.with_rows(frame, "row"), facts["rows"], extremes


def _with_numbers(engine: Engine, frame: nw.LazyFrame[Any], ticks: str | None) -> nw.LazyFrame[Any]:
    """Frame in which times are whole numbers or float64."""
    if ticks is not None:
        frame = engine.with_ticks(frame, "time", ticks)
    elif frame.collect_schema()["time"].is_float():
        return frame.with_columns(nw.col("time").cast(nw.Float64))
    return frame.with_columns(nw.col("time").cast(nw.Int64))


def _extremes(facts: Mapping[str, Any], dtype: nw.dtypes.DType, ticks: str | None) -> NDArray[Any]:
    """Earliest and latest time, as precise as the table has them."""
    extremes = np.array([facts["earliest"], facts["latest"]])
    if ticks is not None:
        return extremes.astype(f"M8[{ticks}]")
    if dtype == nw.Float32:
        return extremes.astype(np.float32)
    return extremes


def _facts(frame: nw.LazyFrame[Any], known: Sequence[str]) -> dict[str, Any]:
    """Number of rows, of missing values in some columns, and the extremes of the times."""
    schema = frame.collect_schema()
    wanted = {"rows": nw.len()}
    for name in known:
        missing = _count(nw.col(name).is_null())
        if schema[name].is_float():
            missing = missing + _count(nw.col(name).is_nan())
        wanted[f"no {name}"] = missing
    if "time" in known:
        wanted["earliest"] = nw.col("time").min()
        wanted["latest"] = nw.col("time").max()
    return frame.select(**wanted).collect().rows(named=True)[0]


def _count(mask: nw.Expr) -> nw.Expr:
    """Number of rows where a mask holds; Spark adds up no booleans."""
    return mask.cast(nw.Int64).sum()


def _check_known(facts: Mapping[str, Any], columns: Mapping[str, str]) -> None:
    """Raise a ValueError if there is no row, or an id or a time is missing."""
    if facts["rows"] == 0:
        raise ValueError("events has no rows; there is nothing to make sessions of.")
    for new, old in columns.items():
        missing = facts.get(f"no {new}", 0)
        if missing:
            raise ValueError(
                f"column {old!r} has {missing} missing values in {facts['rows']} rows; filter such "
                "rows out or fill them in first."
            )


def numbered_ids(engine: Engine, frame: nw.LazyFrame[Any], name: str) -> NumberedIds:
    """Distinct ids of a column, which are not missing, numbered in their order."""
    ids = frame.select(name).filter(~nw.col(name).is_null()).unique()
    return NumberedIds(name, engine.kept(engine.with_places(ids, "code", [name])))


def numbered_values(ids: NumberedIds, name: str) -> EventAttribute:
    """Distinct values of an attribute, as that of one event each in the order of their numbers."""
    table = ids.frame.collect()
    if len(table) == 0:
        raise ValueError(f"attributes: column {name!r} holds no value; leave it out.")
    column = read_ids(table[ids.name])
    values = np.empty(len(table), dtype=column.ids.dtype)
    values[table["code"].to_numpy()] = column.ids[column.codes]
    return EventAttribute(name, values, np.arange(len(table), dtype=np.int32))
