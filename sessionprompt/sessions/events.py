"""Tables of events: the order of their rows in sessions, and the columns of those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import ragged_range, repeated, stable_order
from .._checks import check_choice
from .event_attributes import EventAttribute, read_attribute
from .event_columns import Column, read_ids
from .frames import open_frame
from .names import EventNames
from .spans import PER_SECOND
from .targets import target_mask
from .times import read_times

__all__ = ["EventOrder", "EventTable", "read_events"]


@dataclass(frozen=True)
class EventOrder:
    """Rows of a table of events in the order of sessions, which come by their last events."""

    rows: NDArray[np.int64]  # session after session, (n_events,)
    offsets: NDArray[np.int64]  # (n_sessions + 1,)
    first_rows: NDArray[np.int64]  # lowest row of each session, (n_sessions,)


@dataclass(frozen=True)
class EventTable:
    """The columns of a table of events, one row per event in the order of the table."""

    items: Column
    times: NDArray[Any] | None
    users: Column | None
    owners: Column  # whose ids become session ids: the sessions, or the users
    groups: NDArray[np.int64]  # equal for events of the same session, user, or pair of both
    attributes: tuple[EventAttribute, ...] = ()
    is_target: NDArray[np.bool_] | None = None

    @property
    def n_events(self) -> int:
        """Number of rows."""
        return len(self.groups)

    def kept_rows(self, duplicates: str) -> NDArray[np.int64]:
        """Rows that are left when repeated rows are kept, dropped, or an error."""
        check_choice("duplicates", duplicates, ("keep", "drop", "error"))
        if duplicates == "keep":
            return np.arange(self.n_events)
        columns: list[NDArray[Any]] = [self.items.codes, self.groups]
        if self.times is not None:
            columns.append(self.times)
        columns += [one.codes for one in self.attributes]
        if self.is_target is not None:
            columns.append(self.is_target)
        repeats = repeated(*columns)
        if duplicates == "error" and repeats.any():
            raise _repeated_row(columns, repeats)
        return np.flatnonzero(~repeats)

    def cut(self, rows: NDArray[np.int64], limit: float | None) -> EventOrder:
        """Order of these rows in sessions, which end where a pause is longer than the limit."""
        groups = self.groups[rows]
        if self.times is None:
            order = stable_order(groups)
            starts = _session_starts(groups[order])
        else:
            times = self.times[rows]
            order = stable_order(times, groups)
            starts = _session_starts(groups[order], times[order], limit)
        first = np.minimum.reduceat(order, starts)
        sorted_by = [first]
        if self.times is not None:
            last = np.append(starts[1:], len(rows)) - 1
            sorted_by.append(times[order[last]])
        by_end = stable_order(*sorted_by)
        lengths = np.diff(starts, append=len(rows))[by_end]
        place = ragged_range(starts[by_end], lengths)
        offsets = np.append(0, np.cumsum(lengths))
        return EventOrder(rows[order[place]], offsets, rows[first[by_end]])

    def event_columns(self, cut: EventOrder) -> dict[str, Any]:
        """Arrays of `Sessions` that tell of its events, and their vocabulary."""
        vocabulary, codes = self.items.in_order()
        columns = {"codes": codes[cut.rows], "offsets": cut.offsets, "vocabulary": vocabulary}
        if self.times is not None:
            columns["event_times"] = self.times[cut.rows]
        columns["event_attributes"] = tuple(one.taken(cut.rows) for one in self.attributes)
        if self.is_target is not None:
            columns["is_target"] = self.is_target[cut.rows]
        return columns

    def session_columns(self, cut: EventOrder) -> dict[str, NDArray[Any]]:
        """Arrays of `Sessions` that tell of whole sessions."""
        columns = {"ids": self.owners.ids_in(cut.first_rows)}
        if self.users is not None:
            columns["users"] = self.users.ids_in(cut.first_rows)
        return columns

    def user_codes(self, cut: EventOrder) -> NDArray[np.int32] | None:
        """Number of the user of each session, or None where there are none."""
        if self.users is None:
            return None
        return self.users.codes[cut.first_rows]


def read_events(events: Any, names: EventNames, unit: str, targets: Any) -> EventTable:
    """Columns of these names of a table of events, read and checked."""
    check_choice("unit", unit, PER_SECOND)
    item, time, user, session, attributes = names
    of_events = names.of_events(targets)
    frame = open_frame(events, [*names.known().values(), *of_events])
    if len(frame) == 0:
        raise ValueError("events has no rows; there is nothing to make sessions of.")
    items = read_ids(frame.get_column(item))
    times = None
    if time is not None:
        times = read_times(frame.get_column(time), unit)
    users = None
    if user is not None:
        users = read_ids(frame.get_column(user))
    owners = users
    if session is not None:
        owners = read_ids(frame.get_column(session))
    assert owners is not None
    groups = owners.codes.astype(np.int64)
    if users is not None and session is not None:
        groups += users.codes * np.int64(len(owners.ids))
    read = tuple(read_attribute(frame.get_column(name)) for name in of_events)
    is_target = target_mask(targets, read, len(frame))
    return EventTable(items, times, users, owners, groups, read[: len(attributes)], is_target)


def _session_starts(
    groups: NDArray[np.int64],
    times: NDArray[Any] | None = None,
    limit: float | None = None,
) -> NDArray[np.int64]:
    """Places where a session begins: another group, or a pause that is longer than the limit."""
    is_start = np.diff(groups, prepend=-1) != 0
    if times is not None and limit is not None:
        is_start[1:] |= np.diff(times).astype(np.float64) > limit
    return np.flatnonzero(is_start)


def _repeated_row(columns: list[NDArray[Any]], repeats: NDArray[np.bool_]) -> ValueError:
    """Error that names the first repeated row, and the row that it repeats."""
    row = int(repeats.argmax())
    equal = np.all([column == column[row] for column in columns], axis=0)
    return ValueError(
        f"row {row} of the events repeats row {int(equal.argmax())}, "
        f"and {np.count_nonzero(repeats)} rows in all repeat another; "
        "pass duplicates='drop' or duplicates='keep'."
    )
