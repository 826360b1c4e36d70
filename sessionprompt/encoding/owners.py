"""Ids of users and sessions by which a model knows them again."""

from __future__ import annotations

import numpy as np

from ..sessions import Sessions
from ..vocabulary import Vocabulary
from .annotations import annotation

__all__ = ["OWNERS", "joined_numberings", "learned_owners", "owner_codes"]

OWNERS = ("user", "session")  # kinds of prompts that a session has as a whole
NUMBERS = 1 << 40  # more sessions than one container numbers


def joined_numberings(sessions: Sessions, known: tuple[str, ...] | None) -> tuple[str, ...]:
    """Tokens of the containers that numbered the sessions of a model, in the order of learning.

    Parameters
    ----------
    sessions : Sessions
        New training sessions.
    known : tuple of str or None
        Tokens so far, none of them if sessions have names; None for a new model.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If some sessions have names and others are only numbered.
    """
    if sessions.numbering is None:
        own: tuple[str, ...] = ()
    else:
        own = (sessions.numbering.token,)
    if known is None:
        return own
    if bool(known) != bool(own):
        raise ValueError(
            "prompts=('session',): ids that name the sessions and numbers by default do not go "
            "together; give ids to all training sessions, or to none of them."
        )
    return tuple(dict.fromkeys(known + own))


def learned_owners(sessions: Sessions, kind: str, numberings: tuple[str, ...]) -> Vocabulary:
    """Users, or sessions, of training sessions, each once."""
    return Vocabulary.from_values(_keys(sessions, kind, numberings), name=kind)[0]


def owner_codes(
    sessions: Sessions, kind: str, owners: Vocabulary, numberings: tuple[str, ...]
) -> np.ndarray:
    """Code of each session's owner, -1 where it is unknown; shape (n_sessions,), int64.

    Sessions that are numbered by default are known only in the container that was learned from, or
    cut from it: the same numbers elsewhere stand for other sessions.
    """
    unknown = np.full(len(sessions), -1, np.int64)
    if kind == "session" and not _comparable(sessions, numberings):
        return unknown
    try:
        codes = owners.encode(_keys(sessions, kind, numberings), name=kind)
    except TypeError:
        if kind == "user":
            raise
        return unknown  # other kinds of names
    return codes.astype(np.int64)


def _comparable(sessions: Sessions, numberings: tuple[str, ...]) -> bool:
    """Whether the ids of sessions can be among those known."""
    if sessions.numbering is None:
        return not numberings
    return sessions.numbering.token in numberings


def _keys(sessions: Sessions, kind: str, numberings: tuple[str, ...]) -> np.ndarray:
    """Ids of owners; numbers by default are moved apart by container."""
    ids = annotation(sessions, kind)
    if kind == "user" or sessions.numbering is None:
        return ids
    return ids + numberings.index(sessions.numbering.token) * NUMBERS
