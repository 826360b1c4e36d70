"""Frames of Spark: what is kept lies with the executors, without the plan that made it."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from .engine import Engine

__all__ = ["SparkEngine"]

PER_DAY = 86_400_000_000  # microseconds


class SparkEngine(Engine):
    """A frame of Spark; its rows come partition by partition."""

    def __init__(self, native: Any) -> None:
        super().__init__(native)
        self.kept_frames: list[Any] = []

    def with_rows(self, frame: nw.LazyFrame[Any], name: str) -> nw.LazyFrame[Any]:
        """Frame with one more column, of integers that rise in the order of its rows."""
        numbers = f"monotonically_increasing_id() as {name}"
        return nw.from_native(frame.to_native().selectExpr("*", numbers))

    def with_ticks(self, frame: nw.LazyFrame[Any], name: str, unit: str) -> nw.LazyFrame[Any]:
        """Frame in which a column of dates or datetimes counts microseconds since 1970, in UTC."""
        native = frame.to_native()
        counts = {
            "date": f"unix_date({name}) * {PER_DAY}",
            "timestamp": f"unix_micros({name})",
            "timestamp_ntz": f"timestampdiff(MICROSECOND, TIMESTAMP_NTZ'1970-01-01', {name})",
        }
        count = counts[dict(native.dtypes)[name]]
        others = [column for column in native.columns if column != name]
        return nw.from_native(native.selectExpr(*others, f"{count} as {name}"))

    def kept(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Frame of the same rows, with the executors; plans of plans would grow without end."""
        native = frame.to_native().localCheckpoint()
        self.kept_frames.append(native)
        return nw.from_native(native)

    def close(self) -> None:
        """Let go of all that was kept, which Spark then removes."""
        self.kept_frames.clear()
