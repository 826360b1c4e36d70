"""Attributes of events, such as their kind or the device: values told apart, event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from ..vocabulary import Vocabulary, id_array
from .event_columns import Column, read_ids

__all__ = ["EventAttribute", "joined_attributes", "read_attribute"]


@dataclass(frozen=True)
class EventAttribute:
    """Values of an attribute of some events.

    Attributes
    ----------
    name : str
    values : ndarray of shape (n_values,)
        Distinct ones, of one kind, in no particular order.
    codes : ndarray of shape (n_events,), int32
        Value of each event; -1 where none is known.
    """

    name: str
    values: NDArray[Any]
    codes: NDArray[np.int32]

    def taken(self, events: NDArray[np.int64] | slice) -> EventAttribute:
        """The attribute of some of the events."""
        return EventAttribute(self.name, self.values, self.codes[events])

    def column(self) -> NDArray[Any]:
        """Value of each event; None where it is not known."""
        if (self.codes >= 0).all():
            return self.values[self.codes]
        column = np.full(len(self.codes), None, dtype=object)
        known = self.codes >= 0
        column[known] = self.values[self.codes[known]]
        return column

    def numbered(self, vocabulary: Vocabulary) -> NDArray[np.int64]:
        """Code of each event's value in a vocabulary, -1 where it does not hold it."""
        return self.codes_in(vocabulary)[self.codes]

    def codes_in(self, vocabulary: Vocabulary) -> NDArray[np.int64]:
        """Code of each value in a vocabulary, (n_values + 1,), at the end that of no value, -1."""
        codes = np.append(vocabulary.encode(self.values, name=self.name), -1)
        return codes.astype(np.int64)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EventAttribute):
            return NotImplemented
        same = self.name == other.name and len(self.codes) == len(other.codes)
        return same and self.column().tolist() == other.column().tolist()

    __hash__ = None  # type: ignore[assignment]


def read_attribute(series: nw.Series[Any]) -> EventAttribute:
    """Attribute in a column of a table of events, in the order of its rows."""
    name = series.name
    if not isinstance(name, str):
        raise TypeError(f"attributes names {name!r}; a kind of prompt is called by a string.")
    if series.dtype == nw.Boolean:
        series = series.cast(nw.Int8)
    missing = series.is_null().to_numpy()
    codes = np.full(len(series), -1, dtype=np.int32)
    if missing.all():
        raise ValueError(
            f"attributes: column {name!r} holds no value for any of {len(series)} events; leave "
            "it out."
        )
    known: Column = read_ids(series.filter(~series.is_null()))
    codes[~missing] = known.codes
    return EventAttribute(name, known.ids, codes)


def joined_attributes(
    parts: Sequence[Sequence[EventAttribute]],
) -> tuple[EventAttribute, ...]:
    """Attributes that the events of all parts have, one part after the other."""
    joined = []
    for place, first in enumerate(parts[0]):
        same = [part[place] for part in parts]
        values = [one for part in same for one in part.values.tolist()]
        vocabulary = Vocabulary.from_values(id_array(values, first.name), name=first.name)[0]
        codes = [part.numbered(vocabulary).astype(np.int32) for part in same]
        joined.append(EventAttribute(first.name, vocabulary.ids, np.concatenate(codes)))
    return tuple(joined)
