"""Columns of recommendations, and the sessions that are answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._checks import check_choice
from ..sessions import Sessions
from ..tables import Titles, titles_of
from ..vocabulary import Vocabulary

__all__ = ["answered_rows", "owner_columns", "recommended_columns"]


def answered_rows(sessions: Sessions, per: str) -> np.ndarray:
    """Rows of the sessions that are answered: all of them, or the newest of each user.

    Parameters
    ----------
    sessions : Sessions
    per : {"session", "user"}

    Returns
    -------
    ndarray of int
        Rising.

    Raises
    ------
    ValueError
        If `per` is neither, or users are not known.

    Examples
    --------
    >>> log = Sessions.from_lists([["tea"], ["cup"], ["pot"]], users=["ann", "bob", "ann"])
    >>> answered_rows(log, "user")
    array([1, 2])
    """
    check_choice("per", per, ("session", "user"))
    rows = np.arange(len(sessions))
    if per == "session":
        return rows
    if sessions.users is None:
        raise ValueError(
            "per='user' needs users, and X has none; name them with users= or user=, or use "
            "per='session'."
        )
    if sessions.times is not None:
        rows = np.argsort(sessions.times, kind="stable")
    users, owners = Vocabulary.from_values(sessions.users, name="user")
    newest = np.empty(len(users), dtype=np.int64)
    newest[owners[rows]] = rows  # the last one stays
    return np.sort(newest)


def owner_columns(sessions: Sessions) -> dict[str, np.ndarray]:
    """Ids of sessions, and of their users where known, by the name of their column."""
    if sessions.users is None:
        return {"session": sessions.ids}
    return {"session": sessions.ids, "user": sessions.users}


def recommended_columns(
    owners: Mapping[str, np.ndarray],
    items: np.ndarray,
    scores: np.ndarray,
    titles: Titles | None = None,
    known: np.ndarray | None = None,
) -> dict[str, Any]:
    """Columns of a table with one row per recommended item.

    Parameters
    ----------
    owners : mapping of str to ndarray of shape (n_sessions,)
        Columns that say for whom a row is.
    items : ndarray of shape (n_sessions, k)
    scores : ndarray of shape (n_sessions, k)
        Minus infinity where a list is shorter than k.
    titles : mapping of id to title, pandas Series, or table, optional
    known : ndarray of shape (n_items,), optional
        Ids of all items that the model knows.

    Returns
    -------
    dict of str to ndarray or list
        The owners, ``rank`` from 1, ``item``, ``title`` if there are titles, and ``score``.
    """
    row, place = np.nonzero(scores > -np.inf)
    columns: dict[str, Any] = {name: column[row] for name, column in owners.items()}
    columns["rank"] = place + 1
    columns["item"] = items[row, place]
    if titles is not None:
        columns["title"] = titles_of(columns["item"], titles, known)
    columns["score"] = scores[row, place]
    return columns
