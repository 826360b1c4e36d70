"""Values of attributes of events, as a model has learned them."""

from __future__ import annotations

import warnings

import numpy as np

from ..sessions import Sessions
from ..vocabulary import Vocabulary
from .annotations import attribute_kinds, event_attribute

__all__ = ["event_codes", "event_values"]


def event_values(sessions: Sessions, prompts: tuple[str, ...]) -> dict[str, Vocabulary]:
    """Values of those prompt kinds that are attributes of the events of training sessions.

    A warning tells of one that has the same value everywhere.
    """
    known = {}
    for kind in attribute_kinds(prompts):
        attribute = event_attribute(sessions, kind)
        if attribute is None:
            continue
        occurring = np.unique(attribute.codes[attribute.codes >= 0])
        if len(occurring) == 1:
            warnings.warn(
                f"prompts names {kind!r}, and all events have the value "
                f"{attribute.values[occurring[0]]!r}; it tells none of them apart.",
                stacklevel=2,
            )
        known[kind] = Vocabulary.from_values(attribute.values[occurring], name=kind)[0]
    return known


def event_codes(sessions: Sessions, kind: str, known: Vocabulary) -> np.ndarray:
    """Code of each event's value, (n_events, 1); -1 where it is unknown, or sessions have none."""
    attribute = event_attribute(sessions, kind)
    if attribute is None:
        return np.full((sessions.n_events, 1), -1, dtype=np.int64)
    return attribute.numbered(known)[:, None]
