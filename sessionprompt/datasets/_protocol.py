"""The filter and the two splits of the CLIP-SBR paper."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..model_selection import temporal_train_test_split, within_session_split
from ..sessions import Sessions, as_sessions
from ._steps import check_choice, compact, filtered

__all__ = ["Split", "paper_filter", "split_protocol"]


class Split(NamedTuple):
    """Sessions to train on, to choose on and to test on."""

    train: Sessions
    valid: Sessions
    test: Sessions


def paper_filter(sessions: Sessions) -> Sessions:
    """Keep sessions of three events and more, then users with five sessions and more, once (arXiv 2410.04756).

    Parameters
    ----------
    sessions : Sessions
        With users.

    Returns
    -------
    Sessions
        Their `report` goes on with these steps; the vocabulary holds the items that are left.

    Raises
    ------
    ValueError
        If users are not known, or nothing is left.

    Examples
    --------
    >>> sessions = Sessions.from_lists([["a", "b", "c"]] * 5 + [["a", "d"]] * 9, users=["ann"] * 5 + ["bob"] * 9)
    >>> paper_filter(sessions).report
    step                 sessions  events  items  users  mean length
    start                      14      33      4      2         2.36
    min_length=3                5      15      3      1         3.00
    min_user_sessions=5         5      15      3      1         3.00
    """
    [kept] = compact(filtered(sessions, min_length=3, min_user_sessions=5))
    return kept


def split_protocol(sessions: Sessions | list[Any], protocol: str = "sessions") -> Split:
    """Split by one of the two protocols that go by the name of the CLIP-SBR paper.

    Parameters
    ----------
    sessions : Sessions or list of lists
    protocol : {"sessions", "within_session"}
        ``"sessions"`` is what the paper describes: the newest tenth of the sessions tests, the
        tenth before it validates, the rest trains. ``"within_session"`` is what its released code
        does and its figures rest on: the last events of every session test, see
        `model_selection.within_session_split` for what that leaks.

    Returns
    -------
    Split
        Named tuple ``(train, valid, test)``.

    Raises
    ------
    ValueError
        If the protocol is not known, or there are fewer than three sessions to split.

    Examples
    --------
    >>> split = split_protocol([["a", "b"]] * 10)
    >>> len(split.train), len(split.valid), len(split.test)
    (8, 1, 1)
    """
    check_choice("protocol", protocol, ("sessions", "within_session"))
    sessions = as_sessions(sessions, "sessions")
    if protocol == "within_session":
        return Split(*within_session_split(sessions))
    tenth = max(1, round(len(sessions) / 10))
    if len(sessions) < 3:
        raise ValueError(f"{len(sessions)} sessions cannot be split in three; give at least 3.")
    rest, test = temporal_train_test_split(sessions, test_size=tenth)
    return Split(*temporal_train_test_split(rest, test_size=tenth), test)
