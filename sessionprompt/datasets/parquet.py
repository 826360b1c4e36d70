"""Prepared sessions, as rows of a Parquet file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from ..sessions import Sessions, read_frame

__all__ = ["load_parquet"]

COLUMNS = ("session_id", "pos", "item_id")
OPTIONAL = ("user_id", "ts")
PARTS = ["train", "test"]


def load_parquet(path: str | os.PathLike[str]) -> Any:
    """Load sessions from a Parquet file with one event per row.

    Parameters
    ----------
    path : path
        A file with the columns ``session_id``, ``pos`` (place in the session) and ``item_id``. It
        may have ``user_id``, ``ts`` (time) and ``split`` (``train`` or ``test``, the same for all
        rows of a session).

    Returns
    -------
    Sessions, or (train, test) : tuple of Sessions
        The latter if the file has a column ``split``. Events are in the order of ``pos``. Sessions
        come in the order of their last events or, without times, of their ids.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file cannot be read, a column is not there, a place is taken twice, or a part is
        unknown or empty.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"session_id": [1, 1, 0], "pos": [1, 0, 0], "item_id": [7, 8, 9]})
    >>> path = pathlib.Path(tempfile.mkdtemp(), "log.parquet")
    >>> rows.to_parquet(path)
    >>> load_parquet(path).to_lists()
    [[9], [8, 7]]
    """
    frame = read_frame(Path(path))
    for name in COLUMNS:
        if name not in frame.columns:
            available = ", ".join(map(repr, frame.columns))
            raise ValueError(f"{path} has no column {name!r}; it has {available}.")
    if "split" not in frame.columns:
        return _sessions(frame, str(path))
    parts = frame["split"].unique().to_list()
    if set(parts) != set(PARTS):
        raise ValueError(
            f"column 'split' of {path} holds {parts}; it must hold 'train' and 'test'."
        )
    return tuple(
        _sessions(frame.filter(nw.col("split") == part), f"{path}, split {part!r}")
        for part in PARTS
    )


def _sessions(frame: nw.DataFrame[Any], place: str) -> Sessions:
    columns = [name for name in (*COLUMNS, *OPTIONAL) if name in frame.columns]
    user = None
    owner = ["session_id"]
    if "user_id" in columns:
        user = "user_id"
        owner = ["session_id", "user_id"]
    rows = frame.select(columns).sort(*owner, "pos")
    # in the order of the rows
    sessions = Sessions.from_events(rows, item="item_id", session="session_id", user=user)
    _check_positions(rows["pos"].to_numpy(), sessions, place)
    if "ts" not in columns:
        return sessions
    times = rows["ts"].to_numpy()
    by_end = np.argsort(times[sessions.offsets[1:] - 1], kind="stable")
    timed = replace(sessions, event_times=times)[by_end]
    return replace(timed, report=sessions.report)


def _check_positions(positions: NDArray[Any], sessions: Sessions, place: str) -> None:
    """Raise if a session has two events at the same position."""
    is_taken = np.diff(positions) == 0
    is_taken[sessions.offsets[1:-1] - 1] = False
    if is_taken.any():
        raise ValueError(
            f"{place}: a session has two events at the same 'pos'; number them 0, 1, 2, ..."
        )
