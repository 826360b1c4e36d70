"""Lazy frames of polars: what is kept lies in Parquet files of a temporary folder."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import narwhals as nw

from .engine import Engine

__all__ = ["PolarsEngine"]


class PolarsEngine(Engine):
    """A lazy frame of polars."""

    def __init__(self, native: Any) -> None:
        super().__init__(native)
        self.folder = TemporaryDirectory(prefix="sessionprompt-")
        self.numbers = count()

    def with_rows(self, frame: nw.LazyFrame[Any], name: str) -> nw.LazyFrame[Any]:
        """Frame with one more column, of integers that rise in the order of its rows."""
        numbered = nw.from_native(frame.to_native().with_row_index(name))
        return numbered.with_columns(nw.col(name).cast(nw.Int64))

    def kept(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Frame of the same rows, read from a file."""
        path = Path(self.folder.name) / f"{next(self.numbers)}.parquet"
        frame.sink_parquet(path)
        return nw.scan_parquet(path, backend="polars")

    def close(self) -> None:
        """Remove the files."""
        self.folder.cleanup()
