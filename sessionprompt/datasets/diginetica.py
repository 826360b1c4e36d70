"""Diginetica: item views of an online shop, from the CIKM Cup 2016."""

from __future__ import annotations

import os
from pathlib import Path

import narwhals as nw

from ..sessions import Sessions
from .kinds import DAY, WHOLE
from .raw import RawLog
from .steps import compact, cut_sessions, rows_step, sr_gnn_split

__all__ = ["load_diginetica"]

SOURCE = (
    "It is train-item-views.csv of the CIKM Cup 2016, track 2 "
    "(https://competitions.codalab.org/competitions/11161), separated by semicolons, with the "
    "columns sessionId, userId, itemId, timeframe, eventdate."
)


def load_diginetica(
    path: str | os.PathLike[str], *, min_item_support: int = 5, test_days: int = 7
) -> tuple[Sessions, Sessions]:
    r"""Load the item views of the CIKM Cup 2016 and split them as SR-GNN (Wu et al. 2019) does.

    Sessions of one event go, then items with fewer than five events, then what has become sessions
    of one event. Sessions of the last seven days test; a session that ends on the very day of the
    cut belongs to neither part, as in the published counts. Items that training lacks leave the
    test sessions, and those of one event go again.

    The log knows the day of an event and its milliseconds since the session began: the latter order
    the events, the former is their time. Most users are ``NA``, so they are not read.

    Parameters
    ----------
    path : path
        ``train-item-views.csv``, plain or ending in ``.gz``.
    min_item_support : int
        Events that an item needs.
    test_days : int
        Length of the test part.

    Returns
    -------
    (train, test) : tuple of Sessions
        With one vocabulary, times (days, UTC) and a `report` of all steps each.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is not such a log, or a part would be empty.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "train-item-views.csv")
    >>> lines = ["sessionId;userId;itemId;timeframe;eventdate"]
    >>> lines += ["1;NA;81766;526309;2016-05-09", "1;NA;31331;1031018;2016-05-09"]
    >>> lines += ["2;NA;31331;0;2016-05-31", "2;NA;81766;5;2016-05-31"]
    >>> _ = path.write_text("\n".join(lines))
    >>> train, test = load_diginetica(path, min_item_support=1)
    >>> train.to_lists(), test.to_lists()
    ([[81766, 31331]], [[31331, 81766]])
    """
    columns = {"sessionId": WHOLE, "itemId": WHOLE, "timeframe": WHOLE, "eventdate": DAY}
    rows = RawLog(Path(path), SOURCE, separator=";").read(columns)
    report = [rows_step("rows read", rows)]
    rows = rows.with_row_index("row").with_columns(first=nw.col("row").min().over("sessionId"))
    # sessions as they appear in the log, which settles ties between them
    rows = rows.sort("first", "timeframe", "row")
    sessions = cut_sessions(
        rows, report, "sessions", item="itemId", session="sessionId", time="eventdate"
    )
    train, test = sr_gnn_split(sessions, min_item_support, test_days)
    train, test = compact(train, test)
    return train, test
