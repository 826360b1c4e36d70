"""Reddit: comments of users, with subreddits as items."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .._checks import check_choice, check_count
from ..sessions import Sessions
from .kinds import SECONDS, TEXT
from .raw import RawLog
from .steps import (
    cut_sessions,
    filtered,
    finished,
    newest_last,
    rows_step,
    split_long,
    without_repeats,
)

__all__ = ["load_reddit"]

SOURCE = (
    "It is reddit_data.csv of 'Subreddit Interactions for 25,000 Users', "
    "https://www.kaggle.com/datasets/colemaclean/subreddit-interactions (columns username, "
    "subreddit, utc)."
)
USER = ("username", "user", "user_id")
TIME = ("utc", "utc_stamp", "utc-stamp", "timestamp", "created_utc")


def load_reddit(
    path: str | os.PathLike[str],
    *,
    gap: str = "60min",
    repeats: str = "keep",
    max_length: int | None = None,
) -> Sessions:
    r"""Load comments as (user, subreddit, time), with subreddits as items.

    Ruocco et al. (DLRS 2017) and papers after them also remove immediate repeats, drop sessions of
    forty events and more, and cut the others into pieces of twenty::

        sessions = load_reddit(path, repeats="drop", max_length=20)

    Parameters
    ----------
    path : path
        ``reddit_data.csv``, plain or ending in ``.gz``. The user column may also be called user or
        user_id, the time column utc_stamp, utc-stamp, timestamp or created_utc; times are seconds
        since 1970.
    gap : str
        The silence that ends a session.
    repeats : {"keep", "drop"}
        Whether comments in the same subreddit as just before stay.
    max_length : int, optional
        Drop sessions of twice this length and more, and of one event; cut the others into pieces.

    Returns
    -------
    Sessions
        With users, times (UTC) and a `report` of all steps.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is not such a log, or a parameter is not possible.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "reddit_data.csv")
    >>> lines = ["username,subreddit,utc", "ann,aww,1482748617.0", "ann,aww,1482748600.0"]
    >>> lines += ["ann,pics,1482752217.0"]
    >>> _ = path.write_text("\n".join(lines))
    >>> load_reddit(path, repeats="drop").to_lists()
    [['aww', 'pics']]
    """
    check_choice("repeats", repeats, ("keep", "drop"))
    if max_length is not None:
        check_count("max_length", max_length, 2)
    log = RawLog(Path(path), SOURCE)
    fields = log.fields()
    user = _first_present(USER, fields)
    time = _first_present(TIME, fields)
    rows = log.read({user: TEXT, "subreddit": TEXT, time: SECONDS})
    report = [rows_step("rows read", rows)]
    columns = {"item": "subreddit", "user": user, "time": time}
    sessions = cut_sessions(newest_last(rows), report, f"gap={gap}", gap=gap, **columns)
    if repeats == "drop":
        sessions = without_repeats(sessions)
    if max_length is not None:
        pieces = split_long(filtered(sessions, min_length=2), max_length)
        sessions = filtered(pieces, min_length=2)
    return finished(sessions)


def _first_present(names: Sequence[str], fields: Sequence[str]) -> str:
    """First of the names that is a field, else the usual name."""
    for name in names:
        if name in fields:
            return name
    return names[0]
