"""Pairs counted by engines against the graphs of sessions, and graphs with fewer edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sessionprompt import Sessions
from sessionprompt.graphs import item_graph
from sessionprompt.pairs import count_pairs, pair_graph, sparsified
from sessionprompt.vocabulary import Vocabulary

pytestmark = pytest.mark.filterwarnings("ignore:Dask support is moving out:FutureWarning")
ITEMS = "abcde"
laws = settings(max_examples=15, deadline=None)


def from_duckdb(columns: dict[str, list[Any]]) -> Any:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register("events", pa.table(columns))
    return connection.table("events")


def from_dask(columns: dict[str, list[Any]]) -> Any:
    frames = pytest.importorskip("dask.dataframe")
    return frames.from_pandas(pd.DataFrame(columns), npartitions=3)


ENGINES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "polars lazy": pl.LazyFrame,
    "duckdb": from_duckdb,
    "dask": from_dask,
}


def columns_of(lists: list[list[str]]) -> dict[str, list[Any]]:
    """Events of sessions, in another order than that of time."""
    rows = [(number, item) for number, items in enumerate(lists) for item in items]
    rows = [(session, item, time) for time, (session, item) in enumerate(rows)]
    rows = sorted(rows, key=lambda row: (row[1], -row[2]))
    names = ("session", "item", "time")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def near_pairs(lists: list[list[str]], window: int, keep: bool) -> np.ndarray:
    counts = np.zeros((len(ITEMS), len(ITEMS)), dtype=np.int64)
    for items in lists:
        codes = [ITEMS.index(item) for item in items]
        for place, one in enumerate(codes):
            for other in codes[place + 1 : place + 1 + window]:
                if one != other:
                    counts[one, other] += 1
                    counts[other, one] += 1
                elif keep:
                    counts[one, one] += 1
    return counts


@pytest.fixture(scope="module")
def lists() -> list[list[str]]:
    """Sessions of one to seven events, many with returns, and an item that stands alone."""
    rng = np.random.default_rng(0)
    drawn = [list(rng.choice(list("abcd"), size)) for size in rng.integers(1, 8, size=30)]
    return [[str(item) for item in items] for items in drawn] + [["e"]]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("window", "self_loops"), [(1, "drop"), (3, "keep")])
def test_every_engine_counts_what_sessions_hold(
    engine: str, lists: list[list[str]], window: int, self_loops: str
) -> None:
    everything = Vocabulary(list(ITEMS))
    table = ENGINES[engine](columns_of(lists))
    pairs = count_pairs(table, window=window, self_loops=self_loops)
    graph, _ = pair_graph(pairs, everything)
    expected = near_pairs(lists, window, self_loops == "keep")
    np.testing.assert_array_equal(graph.toarray(), expected)
    sessions = Sessions.from_lists(lists)
    own = count_pairs(sessions, window=window, self_loops=self_loops)
    np.testing.assert_array_equal(own.toarray(), expected)
    if window == 1:
        today = item_graph(sessions.codes, sessions.offsets, len(ITEMS), self_loops=self_loops)
        assert (graph != today).nnz == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_integer_ids_stay_integers(engine: str) -> None:
    columns = {"session": [1, 1, 2, 2], "item": [2**53 + 1, 7, 9, 9], "time": [1, 2, 3, 4]}
    graph, vocabulary = pair_graph(count_pairs(ENGINES[engine](columns)))
    assert vocabulary.ids.dtype.kind == "i"
    assert vocabulary.ids.tolist() == [7, 2**53 + 1]
    assert graph.toarray().tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("index", [[5, 7], pd.RangeIndex(3, 5)])
def test_the_index_of_pandas_does_not_matter(index: Any) -> None:
    events = pd.DataFrame({"session": [1, 1], "item": [4, 3], "time": [1, 2]}, index=index)
    for kind in ("int32", "Int64", "str", "category"):
        counted = count_pairs(events.astype({"item": kind}))
        assert counted.astype({"item": int, "other": int}).to_numpy().tolist() == [[3, 4, 1]]


def test_counts_of_parts_add_up(lists: list[list[str]]) -> None:
    parts = [lists[:1], lists[1:20], lists[20:]]
    tables = [count_pairs(pl.LazyFrame(columns_of(part)), window=2) for part in parts]
    everything = Vocabulary(list(ITEMS))
    whole, _ = pair_graph(count_pairs(pl.LazyFrame(columns_of(lists)), window=2), everything)
    total, _ = pair_graph(tables, everything)
    assert (total != whole).nnz == 0


def test_a_lazy_table_stays_lazy_and_names_its_columns() -> None:
    events = pl.LazyFrame({"u": [1, 1, 1], "v": [1, 1, 2], "i": [7, 8, 9], "t": [1, 2, 3]})
    pairs = count_pairs(events, item="i", session=["u", "v"], order=["t", "i"])
    assert isinstance(pairs, pl.LazyFrame)
    assert pairs.collect().rows() == [(7, 8, 1)]


def test_an_event_without_an_item_makes_no_pair() -> None:
    events = pl.DataFrame({"session": [1] * 4, "item": ["a", None, "b", "c"], "time": range(4)})
    assert count_pairs(events).rows() == [("b", "c", 1)]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"window": 0}, ValueError, "window=0"),
        ({"self_loops": "no"}, ValueError, "self_loops='no'"),
        ({"item": "sku"}, ValueError, "no column 'sku'"),
        ({"events": 3}, TypeError, "DuckDB, Dask or Spark; got int"),
        ({"events": pa.table({"item": [1]})}, TypeError, "polars.from_arrow"),
    ],
)
def test_what_cannot_be_counted(arguments: dict[str, Any], error: type, says: str) -> None:
    events = pl.DataFrame(columns_of([["a", "b"]]))
    with pytest.raises(error, match=says):
        count_pairs(**{"events": events, **arguments})


@pytest.mark.parametrize(
    ("columns", "vocabulary", "says"),
    [
        ({"item": ["a"], "other": ["b"]}, None, "'count' is not among its columns"),
        ({"item": ["a"], "other": ["b"], "count": [1]}, ["a"], "not hold, such as 'b'"),
        ({"item": ["a"], "other": ["b"], "count": [1.5]}, None, "whole numbers.*got 1.5"),
        ({"item": ["a"], "other": ["b"], "count": [-1]}, None, "at least 0, got -1"),
        ({"item": ["a"], "other": ["b"], "count": ["x"]}, None, "must be numbers"),
    ],
)
def test_what_is_no_table_of_pairs(
    columns: dict[str, list[Any]], vocabulary: list[str] | None, says: str
) -> None:
    known = None
    if vocabulary is not None:
        known = Vocabulary(vocabulary)
    with pytest.raises(ValueError, match=says):
        pair_graph(pl.DataFrame(columns), known)


def slow_sparsified(graph: np.ndarray, least: int, top: int) -> np.ndarray:
    kept = np.zeros_like(graph)
    for row, weights in enumerate(graph):
        others = [code for code in np.argsort(-weights, kind="stable") if code != row]
        for column in [code for code in others if weights[code] >= least][:top]:
            kept[row, column] = weights[column]
            kept[column, row] = weights[column]
        if weights[row] >= least:
            kept[row, row] = weights[row]
    return kept


@laws
@given(st.lists(st.integers(0, 4), min_size=36, max_size=36), st.integers(1, 4), st.integers(1, 4))
def test_edges_that_stay_are_heavy_and_among_the_heaviest(
    weights: list[int], least: int, top: int
) -> None:
    square = np.triu(np.reshape(weights, (6, 6)))
    dense = square + np.triu(square, 1).T
    graph = sparse.csr_array(dense)
    thin = sparsified(graph, min_count=least, top_neighbors=top)
    np.testing.assert_array_equal(thin.toarray(), slow_sparsified(dense, least, top))
    assert sparsified(graph) is graph
