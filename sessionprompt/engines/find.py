"""The engine of a table, found by the library that it is from."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from .dask import DaskEngine
from .duckdb import DuckDBEngine
from .engine import Engine
from .polars import PolarsEngine
from .spark import SparkEngine

__all__ = ["find_engine"]

ENGINES: dict[str, type[Engine]] = {
    "polars": PolarsEngine,
    "duckdb": DuckDBEngine,
    "_duckdb": DuckDBEngine,
    "pyspark": SparkEngine,
    "dask": DaskEngine,
}


def find_engine(table: Any) -> Engine | None:
    """Engine that holds a table, None of a table in memory and of what is none.

    Parameters
    ----------
    table : object

    Returns
    -------
    Engine or None
    """
    engine = ENGINES.get(type(table).__module__.partition(".")[0])
    if engine is None:
        return None
    if isinstance(nw.from_native(table, pass_through=True), nw.LazyFrame):
        return engine(table)
    return None
