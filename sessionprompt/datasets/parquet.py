"""Prepared sessions, as rows of a Parquet file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from ..sessions import Sessions, loaded_backend, read_ids, read_parquet, read_times

__all__ = ["load_parquet"]

COLUMNS = ("session_id", "pos", "item_id")
OPTIONAL = ("user_id", "ts")
ROW = "row of the file"
# places of the parts among those that are returned, by their names
PARTS = {"train": 0, "valid": 1, "validation": 1, "val": 1, "dev": 1, "test": 2}


def load_parquet(path: str | os.PathLike[str]) -> Any:
    """Load sessions from a Parquet file with one event per row.

    Parameters
    ----------
    path : path
        A file with the columns ``session_id``, ``pos`` (place in the session) and ``item_id``. It
        may have ``user_id`` (sessions of two users are two, whatever their ids), ``ts`` (time) and
        ``split`` (``train``, ``test`` and, if you like, ``valid``, ``validation``, ``val`` or
        ``dev``, the same for all rows of a session).

    Returns
    -------
    Sessions, or (train, test) or (train, valid, test) : tuple of Sessions
        The latter if the file has a column ``split``. Events are in the order of ``pos``. Sessions
        come in the order of their last events or, without times, of their ids.

    Raises
    ------
    FileNotFoundError
    TypeError
        If ``pos`` holds no numbers, or ``ts`` no times.
    ValueError
        If the file cannot be read, a column is not there, a value is missing, a place is taken
        twice, or a part is unknown or empty, or a session stands in two of them.

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
    frame = read_parquet(Path(path), loaded_backend())
    for name in COLUMNS:
        if name not in frame.columns:
            available = ", ".join(map(repr, frame.columns))
            raise ValueError(f"{path} has no column {name!r}; it has {available}.")
    columns = [name for name in (*COLUMNS, *OPTIONAL, "split") if name in frame.columns]
    owner = [name for name in ("session_id", "user_id") if name in columns]
    frame = frame.select(columns)
    _check_values(frame, str(path))
    rows = frame.with_row_index(ROW).sort(*owner, "pos")
    del frame  # as large as the rows
    follows = np.append(False, _equal_to_previous(rows, owner))
    _check_positions(rows, follows, str(path))
    if "split" not in columns:
        return _sessions(rows)
    parts = _parts(rows, follows, str(path))
    rows = rows.drop(ROW, "pos", "split")
    return tuple(_sessions(rows[np.flatnonzero(parts == part)]) for part in np.unique(parts))


def _check_values(frame: nw.DataFrame[Any], place: str) -> None:
    """Raise on the first value that is missing, and on positions that are no numbers."""
    for name in frame.columns:
        missing = frame[name].is_null().to_numpy()
        if missing.any():
            raise ValueError(
                f"{place}, row {int(missing.argmax())}: column {name!r} has a missing value; fill "
                "it in or remove the row."
            )
    if not frame["pos"].dtype.is_numeric() or np.isnan(frame["pos"].to_numpy()).any():
        raise TypeError(
            f"{place}: column 'pos' holds {frame['pos'].dtype}, not numbers alone; number the "
            "events of each session 0, 1, 2, ..."
        )


def _equal_to_previous(rows: nw.DataFrame[Any], names: Sequence[str]) -> NDArray[np.bool_]:
    """Mask of the rows but the first that hold what the row before holds in these columns."""
    columns = [rows[name].to_numpy() for name in names]
    equal = [column[1:] == column[:-1] for column in columns]
    return np.logical_and.reduce(equal)


def _check_positions(rows: nw.DataFrame[Any], follows: NDArray[np.bool_], place: str) -> None:
    """Raise if a session has two events at the same position."""
    is_taken = follows & np.append(False, _equal_to_previous(rows, ["pos"]))
    if is_taken.any():
        first, second = _rows_before_and_at(rows, is_taken)
        raise ValueError(
            f"{place}, rows {first} and {second}: a session has two events at the same 'pos'; "
            "number them 0, 1, 2, ..."
        )


def _rows_before_and_at(rows: nw.DataFrame[Any], marks: NDArray[np.bool_]) -> list[int]:
    """Rows of the file of the first mark and of the row before it."""
    at = int(marks.argmax())
    return rows[ROW].to_numpy()[at - 1 : at + 1].tolist()


def _parts(rows: nw.DataFrame[Any], follows: NDArray[np.bool_], place: str) -> NDArray[Any]:
    """Place of the part of each row among those that are returned, shape (n_events,)."""
    split = read_ids(rows["split"])
    found = split.ids.tolist()
    if not {"train", "test"} <= set(found) <= set(PARTS):
        raise ValueError(
            f"column 'split' of {place} holds {sorted(found, key=str)}; it must hold 'train' "
            "and 'test', and may hold 'valid'."
        )
    parts = np.array([PARTS[name] for name in found], dtype=np.int8)[split.codes]
    changes = follows & np.append(False, parts[1:] != parts[:-1])
    if changes.any():
        first, second = _rows_before_and_at(rows, changes)
        raise ValueError(
            f"{place}, rows {first} and {second}: a session stands in two parts, "
            "but 'split' must be the same for all of its rows."
        )
    return parts


def _sessions(rows: nw.DataFrame[Any]) -> Sessions:
    """Sessions of rows, in the order of the rows."""
    user = None
    if "user_id" in rows.columns:
        user = "user_id"
    sessions = Sessions.from_events(rows, item="item_id", session="session_id", user=user)
    if "ts" not in rows.columns:
        return sessions
    times = read_times(rows["ts"])
    by_end = np.argsort(times[sessions.offsets[1:] - 1], kind="stable")
    timed = replace(sessions, event_times=times)[by_end]
    return replace(timed, report=sessions.report)
