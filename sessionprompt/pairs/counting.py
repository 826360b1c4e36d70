"""Counts of pairs of items that stand near each other, by the engine that holds the events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from scipy import sparse

from .._checks import check_choice, check_count
from ..graphs import item_graph, window_graph
from ..sessions import Sessions

__all__ = ["COLUMNS", "count_pairs"]

COLUMNS = ("item", "other", "count")


def count_pairs(
    events: Any,
    *,
    item: str = "item",
    session: str | Sequence[str] = "session",
    order: str | Sequence[str] = "time",
    window: int = 1,
    self_loops: str = "drop",
) -> Any:
    """Counts of how often two items stand at most `window` positions apart in a session.

    The engine of the table shifts the column of items within sessions, once for each distance, and
    counts; nothing is joined, and a lazy table stays lazy. Counts of parts of the events add up to
    those of all, as long as no session is torn apart.

    Parameters
    ----------
    events : table or Sessions
        A frame of pandas or polars, a LazyFrame of polars, a relation of DuckDB, a frame of Spark
        or Dask.
    item : str
        Column of the item ids. An event without one makes no pair.
    session : str or sequence of str
        Columns that tell sessions apart, such as the user and the number of the visit.
    order : str or sequence of str
        Columns that put the events of a session in order; give enough of them that no two events
        tie, since engines order those as they like.
    window : int, default=1
        Largest distance in positions, at least 1: neighbours alone.
    self_loops : {"drop", "keep"}, default="drop"
        What to do with pairs of an item and itself.

    Returns
    -------
    table or csr_array of shape (n_items, n_items)
        A table of the same engine with the columns ``item``, ``other`` and ``count``: each pair
        once, ``item`` not after ``other``. For `Sessions` the symmetric graph of their vocabulary's
        items; with ``window=1`` that of :func:`sessionprompt.graphs.item_graph`.

    Raises
    ------
    TypeError
        If `events` is no table.
    ValueError
        If `window` is below 1, `self_loops` is not known, or a column is not there.

    See Also
    --------
    pair_graph : The graph of such a table.
    sessionprompt.clustering.ItemClusterer.fit_graph : Clusters of it.

    Examples
    --------
    >>> import polars as pl
    >>> events = pl.LazyFrame({"session": [1, 1, 1, 2, 2], "item": list("abaca"), "time": range(5)})
    >>> count_pairs(events).collect().sort("item", "other").rows()
    [('a', 'b', 2), ('a', 'c', 1)]
    >>> count_pairs(Sessions.from_lists([list("aba"), list("ca")])).toarray()
    array([[0, 2, 1],
           [2, 0, 0],
           [1, 0, 0]])
    """
    check_count("window", window)
    check_choice("self_loops", self_loops, ("drop", "keep"))
    if isinstance(events, Sessions):
        return _graph_of(events, window, self_loops)
    frame = _opened(events)
    sessions = _names(session)
    orders = _names(order)
    _check_columns(frame, (item, *sessions, *orders))
    if frame.implementation.is_dask():  # whose windows know no order
        settings: dict[str, Any] = {"item": item, "session": sessions, "order": orders}
        settings |= {"window": window, "self_loops": self_loops}
        return _in_partitions(frame.to_native(), settings)
    ids = None
    if frame.implementation.is_pandas():
        frame, ids = _numbered(frame, item)
    near = [_at_distance(frame, item, sessions, orders, far) for far in range(1, window + 1)]
    pairs = nw.concat(near)
    if self_loops == "drop":
        pairs = pairs.filter(nw.col("item") != nw.col("other"))
    counts = pairs.group_by("item", "other").agg(nw.len().alias("count"))
    table = counts.with_columns(nw.col("count").cast(nw.Int64)).to_native()
    if ids is not None:
        numbers = {name: table[name].to_numpy(dtype=np.int64) for name in ("item", "other")}
        table = table.assign(**{name: ids.take(codes) for name, codes in numbers.items()})
    return table


def _graph_of(sessions: Sessions, window: int, self_loops: str) -> sparse.csr_array:
    """Symmetric graph of sessions; a pair of an item and itself counts once."""
    n_items = len(sessions.vocabulary)
    if window == 1:
        return item_graph(sessions.codes, sessions.offsets, n_items, self_loops=self_loops)
    graph = window_graph(sessions.codes, sessions.offsets, n_items, window)
    loops = graph.diagonal()  # each counted in both directions
    if self_loops == "keep":
        loops = loops // 2
    graph = graph - sparse.diags_array(loops, format="csr", dtype=graph.dtype)
    graph.eliminate_zeros()
    return graph


def _in_partitions(frame: Any, settings: dict[str, Any]) -> Any:
    """Counts of a frame of Dask: sessions are brought together, and each partition is counted."""
    whole = frame.shuffle(on=settings["session"])
    parts = whole.map_partitions(_of_partition, **settings)
    return parts.groupby(["item", "other"])["count"].sum().reset_index()


def _of_partition(part: Any, item: str, **settings: Any) -> Any:
    """Counts of a partition; of one without rows, which narwhals cannot shift, none."""
    if len(part):
        return count_pairs(part, item=item, **settings)
    none = part[item]
    return none.to_frame("item").assign(other=none, count=np.zeros(0, dtype=np.int64))


def _opened(events: Any) -> Any:
    """Table as narwhals reads it, lazy or not."""
    try:
        frame = nw.from_native(events)
    except TypeError as error:
        raise TypeError(
            "events must be Sessions or a table of pandas, polars, DuckDB, Dask or Spark; got "
            f"{type(events).__name__}."
        ) from error
    if frame.implementation.is_pyarrow():
        raise TypeError(
            "events must be a table of an engine that can shift columns within sessions, which "
            "pyarrow cannot; give polars.from_arrow(events) or duckdb.from_arrow(events)."
        )
    return frame


def _numbered(frame: Any, item: str) -> tuple[Any, Any]:
    """Table of pandas with numbers in place of integers or categories, and the items by number.

    A shift makes floats of integers, which hold such numbers but not every id; integers that can be
    missing come to the wrong rows, or break; categories have no order. Rows are numbered anew.
    Other items stay, with None.
    """
    table = frame.to_native().reset_index(drop=True)
    column = table[item]
    if column.dtype.kind not in "iu" and column.dtype != "category":
        return nw.from_native(table), None
    codes, ids = column.factorize(sort=True)
    return nw.from_native(table.assign(**{item: np.where(codes < 0, np.nan, codes)})), ids


def _names(columns: str | Sequence[str]) -> list[str]:
    if isinstance(columns, str):
        return [columns]
    return list(columns)


def _check_columns(frame: Any, wanted: Sequence[str]) -> None:
    """Raise a ValueError that names the columns there are if one is missing."""
    there = frame.collect_schema().names()
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ValueError(
            f"events have no column {missing[0]!r}; name one of {there} by item=, session= or "
            "order=."
        )


def _at_distance(
    frame: Any, item: str, session: Sequence[str], order: Sequence[str], distance: int
) -> Any:
    """Pairs at one distance, the lower id first; at the ends of sessions there are none."""
    later = nw.col(item).shift(-distance).over(*session, order_by=list(order))
    ends = frame.select(nw.col(item).alias("first"), later.alias("second"))
    ends = ends.filter(~nw.col("first").is_null(), ~nw.col("second").is_null())
    rising = nw.col("first") <= nw.col("second")
    return ends.select(
        nw.when(rising).then(nw.col("first")).otherwise(nw.col("second")).alias("item"),
        nw.when(rising).then(nw.col("second")).otherwise(nw.col("first")).alias("other"),
    )
