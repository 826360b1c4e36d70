"""RetailRocket: views, carts and purchases in an online shop."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from .._arrays import stable_order
from ..sessions import Sessions
from .kinds import MILLISECONDS, TEXT, WHOLE
from .raw import RawLog
from .steps import cut_sessions, finished, keep_events, rows_step, support_filter, untagged

__all__ = ["load_retailrocket"]

SOURCE = (
    "It is events.csv of 'Retailrocket recommender system dataset', "
    "https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset."
)
EVENTS = ("view", "addtocart", "transaction")


def load_retailrocket(
    path: str | os.PathLike[str],
    *,
    events: Sequence[str] = ("view",),
    gap: str = "30min",
    min_item_support: int = 5,
) -> Sessions:
    r"""Load the events of the Retailrocket data set as session-rec does.

    The preparation is that of Ludewig and Jannach (2018): times are cut to whole seconds, and
    pauses of more than half an hour between any two events of a visitor end a session; then the
    wanted kinds of events stay, and sessions of one event, items with fewer than five, and what has
    become sessions of one event go. Events of one second are in the order of their milliseconds.

    Parameters
    ----------
    path : path
        ``events.csv``, plain or ending in ``.gz``.
    events : sequence of {"view", "addtocart", "transaction"}
        Kinds of events to keep.
    gap : str
        The silence that ends a session.
    min_item_support : int
        Events that an item needs.

    Returns
    -------
    Sessions
        With users (the visitors), times (whole seconds, UTC) and a `report` of all steps.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is not such a log, or a parameter is not possible.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "events.csv")
    >>> lines = ["timestamp,visitorid,event,itemid,transactionid"]
    >>> lines += ["1433221332117,257597,view,355908,"]
    >>> lines += ["1433221342117,257597,addtocart,355908,", "1433221352117,257597,view,248676,"]
    >>> _ = path.write_text("\n".join(lines))
    >>> load_retailrocket(path, min_item_support=1).to_lists()
    [[355908, 248676]]
    """
    if isinstance(events, str) or not events or not set(events) <= set(EVENTS):
        known = ", ".join(map(repr, EVENTS))
        raise ValueError(f"events={events!r} must be a list of some of {known}.")
    columns = {"visitorid": WHOLE, "itemid": WHOLE, "event": TEXT, "timestamp": MILLISECONDS}
    rows = RawLog(Path(path), SOURCE).read(columns)
    report = [rows_step("rows read", rows)]
    wanted = nw.col("event").is_in(list(events)).cast(nw.Int64())
    tagged = _to_seconds(rows).with_columns(tagged=nw.col("itemid") * 2 + wanted)
    made = cut_sessions(
        tagged, report, f"gap={gap}", item="tagged", user="visitorid", time="timestamp", gap=gap
    )
    sessions, is_wanted = untagged(made, 2)
    kept = keep_events(sessions, is_wanted.astype(np.bool_), "events=" + ",".join(events))
    return finished(support_filter(kept, min_item_support))


def _to_seconds(rows: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Rows with whole seconds; those of a visitor and a second are put in order of milliseconds."""
    visitors = rows["visitorid"].to_numpy()
    times = rows["timestamp"].to_numpy()
    seconds = times.astype("datetime64[s]").astype(times.dtype)
    order = np.empty(len(rows), dtype=np.int64)
    order[stable_order(seconds, visitors)] = stable_order(times, visitors)
    return rows[order].with_columns(nw.col("timestamp").dt.truncate("1s"))
