"""Joining of containers: one vocabulary, and the columns that all of them have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..vocabulary import Vocabulary, id_array
from .columns import Describer, SessionColumns
from .event_attributes import EventAttribute, joined_attributes

__all__ = ["joined_columns"]


def joined_columns(parts: Sequence[SessionColumns], renumber: bool) -> dict[str, Any]:
    """Columns of sessions that stand one after the other, for the constructor.

    Parameters
    ----------
    parts : sequence of Sessions
        At least one.
    renumber : bool
        Whether sessions get the ids 0 to n-1.

    Returns
    -------
    dict

    Raises
    ------
    TypeError
        If ids or times are of several kinds.
    ValueError
        If a column is not in all parts, labels are of several annotators, or an id is in two parts.
    """
    vocabulary, codes = _joined_codes(parts)
    columns: dict[str, Any] = {"codes": codes, "vocabulary": vocabulary}
    columns["offsets"] = np.append(0, np.cumsum(np.concatenate([part.lengths for part in parts])))
    columns["users"] = _joined_ids([part.users for part in parts], "users")
    columns["event_times"] = _joined_times(parts)
    columns |= _joined_labels(parts)
    columns["item_attributes"] = _shared_attributes(parts)
    columns["event_attributes"] = _joined_event_attributes(parts)
    if not renumber:
        columns |= _joined_session_ids(parts, columns["users"])
    if any(part.target_start is not None for part in parts):
        starts = [_target_starts(part) for part in parts]
        columns["target_start"] = np.concatenate(starts)
    if any(part.is_target is not None for part in parts):
        columns["is_target"] = np.concatenate([_targets(part) for part in parts])
    return columns


def _joined_codes(parts: Sequence[SessionColumns]) -> tuple[Vocabulary, NDArray[np.int32]]:
    """Vocabulary of all items, and the code of each event."""
    first = parts[0].vocabulary
    if all(part.vocabulary == first for part in parts):
        return first, np.concatenate([part.codes for part in parts])
    ids = _joined_ids([part.vocabulary.ids for part in parts], "item")
    vocabulary, code_of = Vocabulary.from_values(ids)
    sizes = np.cumsum([len(part.vocabulary) for part in parts])[:-1]
    places = np.split(code_of, sizes)
    codes = [place[part.codes] for place, part in zip(places, parts, strict=True)]
    return vocabulary, np.concatenate(codes)


def _joined_ids(arrays: Sequence[NDArray[Any] | None], name: str) -> Any:
    """Ids of all parts in one array of one kind, or None if no part has any."""
    known = _known_in_all(arrays, name)
    filled = [array for array in known if len(array)]
    if len({array.dtype for array in filled}) == 1 and filled[0].dtype != object:
        return np.concatenate(filled)
    if not known:
        return None
    return id_array([id_ for array in filled for id_ in array.tolist()], name)


def _known_in_all(arrays: Sequence[NDArray[Any] | None], name: str) -> list[NDArray[Any]]:
    """Arrays of a column; none at all if it is in no part."""
    known = [array for array in arrays if array is not None]
    if known and len(known) < len(arrays):
        missing = next(place for place, array in enumerate(arrays) if array is None)
        raise ValueError(
            f"part {missing} has no {name}, but others have; make all parts with them, or drop "
            f"them by dataclasses.replace(part, {name}=None)."
        )
    return known


def _joined_times(parts: Sequence[SessionColumns]) -> NDArray[Any] | None:
    known = _known_in_all([part.event_times for part in parts], "event_times")
    if not known:
        return None
    kinds = {array.dtype.kind == "M" for array in known if len(array)}
    if len(kinds) > 1:
        raise TypeError(
            "some parts have event_times in numbers and some as datetimes; make all of one kind."
        )
    return np.concatenate([array for array in known if len(array)] or known[:1])


def _joined_labels(parts: Sequence[SessionColumns]) -> dict[str, Any]:
    """Labels of all events, and the annotator that made them all."""
    known = _known_in_all([part.labels for part in parts], "labels")
    if not known:
        return {}
    annotator = parts[0].annotator
    if any(part.annotator is not annotator for part in parts):
        raise ValueError(
            "the parts have labels of different annotators, whose numbers mean different clusters; "
            "join the sessions first, then label them."
        )
    widths = {labels.shape[1] for labels in known}
    if len(widths) > 1:
        raise ValueError(f"the parts have {sorted(widths)} label columns; label them alike.")
    return {"labels": np.concatenate(known), "annotator": annotator}


def _shared_attributes(parts: Sequence[SessionColumns]) -> tuple[Describer, ...]:
    """What knows attributes of the items of all parts."""
    known = parts[0].item_attributes
    if any(part.item_attributes != known for part in parts):
        raise ValueError(
            "the parts have attributes of different tables; join the sessions first, then "
            "transform them."
        )
    return known


def _joined_event_attributes(parts: Sequence[SessionColumns]) -> tuple[EventAttribute, ...]:
    """Attributes of the events of all parts."""
    names = [[one.name for one in part.event_attributes] for part in parts]
    for place, own in enumerate(names):
        if own != names[0]:
            raise ValueError(
                f"part 0 has the event attributes {names[0]}, part {place} has {own}; read the "
                "same ones of all parts."
            )
    return joined_attributes([part.event_attributes for part in parts])


def _joined_session_ids(
    parts: Sequence[SessionColumns], users: NDArray[Any] | None
) -> dict[str, Any]:
    """Ids of all sessions; none where they are numbers that mean nothing beside each other."""
    numberings = {part.numbering for part in parts}
    ids = _joined_ids([part.ids for part in parts], "ids")
    fault = _shared_id([len(part) for part in parts], ids.tolist(), users)
    if None not in numberings:
        if len(numberings) > 1 or fault:
            return {}
        return {"ids": ids, "numbering": parts[0].numbering}
    if fault:
        raise ValueError(f"{fault}; pass renumber=True to number the sessions anew.")
    return {"ids": ids}


def _shared_id(sizes: list[int], ids: list[Any], users: NDArray[Any] | None) -> str | None:
    """Two parts with sessions of the same id, and of the same user where users are known."""
    owners = ids
    if users is not None:
        owners = list(zip(users.tolist(), ids, strict=True))
    part_of: dict[Any, int] = {}
    numbers = np.repeat(np.arange(len(sizes)), sizes).tolist()
    for row, (owner, part) in enumerate(zip(owners, numbers, strict=True)):
        if part_of.setdefault(owner, part) != part:
            return f"parts {part_of[owner]} and {part} both have a session with the id {ids[row]!r}"
    return None


def _target_starts(part: SessionColumns) -> NDArray[np.int32]:
    if part.target_start is None:
        return np.ones(len(part), dtype=np.int32)
    return part.target_start


def _targets(part: SessionColumns) -> NDArray[np.bool_]:
    if part.is_target is None:
        return np.ones(part.n_events, dtype=bool)
    return part.is_target
