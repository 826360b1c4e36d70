"""Annotations that prompts are made of: clusters, users and ids of sessions, attributes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..sessions import EventAttribute, Sessions

__all__ = [
    "PROMPT_KINDS",
    "annotation",
    "annotator_fitted_on",
    "attribute_kinds",
    "check_prompts",
    "describer_of",
    "event_attribute",
    "labelled_by",
]

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
    """Prompt kinds once each: the known ones in their fixed order, then attributes as they come.

    Parameters
    ----------
    prompts : str, iterable of str or None
        Whether there are attributes of these names shows when sessions are read.

    Returns
    -------
    tuple of str

    Raises
    ------
    TypeError
        If a kind is no string.
    ValueError
        If a kind is called as the items are.

    Examples
    --------
    >>> check_prompts(["user", "brand", "cluster"])
    ('cluster', 'user', 'brand')
    """
    if isinstance(prompts, str):
        kinds: tuple[str, ...] = (prompts,)
    else:
        kinds = tuple(prompts or ())
    for kind in kinds:
        if not isinstance(kind, str):
            raise TypeError(f"prompts={prompts!r} names {kind!r}; kinds of prompts are strings.")
        if kind == "item":
            raise ValueError(
                f"prompts={prompts!r} names 'item'; known prompts are {list(PROMPT_KINDS)} and the "
                "columns of an ItemAttributes."
            )
    fixed = tuple(kind for kind in PROMPT_KINDS if kind in kinds)
    return fixed + attribute_kinds(kinds)


def attribute_kinds(prompts: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some prompt kinds that are attributes, once each.

    Parameters
    ----------
    prompts : tuple of str
    """
    return tuple(dict.fromkeys(kind for kind in prompts if kind not in PROMPT_KINDS))


def describer_of(sessions: Sessions, kind: str) -> Any:
    """What knows an attribute of the items of some sessions.

    Parameters
    ----------
    sessions : Sessions
    kind : str

    Returns
    -------
    ItemAttributes

    Raises
    ------
    ValueError
        If nothing does.
    """
    known = [name for describer in sessions.item_attributes for name in describer.kinds_]
    for describer in sessions.item_attributes:
        if kind in describer.kinds_:
            return describer
    raise ValueError(
        f"prompts names {kind!r}, and the sessions know no attribute of that name (they know "
        f"{known}; other known prompts are {list(PROMPT_KINDS)}): put "
        f"ItemAttributes(items, columns=[{kind!r}]) before the recommender in a Pipeline, or read "
        f"it of the events, Sessions.from_events(..., attributes=[{kind!r}])."
    )


def event_attribute(sessions: Sessions, kind: str) -> EventAttribute | None:
    """Attribute of the events of some sessions that has this name, or None.

    Parameters
    ----------
    sessions : Sessions
    kind : str

    Raises
    ------
    ValueError
        If the items have an attribute of this name, too.
    """
    for attribute in sessions.event_attributes:
        if attribute.name == kind:
            if any(kind in describer.kinds_ for describer in sessions.item_attributes):
                raise ValueError(
                    f"prompts names {kind!r}, an attribute of the events and one of the items; "
                    "rename one of the columns."
                )
            return attribute
    return None


def annotation(sessions: Sessions, kind: str) -> Any:
    """Column of the sessions that a prompt kind reads.

    Parameters
    ----------
    sessions : Sessions
    kind : {"cluster", "user", "session"} or the name of an attribute

    Returns
    -------
    ndarray
        Labels of shape (n_events, n_columns), or users or ids of shape (n_sessions,); for an
        attribute what knows it.

    Raises
    ------
    ValueError
        If the sessions have no such column.

    Examples
    --------
    >>> annotation(Sessions.from_lists([["a", "b"], ["b"]], users=["ann", "bob"]), "user").tolist()
    ['ann', 'bob']
    """
    if kind not in PROMPT_KINDS:
        return event_attribute(sessions, kind) or describer_of(sessions, kind)
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
