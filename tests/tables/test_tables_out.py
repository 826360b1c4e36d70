"""Frames, titles, summaries and HTML that leave the library."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import sessionprompt.tables.frames as frames
from sessionprompt.tables import BACKENDS, Summary, html_table, native_table, titles_of


@pytest.mark.parametrize("backend", BACKENDS)
def test_frames_of_every_library(backend: Any) -> None:
    columns = {"item": np.array(["a", "b"], dtype=object), "top": [["x"], ["y", "z"]]}
    columns["score"] = np.array([0.5, np.inf], dtype=np.float32)
    made = nw.from_native(native_table(columns, backend), eager_only=True)
    assert made.implementation.value == backend
    assert made["item"].to_list() == ["a", "b"]
    assert [list(one) for one in made["top"].to_list()] == [["x"], ["y", "z"]]
    assert made["score"].to_list() == [0.5, np.inf]


def test_frames_say_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"item": np.array([1])}
    with pytest.raises(ValueError, match="Unsupported as_frame='dask'; choose one of"):
        native_table(columns, "dask", "as_frame")  # type: ignore[arg-type]
    pairs = np.empty(1, dtype=object)
    pairs[0] = (1, "a")
    with pytest.raises(TypeError, match="polars has no columns for ids such as"):
        native_table({"item": pairs}, "polars")
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="as_frame='pandas' needs pandas, .* pip install pandas"):
        native_table(columns, "pandas", "as_frame")


ITEMS = np.array([7, 9, 11])


@pytest.mark.parametrize(
    "titles",
    [
        {7: "Seven", 11: float("nan")},
        pd.Series(["Seven", None], index=[7, 11]),
        pd.DataFrame({"item": [7, 11], "title": ["Seven", None], "price": [1, 2]}),
        pl.DataFrame({"title": ["Seven", None], "item": [7, 11]}),
        pa.table({"item": [7, 11], "title": ["Seven", None]}),
    ],
    ids=["dict", "series", "pandas", "polars", "pyarrow"],
)
def test_titles_of_every_kind(titles: Any) -> None:
    assert titles_of(ITEMS, titles) == ["Seven", None, None]


def test_titles_that_cannot_be_meant() -> None:
    with pytest.raises(ValueError, match="such as '7', those of items such as 7; give ids of the"):
        titles_of(ITEMS, {"7": "Seven"})
    assert titles_of(ITEMS[:1], {9: "Nine"}, known=ITEMS) == [None]
    assert titles_of(ITEMS, {}) == [None] * 3
    assert titles_of(ITEMS, {7: 7}) == ["7", None, None]
    with pytest.raises(ValueError, match=r"it has \['id', 'title'\]"):
        titles_of(ITEMS, pd.DataFrame({"id": [7], "title": ["Seven"]}))
    with pytest.raises(TypeError, match="titles must map item ids to titles.*; got list"):
        titles_of(ITEMS, ["Seven"])


def test_summaries_are_dicts_that_read_well() -> None:
    shown = Summary(n=1234, share=0.25, big=1.5e9, none=None, flag=True, many=[1, 2.5])
    shown["span"] = np.timedelta64(90, "m")
    shown["end"] = np.datetime64("2026-03-11T10:00", "us")
    assert dict(shown)["n"] == 1234
    assert [line.split()[-1] for line in repr(shown).splitlines()] == [
        "1,234",
        "0.25",
        "1,500,000,000",
        "-",
        "True",
        "2.5",
        "1:30:00",
        "2026-03-11T10:00:00",
    ]
    assert repr(Summary()) == ""
    assert "<td>1,234</td>" in shown._repr_html_()


def test_html_escapes_what_it_shows() -> None:
    html = html_table(["<b>", "n"], [["<script>", "1 & 2"]], caption='"x" > y')
    assert "<script>" not in html and "<b>" not in html
    assert "&lt;script&gt;" in html and "1 &amp; 2" in html and "&gt; y" in html
