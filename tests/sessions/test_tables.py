"""Table files: every library reads and writes them alike."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sessionprompt.sessions import read_table, tables, write_table


@pytest.mark.parametrize("backend", tables.BACKENDS)
def test_every_library_reads_and_writes_alike(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "find_spec", lambda name: name if name == backend else None)
    lines = [
        "item,n,time,more",
        "007,-4,2024-01-01T00:00:00,x",
        "NA,12,2024-01-01 01:00:01.5+01:00,",
        '"a,b",0,2024-01-01T00:00Z,y',
    ]
    text = "".join(f"{line}\n" for line in lines)
    (tmp_path / "log.csv").write_text(text)
    with gzip.open(tmp_path / "log.csv.gz", "wt") as file:
        file.write(text)
    for name in ("log.csv", "log.csv.gz"):
        table = read_table(tmp_path / name, ["item", "n"], time="time")
        assert type(table).__module__.partition(".")[0] == backend
        columns = {column: np.asarray(table[column]).tolist() for column in ("item", "n", "time")}
        assert columns["item"] == ["007", "NA", "a,b"] and columns["n"] == [-4, 12, 0]
        assert columns["time"] == [1704067200.0, 1704067201.5, 1704067200.0]
    for name in ("out.csv", "out.parquet"):
        write_table(tmp_path / name, {"a": [1, 20], "b": ["x", "ü"]})
        table = read_table(tmp_path / name, ["a", "b"], text=["a"])
        assert np.asarray(table["a"]).tolist() == ["1", "20"]
        assert np.asarray(table["b"]).tolist() == ["x", "ü"]


def test_without_any_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.csv").write_text("item\n1\n")
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(
        ImportError, match="needs polars, pyarrow or pandas; pip install one of them"
    ):
        read_table(tmp_path / "log.csv", ["item"])


@pytest.mark.parametrize(
    ("text", "dtype", "value"), [("12", pl.Int64, 12), ("12.5", pl.Float64, 12.5)]
)
def test_times_in_numbers(text: str, dtype: Any, value: float, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(f"item,t\n1,{text}\n")
    times = read_table(tmp_path / "log.csv", ["item"], time="t")["t"]
    assert times.dtype == dtype and times.to_list() == [value]


def test_a_large_time_in_nanoseconds_stays_exact(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("item,t\n1,1704067200123456789\n")
    assert read_table(tmp_path / "log.csv", ["item"], time="t")["t"].to_list() == [
        1704067200123456789
    ]
