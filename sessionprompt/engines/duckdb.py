"""Relations of DuckDB: what is kept is a temporary table of the relation's own connection."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import narwhals as nw

from .engine import Engine

__all__ = ["DuckDBEngine"]

VIEW = "sessionprompt_view"  # what a relation is called in a query of its own


class DuckDBEngine(Engine):
    """A relation of DuckDB, whose connection decides on memory and on the folder for the rest."""

    def __init__(self, native: Any) -> None:
        super().__init__(native)
        self.tables: list[str] = []

    def with_rows(self, frame: nw.LazyFrame[Any], name: str) -> nw.LazyFrame[Any]:
        """Frame with one more column, of integers that rise in the order of its rows."""
        return nw.from_native(frame.to_native().project(f'*, row_number() over () as "{name}"'))

    def with_ticks(self, frame: nw.LazyFrame[Any], name: str, unit: str) -> nw.LazyFrame[Any]:
        """Frame in which a column of dates or datetimes counts units since 1970, in UTC."""
        count = f'epoch_{unit}("{name}")'
        return nw.from_native(frame.to_native().project(f'* replace ({count} as "{name}")'))

    def kept(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Frame of the same rows, read from a table."""
        table = f"sessionprompt_{uuid4().hex}"
        frame.to_native().query(VIEW, f"create temporary table {table} as from {VIEW}")
        self.tables.append(table)
        return nw.from_native(self.native.query(VIEW, f"from {table}"))

    def close(self) -> None:
        """Remove the tables."""
        for table in self.tables:
            self.native.query(VIEW, f"drop table if exists {table}")
        if self.tables:  # before 1.4 the name of a query stays behind as a view
            self.native.query(VIEW, f"drop view if exists {VIEW}")
