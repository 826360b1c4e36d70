"""Targets: the events that a model is to predict, where the others are context alone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .event_attributes import EventAttribute

__all__ = ["target_columns", "target_mask"]

SHOWN = 10  # values that an error names


def target_columns(targets: Any) -> list[str]:
    """Attributes of events by which targets are told; none where they are masks."""
    if isinstance(targets, Mapping):
        return list(targets)
    return []


def target_mask(
    targets: Any, attributes: Sequence[EventAttribute], n_events: int
) -> NDArray[np.bool_] | None:
    """Mark the events that are targets, (n_events,); None where all of them are.

    Parameters
    ----------
    targets : dict of str to values, array-like of bool, or None
        In a dict, the values of attributes that a target must have, one of each attribute.
    attributes : sequence of EventAttribute
    n_events : int

    Raises
    ------
    TypeError
        If `targets` is something else.
    ValueError
        If an attribute is not known, no event has one of its values, or a mask does not fit.
    """
    if targets is None:
        return None
    if isinstance(targets, Mapping):
        return _by_values(targets, {one.name: one for one in attributes}, n_events)
    mask = np.asarray(targets)
    if mask.dtype != bool:
        raise TypeError(
            "targets must be a dict, such as {'action': ['buy']}, or one True or False for each "
            f"event, got {type(targets).__name__} of {mask.dtype}."
        )
    if mask.shape != (n_events,):
        raise ValueError(
            f"targets has the shape {mask.shape} for {n_events} events; give one True or False "
            "for each."
        )
    return mask


def _by_values(
    targets: Mapping[str, Any], attributes: Mapping[str, EventAttribute], n_events: int
) -> NDArray[np.bool_]:
    if not targets:
        raise ValueError("targets={} names no attribute; leave it out if all events are targets.")
    mask = np.ones(n_events, dtype=bool)
    for name, wanted in targets.items():
        if name not in attributes:
            raise ValueError(
                f"targets names {name!r}, which is no attribute of these events; they have "
                f"{list(attributes)}. Read it by Sessions.from_events(..., "
                f"attributes=[{name!r}])."
            )
        mask &= _holding(attributes[name], _values(wanted))
    return mask


def _holding(attribute: EventAttribute, wanted: list[Any]) -> NDArray[np.bool_]:
    """Mark the events with one of these values."""
    place = {value: code for code, value in enumerate(attribute.values.tolist())}
    codes = [place[value] for value in wanted if value in place]
    missing = [value for value in wanted if value not in place]
    if not codes:
        known = ", ".join(map(repr, list(place)[:SHOWN]))
        if len(place) > SHOWN:
            known += f" and {len(place) - SHOWN} more"
        raise ValueError(
            f"targets={{{attribute.name!r}: {wanted!r}}}: no event has such a value; there are "
            f"{known}."
        )
    if missing:
        warnings.warn(
            f"targets: no event has the {attribute.name} {missing[0]!r} ({len(missing)} of "
            f"{len(wanted)} values); targets are those with the others. Check how it is spelled.",
            stacklevel=5,
        )
    return np.isin(attribute.codes, codes)


def _values(wanted: Any) -> list[Any]:
    """Values of a list, or the only one."""
    if isinstance(wanted, str) or not np.iterable(wanted):
        return [wanted]
    return list(wanted)
