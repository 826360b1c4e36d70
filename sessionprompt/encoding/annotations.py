"""Annotations that prompts are made of: clusters of events, users and ids of sessions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..sessions import Sessions

__all__ = ["PROMPT_KINDS", "annotation", "annotator_fitted_on", "check_prompts", "labelled_by"]

PROMPT_KINDS = ("cluster", "user", "session")

MISSING = {
    "cluster": (
        "prompts=('cluster',) needs sessions annotated with clusters: put ItemClusterer() before "
        "the recommender in a Pipeline, pass X through its transform, or ask for the plain "
        "backbone with prompts=()."
    ),
    "user": (
        "prompts=('user',) needs sessions with users: name the column with "
        "Sessions.from_events(..., user=...) or pass Sessions.from_lists(..., users=...)."
    ),
}


def check_prompts(prompts: Any) -> tuple[str, ...]:
    """Known prompt kinds among `prompts`, in their fixed order.

    Parameters
    ----------
    prompts : str, iterable of str or None

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If a kind is not known.

    Examples
    --------
    >>> check_prompts(["user", "cluster"])
    ('cluster', 'user')
    """
    if isinstance(prompts, str):
        kinds: tuple[str, ...] = (prompts,)
    else:
        kinds = tuple(prompts or ())
    unknown = [kind for kind in kinds if kind not in PROMPT_KINDS]
    if unknown:
        raise ValueError(
            f"prompts={prompts!r} names {unknown[0]!r}; known prompts are {list(PROMPT_KINDS)}."
        )
    return tuple(kind for kind in PROMPT_KINDS if kind in kinds)


def annotation(sessions: Sessions, kind: str) -> np.ndarray:
    """Column of the sessions that a prompt kind reads.

    Parameters
    ----------
    sessions : Sessions
    kind : {"cluster", "user", "session"}

    Returns
    -------
    ndarray
        Labels of shape (n_events, n_columns), or users or ids of shape (n_sessions,).

    Raises
    ------
    ValueError
        If the sessions have no such column.

    Examples
    --------
    >>> annotation(Sessions.from_lists([["a", "b"], ["b"]], users=["ann", "bob"]), "user").tolist()
    ['ann', 'bob']
    """
    columns = {"cluster": sessions.labels, "user": sessions.users, "session": sessions.ids}
    column = columns[kind]
    if column is None:
        raise ValueError(MISSING[kind])
    return column


def labelled_by(sessions: Sessions, annotator: Any) -> Sessions:
    """Sessions with the labels that an annotator gives them, whatever labels they carry.

    Parameters
    ----------
    sessions : Sessions
    annotator : object
        Has ``label_events(sessions)``.

    Returns
    -------
    Sessions
    """
    bare = replace(sessions, labels=None, annotator=None)
    return bare.with_labels(annotator.label_events(bare), annotator)


def annotator_fitted_on(train: Sessions, seed: int) -> Any:
    """Annotator as sessions carry it, cloned and fitted on these alone; None if it cannot be.

    Parameters
    ----------
    train : Sessions
    seed : int
        Its random state, where it has one that is None: a fit that is taken up finds the same.
    """
    from sklearn.base import clone  # sessions alone need no scikit-learn

    annotator: Any = train.annotator
    if not hasattr(annotator, "fit") or not hasattr(annotator, "get_params"):
        return None
    fresh = clone(annotator)
    if fresh.get_params(deep=False).get("random_state", seed) is None:
        fresh.set_params(random_state=seed % 2**32)
    return fresh.fit(replace(train, labels=None, annotator=None))
