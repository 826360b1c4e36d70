"""Columns of sessions: checked when they are made, read-only afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..vocabulary import Vocabulary
from .checks import (
    check_layout,
    id_column,
    integer_array,
    label_columns,
    target_starts,
    time_column,
)
from .event_attributes import EventAttribute
from .filters import FilterReport
from .targets import target_mask

__all__ = ["Annotator", "Describer", "Numbering", "SessionColumns"]

# beside these, sessions are equal if their items are, whatever their codes
COMPARED = ("offsets", "ids", "users", "event_times", "labels", "target_start", "is_target")
Index = NDArray[np.int64] | slice
TAKEN = ("cluster", "user", "session", "item")  # kinds of prompts that come from elsewhere


class Annotator(Protocol):
    """Something that can label the events of sessions."""

    def label_events(self, sessions: Any) -> NDArray[np.int32]:
        """Labels of all events, shape (n_events, n_columns)."""


class Describer(Protocol):
    """Something that knows attributes of items."""

    kinds_: tuple[str, ...]
    numberings_: dict[str, str]

    @property
    def described_items(self) -> Vocabulary:
        """Items of which something is known."""

    def digest(self) -> str:
        """Digest of all that is known."""

    def describe(self, vocabulary: Vocabulary) -> dict[str, Any]:
        """Features of the items of a vocabulary, (n_items, n_rows) by kind."""


class Numbering(NamedTuple):
    """Numbers 0 to size-1 that a container gave its sessions; in another they mean nothing.

    Attributes
    ----------
    token : str
        The same in what is cut from the container, and in no other container.
    size : int
    """

    token: str
    size: int

    @classmethod
    def new(cls, size: int) -> Numbering:
        """Numbering of a new container."""
        return cls(uuid4().hex, size)

    def covers(self, ids: NDArray[Any]) -> bool:
        """Whether ids can be some of these numbers."""
        if ids.dtype.kind != "i":
            return False
        return not len(ids) or bool(ids.min() >= 0 and ids.max() < self.size)


@dataclass(frozen=True, eq=False, repr=False)
class SessionColumns:
    """Arrays that sessions are made of; `Sessions` says what each of them holds."""

    codes: NDArray[np.int32]
    offsets: NDArray[np.int64]
    vocabulary: Vocabulary
    _: KW_ONLY
    users: NDArray[Any] | None = None
    event_times: NDArray[Any] | None = None
    labels: NDArray[np.int32] | None = None
    ids: NDArray[Any] = None  # type: ignore[assignment]  # 0 to n-1 unless given
    target_start: NDArray[np.int32] | None = None
    annotator: Annotator | None = None
    report: FilterReport | None = None
    numbering: Numbering | None = None
    item_attributes: tuple[Describer, ...] = ()
    event_attributes: tuple[EventAttribute, ...] = ()
    is_target: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        offsets = integer_array(self.offsets, "offsets", np.int64)
        codes = integer_array(self.codes, "codes", np.int32)
        check_layout(codes, offsets, len(self.vocabulary))
        self.__setstate__({"codes": codes, "offsets": offsets})
        self.__setstate__(self._checked_columns())

    def _checked_columns(self) -> dict[str, Any]:
        """Columns beside codes and offsets, each of as many values as there must be."""
        n = len(self)
        checked: dict[str, Any] = {}
        if self.ids is None:
            checked["ids"] = np.arange(n)
            checked["numbering"] = Numbering.new(n)
        else:
            checked["ids"] = id_column(self.ids, "ids", n)
            if self.numbering is not None and not self.numbering.covers(checked["ids"]):
                checked["numbering"] = None
        if self.users is not None:
            checked["users"] = id_column(self.users, "users", n)
        if self.event_times is not None:
            checked["event_times"] = time_column(self.event_times, "event_times", self.n_events)
        if self.labels is not None:
            checked["labels"] = label_columns(self.labels, self.n_events)
        check_event_attributes(self.event_attributes, self.n_events)
        if self.target_start is not None:
            checked["target_start"] = target_starts(self.target_start, n)
        checked["is_target"] = target_mask(self.is_target, (), self.n_events)
        return checked

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value = value.view()
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    @classmethod
    def _from_checked(cls, **columns: Any) -> Self:
        """Sessions of columns that are known to be right."""
        made = object.__new__(cls)
        made.__setstate__(columns)
        return made

    def _replace(self, **changes: Any) -> Self:
        """Sessions with other columns, which are known to be right; other ids are names."""
        if "ids" in changes:
            changes.setdefault("numbering", None)
        return self._from_checked(**{**self.__dict__, **changes})

    def _pick(self, rows: Index, events: Index, lengths: NDArray[np.int64]) -> Self:
        """Sessions of these rows that hold these events, so many each; of slices, views."""
        changes: dict[str, Any] = {"offsets": np.append(0, np.cumsum(lengths)), "report": None}
        changes["numbering"] = self.numbering
        for name in ("codes", "event_times", "labels", "is_target"):
            changes[name] = _taken(getattr(self, name), events)
        for name in ("users", "ids", "target_start"):
            changes[name] = _taken(getattr(self, name), rows)
        if self.event_attributes:
            changes["event_attributes"] = tuple(one.taken(events) for one in self.event_attributes)
        return self._replace(**changes)

    def pieces(self, size: int) -> Iterator[Self]:
        """Some neighbouring sessions at a time, of about so many events; nothing is copied.

        Parameters
        ----------
        size : int

        Yields
        ------
        Sessions
            Together all of them, in their order.

        Examples
        --------
        >>> from sessionprompt import Sessions
        >>> sessions = Sessions.from_lists([["a", "b"], ["c"], ["d", "e"]])
        >>> [len(piece) for piece in sessions.pieces(3)]
        [2, 1]
        """
        starts = np.searchsorted(self.offsets, np.arange(size, self.n_events, size))
        bounds = np.concatenate([[0], starts, [len(self)]])
        for first, end in pairwise(np.unique(bounds).tolist()):
            yield self._run(first, end)

    def _run(self, first: int, end: int) -> Self:
        """Sessions of neighbouring rows, whose columns are views of these."""
        events = slice(int(self.offsets[first]), int(self.offsets[end]))
        return self._pick(slice(first, end), events, self.lengths[first:end])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of events of each session."""
        return np.diff(self.offsets)

    @property
    def n_events(self) -> int:
        """Number of events of all sessions."""
        return len(self.codes)

    @property
    def shape(self) -> tuple[int]:
        """``(n,)``, as of an array of sessions."""
        return (len(self),)

    @property
    def times(self) -> NDArray[Any] | None:
        """Time of the last event of each session, NaN or NaT if it is empty; None if not known."""
        if self.event_times is None:
            return None
        empty = self.lengths == 0
        ends = self.offsets[1:]
        if not empty.any():
            return self.event_times[ends - 1]
        if self.event_times.dtype.kind == "M":
            last = np.full(len(self), "NaT", self.event_times.dtype)
        else:
            last = np.full(len(self), np.nan)
        last[~empty] = self.event_times[ends[~empty] - 1]
        return last

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SessionColumns):
            return NotImplemented
        if not all(_equal(getattr(self, name), getattr(other, name)) for name in COMPARED):
            return False
        if self.event_attributes != other.event_attributes:
            return False
        items = self.vocabulary.decode(self.codes)
        return np.array_equal(items, other.vocabulary.decode(other.codes))


def check_event_attributes(attributes: tuple[EventAttribute, ...], n_events: int) -> None:
    """Raise a ValueError unless attributes have a value for each event, and names of their own."""
    names = [one.name for one in attributes]
    for one in attributes:
        if one.name in TAKEN or names.count(one.name) > 1:
            raise ValueError(
                f"attributes names {one.name!r}, which is taken; the names {list(TAKEN)} are no "
                "attributes, and each column is named once. Rename the column."
            )
        if len(one.codes) != n_events:
            raise ValueError(
                f"event_attributes: {one.name!r} has {len(one.codes)} values for {n_events} events."
            )


def _taken(array: NDArray[Any] | None, index: Index) -> NDArray[Any] | None:
    if array is None:
        return None
    return array[index]


def _equal(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
