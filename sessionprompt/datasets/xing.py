"""Xing: interactions of users with job postings, from the RecSys Challenge 2016."""

from __future__ import annotations

import os
from pathlib import Path

import narwhals as nw
import numpy as np

from .._checks import check_count
from ..sessions import Sessions
from ..vocabulary import Vocabulary
from .kinds import SECONDS, WHOLE
from .raw import RawLog
from .steps import (
    counted,
    cut_sessions,
    filtered,
    finished,
    first_of_each,
    keep_events,
    rows_step,
    untagged,
)

__all__ = ["load_xing"]

SOURCE = (
    "It is interactions.csv of the RecSys Challenge 2016 "
    "(https://github.com/recsyschallenge/2016), which XING gave to the participants: "
    "tab-separated, with the columns user_id, item_id, interaction_type, created_at."
)
DELETE = 4  # and 1 to 3 are click, bookmark and reply


def load_xing(
    path: str | os.PathLike[str],
    *,
    gap: str = "30min",
    min_item_support: int = 20,
    min_length: int = 3,
    min_user_sessions: int = 5,
    max_user_sessions: int | None = 199,
) -> Sessions:
    r"""Load the interactions of the RecSys Challenge 2016 as Quadrana et al. (2017) do.

    Interactions of type 4 (the user deleted a recommendation) are left out, the others cut into
    sessions at pauses of more than half an hour; of interactions of one type with one item in a
    session the first stays. Then rare items, short sessions, and users with too few or too many
    sessions go, once and in this order. The bounds and the rule for repeats are those of the
    released code of the paper (RecSys 2017, arXiv 1706.04148).

    Parameters
    ----------
    path : path
        ``interactions.csv``, plain or ending in ``.gz``.
    gap : str
        The silence that ends a session.
    min_item_support, min_length, min_user_sessions : int
        As in `Sessions.filter`.
    max_user_sessions : int, optional
        Leave out users with more sessions than this.

    Returns
    -------
    Sessions
        With users, times (UTC) and a `report` of all steps.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is not such a log, or nothing is left.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "interactions.csv")
    >>> lines = ["user_id\titem_id\tinteraction_type\tcreated_at"]
    >>> lines += ["7\t30\t1\t1446336000", "7\t30\t1\t1446336010"]  # the same click twice
    >>> lines += ["7\t30\t2\t1446336020", "7\t8\t4\t1446336030"]  # a bookmark, a deletion
    >>> _ = path.write_text("\n".join(lines))
    >>> sessions = load_xing(path, min_item_support=1, min_length=1, min_user_sessions=1)
    >>> sessions.to_lists()
    [[30, 30]]
    """
    if max_user_sessions is not None:
        check_count("max_user_sessions", max_user_sessions)
    columns = {"user_id": WHOLE, "item_id": WHOLE, "interaction_type": WHOLE, "created_at": SECONDS}
    rows = RawLog(Path(path), SOURCE, separator="\t").read(columns)
    report = [rows_step("rows read", rows)]
    if not rows["interaction_type"].is_between(1, DELETE).all():
        raise ValueError(
            f"column 'interaction_type' of {path} must hold types 1 to {DELETE}. {SOURCE}"
        )
    rows = rows.filter(nw.col("interaction_type") != DELETE)
    report.append(rows_step("not deleted", rows))
    tagged = rows.with_columns(tagged=nw.col("item_id") * DELETE + nw.col("interaction_type"))
    made = cut_sessions(
        tagged, report, f"gap={gap}", item="tagged", user="user_id", time="created_at", gap=gap
    )
    sessions, types = untagged(made, DELETE)
    sessions = keep_events(sessions, first_of_each(sessions, types), "first of its type and item")
    sessions = filtered(
        sessions,
        min_item_support=min_item_support,
        min_length=min_length,
        min_user_sessions=min_user_sessions,
    )
    if max_user_sessions is not None:
        sessions = _without_busy_users(sessions, max_user_sessions)
    return finished(sessions)


def _without_busy_users(sessions: Sessions, max_user_sessions: int) -> Sessions:
    assert sessions.users is not None
    users = Vocabulary.from_values(sessions.users)[1]
    kept = sessions[np.bincount(users)[users] <= max_user_sessions]
    return counted(kept, f"max_user_sessions={max_user_sessions}", sessions.report)
