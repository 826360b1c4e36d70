"""Tables that are no pandas, polars or pyarrow table in memory, and names that are no text."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from sessionprompt.sessions import Sessions

EVENTS = pa.table({"item": ["a", "b", "c"], "visit": [1, 2, 1], "t": [3, 1, 2], "more": [0, 0, 0]})


class Stream:
    """Nothing but the protocol of Arrow."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return EVENTS.__arrow_c_stream__(requested_schema)


FORMS = {
    "reader": lambda: EVENTS.to_reader(),
    "batch": lambda: EVENTS.to_batches()[0],
    "dataset": lambda: pads.dataset(EVENTS),
    "stream": Stream,
    "polars": lambda: pl.DataFrame(EVENTS),
}


@pytest.mark.parametrize("form", FORMS)
def test_whatever_streams_arrow_is_read(form: str) -> None:
    made = Sessions.from_events(FORMS[form](), session="visit", time="t")
    assert made.to_lists() == [["b"], ["c", "a"]] and made.ids.tolist() == [2, 1]


@pytest.mark.parametrize("form", FORMS)
def test_a_column_that_is_not_there_is_named(form: str) -> None:
    with pytest.raises(ValueError, match="column 'user' is not in the events; they have 'item', "):
        Sessions.from_events(FORMS[form](), user="user")


def engine(module: str, *methods: str) -> Any:
    """Frame of an engine that is not installed: a class of that name with these methods."""
    body: dict[str, Any] = dict.fromkeys(methods, lambda self: None)
    return type("DataFrame", (), {**body, "__module__": module, "columns": ["item"]})()


@pytest.mark.parametrize(
    ("events", "call"),
    [
        (engine("pyspark.sql.dataframe", "collect", "toPandas", "toArrow"), r"\.toArrow\(\)"),
        (engine("pyspark.sql.dataframe", "collect", "toPandas"), r"\.toPandas\(\)"),
        (engine("pyspark.sql.connect.dataframe", "toArrow", "__arrow_c_stream__"), "toArrow"),
        (engine("pyspark.pandas.frame", "to_pandas", "to_spark"), r"\.to_pandas\(\) or \.to_spark"),
        (engine("dask.dataframe.core", "compute", "persist"), r"\.compute\(\)"),
        (engine("ray.data.dataset", "to_pandas"), r"\.to_pandas\(\)"),
        (pads.dataset(EVENTS).scanner(), r"\.to_table\(\)"),
    ],
)
def test_engines_are_refused_with_the_call_that_brings_the_rows(events: Any, call: str) -> None:
    with pytest.raises(TypeError, match=call):
        Sessions.from_events(events, session="item")


def test_columns_without_a_header_have_numbers() -> None:
    frame = pd.read_csv(StringIO("ann,tea,5\nann,cup,6\nbob,pot,7\n"), header=None)
    made = Sessions.from_events(frame, user=0, item=1, time=2, gap="1h")
    assert made.to_lists() == [["tea", "cup"], ["pot"]] and made.users.tolist() == ["ann", "bob"]
    with pytest.raises(ValueError, match="column 7 is not in the events; they have 0, 1, 2"):
        Sessions.from_events(frame, user=7, item=1)
    wide = frame.set_axis(pd.MultiIndex.from_tuples([("x", "u"), ("x", "i"), ("t", "")]), axis=1)
    made = Sessions.from_events(wide, user=("x", "u"), item=("x", "i"), time=("t", ""))
    assert made.to_lists() == [["tea", "cup"], ["pot"]]


def test_two_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame([["a", 1, 2]], columns=["item", "s", "s"])
    with pytest.raises(ValueError, match="have one name .*'s'.*rename them"):
        Sessions.from_events(frame, session="s")


@pytest.mark.parametrize("column", [pd.Series(["a"]), pl.Series(["a"]), pa.chunked_array([["a"]])])
def test_a_single_column_is_no_table(column: Any) -> None:
    with pytest.raises(TypeError, match="events is a single column .*give the table"):
        Sessions.from_events(column, session="s")
