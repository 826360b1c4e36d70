"""Tables that an engine holds: the same sessions as of a table in memory, event by event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sessionprompt.sessions import Sessions

pytestmark = pytest.mark.filterwarnings("ignore:Dask support is moving out:FutureWarning")

START = 1_600_000_000
SCHEMA = {"u": pl.Int64, "s": pl.String, "i": pl.String, "t": pl.Int64, "a": pl.String}
HAS_BATCHES = hasattr(pl.LazyFrame, "sink_parquet") and hasattr(pl.LazyFrame, "collect_batches")
Make = Callable[[pl.DataFrame], Any]


def polars_frames() -> Iterator[Make]:
    if not HAS_BATCHES:
        pytest.skip("this polars writes no Parquet files of sorted frames")
    yield pl.DataFrame.lazy


def duckdb_relations() -> Iterator[Make]:
    duckdb = pytest.importorskip("duckdb", reason="needs duckdb: pip install duckdb")
    with duckdb.connect(config={"threads": 1}) as connection:
        yield lambda frame: connection.from_arrow(frame.to_arrow())


def dask_frames() -> Iterator[Make]:
    dd = pytest.importorskip("dask.dataframe", reason="needs Dask: pip install dask[dataframe]")
    import dask

    with dask.config.set(scheduler="synchronous"):
        yield lambda frame: dd.from_pandas(frame.to_pandas(), npartitions=2)


def spark_frames() -> Iterator[Make]:
    sql = pytest.importorskip("pyspark.sql", reason="needs Spark: pip install pyspark")
    if which("java") is None:
        pytest.skip("needs Java, in which Spark runs")
    builder = sql.SparkSession.builder.master("local[1]")
    settings = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}
    session = builder.config(map=settings).getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    yield lambda frame: session.createDataFrame(frame.to_arrow())
    session.stop()


ENGINES = {
    "polars": polars_frames,
    "duckdb": duckdb_relations,
    "dask": dask_frames,
    "spark": spark_frames,
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("dask", "spark")]


@pytest.fixture(scope="module", params=["polars", "duckdb", *SLOW])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Way from a table in memory to one that an engine holds."""
    yield from ENGINES[request.param]()


ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["x", "y"]),
        st.sampled_from("abcd"),
        st.integers(START, START + 40),
        st.sampled_from(["view", "buy", None]),
    ),
    min_size=1,
    max_size=25,
)
OWNERS = st.sampled_from([{"user": "u"}, {"session": "s"}, {"user": "u", "session": "s"}])
FILTERS = st.sampled_from(
    [
        {},
        {"top_items": 2, "min_length": 2},
        {"min_item_support": 2, "min_length": 2, "until_stable": True},
    ]
)


def outcome(events: Any, **options: Any) -> Sessions | str:
    """Sessions, or the first words of the fault in them."""
    try:
        return Sessions.from_events(events, item="i", **options)
    except ValueError as error:
        return str(error)[:50]


def assert_same(made: Sessions | str, expected: Sessions | str) -> None:
    """Raise unless sessions are equal in all that they hold."""
    assert made == expected
    if isinstance(made, Sessions) and isinstance(expected, Sessions):
        assert made.vocabulary == expected.vocabulary
        assert made.report == expected.report
        assert made.codes.dtype == np.int32
        assert made.ids.dtype == expected.ids.dtype


# an engine takes a second for what hypothesis does in a loop: it does not look for smaller rows
LAW = settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@LAW
@given(
    rows=ROWS,
    owners=OWNERS,
    filters=FILTERS,
    gap=st.sampled_from([None, 5, "10s"]),
    timed=st.booleans(),
    duplicates=st.sampled_from(["keep", "drop", "error"]),
    marked=st.booleans(),
)
def test_an_engine_makes_the_sessions_of_the_table_in_memory(
    make: Make,
    rows: list[Any],
    owners: dict[str, str],
    filters: dict[str, Any],
    gap: Any,
    timed: bool,
    duplicates: str,
    marked: bool,
) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    options = {**owners, **filters, "duplicates": duplicates}
    if timed:
        options |= {"time": "t", "gap": gap}
    if marked and frame["a"].is_not_null().any():
        options |= {"attributes": ["a"], "targets": {"a": frame["a"].drop_nulls()[0]}}
    expected = outcome(frame, **options)
    made = outcome(make(frame), **options)
    if duplicates == "error" and isinstance(expected, str) and "events repeats" in expected:
        assert isinstance(made, str) and "of the events repeat" in made
        return
    assert_same(made, expected)


