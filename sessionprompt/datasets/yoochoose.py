"""Yoochoose: clicks in an online shop, from the RecSys Challenge 2015."""

from __future__ import annotations

import os
from pathlib import Path

from ..sessions import Sessions
from .kinds import UTC_MILLISECONDS, WHOLE
from .raw import RawLog
from .steps import compact, cut_sessions, keep_newest_pairs, rows_step, sr_gnn_split

__all__ = ["load_yoochoose"]

SOURCE = (
    "It is yoochoose-clicks.dat of the RecSys Challenge 2015 "
    "(http://2015.recsyschallenge.com/challenge.html), commas between session, time, item and "
    "category, without a header."
)
NAMES = ("session", "time", "item", "category")


def load_yoochoose(
    path: str | os.PathLike[str],
    *,
    fraction: float = 1 / 64,
    min_item_support: int = 5,
    test_days: int = 1,
) -> tuple[Sessions, Sessions]:
    r"""Load the clicks of the RecSys Challenge 2015 and split them as SR-GNN (Wu et al. 2019) does.

    Clicks are in the order of their milliseconds. Sessions of one event go, then items with fewer
    than five events, then what has become sessions of one event. Sessions of the last day, counted
    in whole seconds, test; items that the whole training part lacks leave
    them, and those of one event go again. Of training the newest share of the (prefix, target)
    pairs stays, so with a fraction some test items have no training example: 369 of the usual 1/64.

    Parameters
    ----------
    path : path
        ``yoochoose-clicks.dat``, plain or ending in ``.gz``; a header is skipped.
    fraction : float
        Newest share of the training pairs, ``1 / 64`` and ``1 / 4`` in the literature. Where it
        ends within a session, the pairs with the shorter prefixes stay, so that session is cut to
        its first events.
    min_item_support : int
        Events that an item needs.
    test_days : int
        Length of the test part.

    Returns
    -------
    (train, test) : tuple of Sessions
        With one vocabulary, times (milliseconds, UTC) and a `report` of all steps each.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is not such a log, `fraction` is no share, or a part would be empty.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "yoochoose-clicks.dat")
    >>> lines = ["1,2014-04-07T10:51:09.277Z,214536502,0"]
    >>> lines += ["1,2014-04-07T10:54:09.868Z,214536500,0"]
    >>> lines += ["2,2014-04-09T13:56:37.614Z,214536500,0"]
    >>> lines += ["2,2014-04-09T13:57:19.373Z,214536502,S"]
    >>> _ = path.write_text("\n".join(lines))
    >>> train, test = load_yoochoose(path, fraction=1, min_item_support=1)
    >>> train.to_lists(), test.to_lists()
    ([[214536502, 214536500]], [[214536500, 214536502]])
    """
    log = RawLog(Path(path), SOURCE, names=NAMES)
    has_header = not log.fields()[0].isdigit()
    rows = log.read({"session": WHOLE, "time": UTC_MILLISECONDS, "item": WHOLE}, header=has_header)
    report = [rows_step("rows read", rows)]
    sessions = cut_sessions(rows, report, "sessions", item="item", session="session", time="time")
    train, test = sr_gnn_split(sessions, min_item_support, test_days)
    train, test = compact(keep_newest_pairs(train, fraction), test)
    return train, test
