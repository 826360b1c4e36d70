"""Engines that hold tables elsewhere: polars' lazy frames, DuckDB, Spark and Dask."""

from __future__ import annotations

from .engine import Engine
from .find import find_engine

__all__ = ["Engine", "find_engine"]
