"""The filter and the two splits of the CLIP-SBR paper."""

from __future__ import annotations

from typing import Any, NamedTuple

from .._checks import check_choice
from ..model_selection import temporal_train_test_split, within_session_split
from ..sessions import Sessions, as_sessions
from .steps import compact, filtered

__all__ = ["Split", "paper_filter", "split_protocol"]


class Split(NamedTuple):
    """Sessions to train on, to choose on and to test on."""

    train: Sessions
    valid: Sessions
    test: Sessions


def paper_filter(sessions: Sessions) -> Sessions:
    """Sessions of three events and more, of users with five of them and more.

    This is the filter of the CLIP-SBR paper (arXiv 2410.04756): first sessions, then users, once.

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
    >>> lists = [["a", "b", "c"]] * 5 + [["a", "d"]] * 9
    >>> sessions = Sessions.from_lists(lists, users=["ann"] * 5 + ["bob"] * 9)
    >>> paper_filter(sessions).report
    step                 sessions  events  items  users  mean length
    start                      14      33      4      2         2.36
    min_length=3                5      15      3      1         3.00
    min_user_sessions=5         5      15      3      1         3.00
    """
    [kept] = compact(filtered(sessions, min_length=3, min_user_sessions=5))
    return kept


def split_protocol(sessions: Sessions | list[Any], protocol: str = "sessions") -> Split:
    """Parts of one of the two splits that go by the name of the CLIP-SBR paper.

    Parameters
    ----------
    sessions : Sessions or list of lists
    protocol : {"sessions", "within_session"}
        ``"sessions"`` follows the paper: the newest tenth of the sessions tests, the tenth before
        it validates, the rest trains. ``"within_session"`` follows its released code, on which its
        figures rest: the last events of every session test, and training knows the rest of the
        session, see :func:`~sessionprompt.model_selection.within_session_split`.

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