def clicks(**columns: Any) -> pl.DataFrame:
    """Eight clicks of two users, in which some columns are changed."""
    ticks = pl.Series([0, 50, 100, 7000, 20, 30, 9000, 9001]) + START
    made = pl.DataFrame({"u": [1, 1, 1, 1, 2, 2, 2, 2], "i": list("abcaabdd"), "t": ticks})
    return made.with_columns(**columns)


TIMES = {
    "float": pl.col("t") + 0.5,
    "date": pl.from_epoch("t", "s").dt.offset_by("5d").cast(pl.Date),
    "microseconds": pl.from_epoch("t", "s").cast(pl.Datetime("us")) + timedelta(microseconds=7),
    "zone": pl.from_epoch("t", "s").cast(pl.Datetime("us", "Asia/Tokyo")),
}


@pytest.mark.parametrize("kind", TIMES)
def test_times_of_all_kinds_come_back_as_they_were(make: Make, kind: str) -> None:
    events = clicks(t=TIMES[kind])
    options: dict[str, Any] = {"user": "u", "time": "t", "gap": "1h"}
    made = outcome(make(events), **options)
    assert_same(made, outcome(events, **options))
    assert isinstance(made, Sessions) and made.event_times is not None
    assert made.event_times.dtype.kind == ("f" if kind == "float" else "M")


def test_integers_come_back_in_pieces(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessionprompt.sessions.lazy.PIECE", 2)
    options: dict[str, Any] = {"user": "u", "time": "t", "gap": "1h"}
    assert_same(outcome(make(clicks()), **options), outcome(clicks(), **options))


FAULTS: list[tuple[dict[str, Any], dict[str, Any], type[Exception], str]] = [
    ({"i": pl.lit(None, pl.String)}, {}, ValueError, "column 'i' has 8 missing values in 8 rows"),
    ({}, {"item": "x"}, ValueError, "column 'x' is not in the events; they have 'u', 'i', 't'"),
    ({"t": pl.col("t").cast(pl.String)}, {}, TypeError, "holds String, not times"),
    ({"t": -pl.col("t")}, {}, ValueError, "none may be negative"),
    ({"t": pl.col("t") * 1000}, {}, ValueError, "looks like milliseconds; pass unit='ms'"),
    ({}, {"user": None}, ValueError, "nothing says which events belong together"),
    ({}, {"targets": np.ones(8, dtype=bool)}, TypeError, "the rows of an engine have no numbers"),
    ({}, {"min_length": 9}, ValueError, "the filters left nothing"),
    ({"a": pl.lit(None, pl.String)}, {"attributes": ["a"]}, ValueError, "'a' holds no value"),
]


@pytest.mark.parametrize(("columns", "options", "error", "message"), FAULTS)
def test_faults_are_told_before_anything_comes_back(
    make: Make,
    columns: dict[str, Any],
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        Sessions.from_events(
            make(clicks(**columns)), **{"item": "i", "user": "u", "time": "t", **options}
        )


def test_a_query_keeps_the_order_of_its_rows_and_leaves_no_table(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="needs duckdb: pip install duckdb")
    with duckdb.connect(config={"threads": 1}) as connection:
        path = tmp_path / "clicks.parquet"
        clicks().write_parquet(path)
        query = connection.sql(f"select u + 1 as u, i from '{path}' where i <> 'b'")
        made = Sessions.from_events(query, item="i", user="u")
        assert made.to_lists() == [["a", "c", "a"], ["a", "d", "d"]]
        with pytest.raises(ValueError, match="left nothing"):
            Sessions.from_events(query, item="i", user="u", min_length=9)
        assert connection.sql("show all tables").fetchall() == []


@pytest.mark.slow
def test_duckdb_keeps_to_its_memory_and_spills(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="needs duckdb: pip install duckdb")
    with duckdb.connect(config={"threads": 1}) as connection:
        columns = "hash(i) % 50000 as u, hash(i + 7) % 900 as i, i as t"
        query = f"select {columns} from range(1500000) made(i)"
        expected = Sessions.from_events(connection.sql(query).pl(), item="i", user="u", time="t")
        connection.execute(f"set memory_limit='40MB'; set temp_directory='{tmp_path / 'spilled'}'")
        made = Sessions.from_events(connection.sql(query), item="i", user="u", time="t")
        assert made == expected
