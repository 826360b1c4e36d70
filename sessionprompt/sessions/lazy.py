"""Sessions of a table that an engine holds: it sorts, cuts and filters, integers come back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from .._checks import check_choice
from ..engines import Engine
from .columns import Numbering
from .event_attributes import EventAttribute
from .event_columns import read_ids
from .filters import FilterReport, run_filters
from .frames import check_names
from .lazy_columns import NumberedIds, checked_frame, numbered_ids, numbered_values
from .lazy_filters import LazySurvivors
from .names import EventNames
from .spans import PER_SECOND, gap_limit
from .targets import target_mask

__all__ = ["EventRules", "read_lazy_events"]

Frame = nw.LazyFrame[Any]
PIECE = 2**22  # events or sessions that come back at a time
PIECES = 64  # at most, as each of them is a search through all events


class EventRules(NamedTuple):
    """Parameters of :meth:`Sessions.from_events` beside the names of columns."""

    gap: Any
    unit: str
    duplicates: str
    bounds: dict[str, int | None]  # of each filter by its name
    until_stable: bool
    targets: Any


def read_lazy_events(engine: Engine, names: EventNames, rules: EventRules) -> dict[str, Any]:
    """Columns of `Sessions`, for :meth:`Sessions.from_events`; the engine is closed at the end.

    Parameters
    ----------
    engine : Engine
    names : EventNames
    rules : EventRules

    Returns
    -------
    dict

    Raises
    ------
    TypeError, ValueError
        As there.
    """
    check_choice("unit", rules.unit, PER_SECOND)
    check_choice("duplicates", rules.duplicates, ("keep", "drop", "error"))
    with engine:
        events = LazyEvents(engine, names, rules.unit, rules.targets)
        limit = gap_limit(rules.gap, events.extremes, rules.unit)
        events.cut(limit, rules.duplicates)
        users = None
        if names.user is not None:
            users = "user"
        survivors = LazySurvivors(engine, events.frame, users)
        report = run_filters(survivors, rules.bounds, until_stable=rules.until_stable)
        columns = events.columns(survivors, report)
    if limit is not None:
        n_sessions = len(columns["offsets"]) - 1
        columns |= {"ids": np.arange(n_sessions), "numbering": Numbering.new(n_sessions)}
    if rules.duplicates == "drop":
        report = report.after_drop(events.n_rows - report.steps[0]["events"])
    return {**columns, "report": report}


class LazyEvents:
    """Events of an engine's table, numbered; `cut` makes sessions of them.

    Parameters
    ----------
    engine : Engine
    names : EventNames
    unit : {"s", "ms", "us", "ns"}
    targets : dict of str to values, or None
    """

    def __init__(self, engine: Engine, names: EventNames, unit: str, targets: Any) -> None:
        self.engine = engine
        self.owners: list[str] = [name for name in ("user", "session") if name in names.known()]
        self.ordered_by = ["row"]
        if names.time is not None:
            self.ordered_by = ["time", "row"]
        columns = _read_columns(names, targets)
        check_names(engine.frame.collect_schema().names(), list(columns.values()))
        self.frame, self.n_rows, self.extremes = checked_frame(engine, columns, unit)
        self.items = self._number("item")
        self.attributes: dict[str, EventAttribute] = {}
        for new, old in columns.items():
            if new.startswith("of_"):
                self.attributes[new] = numbered_values(self._number(new), old)
        self._mark(targets, len(names.attributes))

    def _number(self, name: str) -> NumberedIds:
        """Ids of a column, which the events hold as numbers from now on."""
        ids = numbered_ids(self.engine, self.frame, name)
        self.frame = ids.joined(self.frame)
        return ids

    def _mark(self, targets: Any, n_attributes: int) -> None:
        """Mark the events that are targets, and drop the attributes that were read for that."""
        if targets is None:
            return
        if not targets:
            target_mask(targets, (), self.n_rows)  # raises
        is_target = nw.lit(True)
        for new, values in self.attributes.items():
            if values.name in targets:
                wanted = {values.name: targets[values.name]}
                mask = target_mask(wanted, [values], len(values.codes))
                assert mask is not None
                is_target = is_target & nw.col(new).is_in(np.flatnonzero(mask).tolist())
        dropped = list(self.attributes)[n_attributes:]
        for new in dropped:
            del self.attributes[new]
        self.frame = self.frame.with_columns(is_target=is_target).drop(*dropped)

    def cut(self, limit: float | None, duplicates: str) -> None:
        """Give each event a row of its session, the same for all, as a key; drop repeated ones."""
        frame = self.frame
        if duplicates != "keep":
            columns = [name for name in frame.collect_schema().names() if name != "row"]
            frame = frame.group_by(columns).agg(row=nw.col("row").min())
        owners = self.owners

        def cut_groups(events: Any) -> Any:
            if limit is None:
                return events.with_columns(key=nw.col("row").min().over(*owners))
            return _cut_at_pauses(events, owners, limit)

        frame = self.engine.by_group(frame, owners, cut_groups)
        if limit is not None:
            frame = frame.drop("session", strict=False)
        self.frame = self.engine.kept(frame)
        if duplicates == "error":
            self._check_repeats()

    def _check_repeats(self) -> None:
        n_left = self.frame.select(nw.len()).collect().item()
        if n_left < self.n_rows:
            raise ValueError(
                f"{self.n_rows - n_left} of {self.n_rows} rows of the events repeat another; pass "
                "duplicates='drop' or duplicates='keep'."
            )

    def columns(self, survivors: LazySurvivors, report: FilterReport) -> dict[str, Any]:
        """Columns of the sessions that are left after filters."""
        sessions = self._sessions(survivors.left())
        n_sessions = report.steps[-1]["sessions"]
        ends = np.arange(PIECE, n_sessions + PIECE, PIECE)
        pieces = _pieces(sessions, ends, ["place"])
        columns = _filled(map(self._of_sessions, pieces), n_sessions)
        offsets = np.append(0, np.cumsum(columns.pop("lengths")))
        placed = survivors.of_items().drop(*self.owners, strict=False)
        placed = placed.join(sessions.select("key", "place"), on="key", how="inner").drop("key")
        ends = _ends(offsets)
        if len(ends) > 1:
            placed = self.engine.kept(placed.sort("place"))  # a range is then found soon
        used = None
        if survivors.kept:
            used = placed
        vocabulary, code_of = self.items.vocabulary(used)
        pieces = _pieces(placed, ends, ["place", *self.ordered_by])
        of_events = (self._of_events(piece, code_of) for piece in pieces)
        columns |= self._named(_filled(of_events, int(offsets[-1])))
        return {**columns, "offsets": offsets, "vocabulary": vocabulary}

    def _sessions(self, events: Frame) -> Frame:
        """Sessions with their places in the order of their last events, ties by first rows."""
        wanted = {"lengths": nw.len(), "row": nw.col("row").min()}
        if "time" in self.ordered_by:
            wanted["time"] = nw.col("time").max()
        names = events.collect_schema().names()
        wanted |= {name: nw.col(name).max() for name in self.owners if name in names}
        sessions = events.group_by("key").agg(**wanted)
        return self.engine.kept(self.engine.with_places(sessions, "place", self.ordered_by))

    def _of_sessions(self, piece: nw.DataFrame[Any]) -> dict[str, NDArray[Any]]:
        """Lengths, users and ids of some sessions."""
        columns = {"lengths": piece["lengths"].to_numpy().astype(np.int64)}
        for name, column in (("user", "users"), ("session", "ids")):
            if name in piece.columns:
                ids = read_ids(piece[name])
                columns[column] = ids.ids[ids.codes]
        if "users" in columns:
            columns.setdefault("ids", columns["users"])
        return columns

    def _of_events(
        self, piece: nw.DataFrame[Any], code_of: NDArray[np.int32]
    ) -> dict[str, NDArray[Any]]:
        """Codes, times and attributes of some events."""
        columns = {"codes": code_of[piece["item"].to_numpy()]}
        if "time" in self.ordered_by:
            columns["event_times"] = piece["time"].to_numpy()
        for name in self.attributes:
            columns[name] = piece[name].to_numpy().astype(np.int32)
        if "is_target" in piece.columns:
            columns["is_target"] = piece["is_target"].to_numpy()
        return columns

    def _named(self, columns: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Columns of events under the names that `Sessions` has for them."""
        if self.extremes is not None and self.extremes.dtype.kind == "M":
            columns["event_times"] = columns["event_times"].view(self.extremes.dtype)
        attributes = []
        for name, values in self.attributes.items():
            attributes.append(EventAttribute(values.name, values.values, columns.pop(name)))
        return {**columns, "event_attributes": tuple(attributes)}


def _read_columns(names: EventNames, targets: Any) -> dict[str, Any]:
    """Columns that are read, by names that say what they hold."""
    if targets is not None and not isinstance(targets, Mapping):
        raise TypeError(
            "targets is an array, and the rows of an engine have no numbers; name a column and its "
            "values, such as {'action': ['buy']}."
        )
    of_events = {f"of_{place}": name for place, name in enumerate(names.of_events(targets))}
    return names.known() | of_events


def _cut_at_pauses(events: Any, owners: Sequence[str], limit: float) -> Any:
    """Events with the row of the first event of their visit, which follows a long pause."""
    order = ["time", "row"]
    before = nw.col("time").shift(1).over(*owners, order_by=order)
    events = events.with_columns(before=before)
    is_first = nw.col("before").is_null() | (nw.col("time") - nw.col("before") > limit)
    events = events.with_columns(key=nw.when(is_first).then(nw.col("row"))).drop("before")
    key = nw.col("key").fill_null(strategy="forward").over(*owners, order_by=order)
    return events.with_columns(key=key.cast(nw.Int64))


def _ends(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of sessions at which pieces of about as many events each end."""
    n_events = int(offsets[-1])
    size = max(PIECE, n_events // PIECES)
    wanted = np.append(np.arange(size, n_events, size), n_events)
    return np.unique(np.searchsorted(offsets, wanted))


def _pieces(
    frame: Frame, ends: NDArray[np.int64], order: Sequence[str]
) -> Iterator[nw.DataFrame[Any]]:
    """Rows whose places end before each of these, one piece after the other."""
    start = 0
    for end in ends.tolist():
        is_in = (nw.col("place") >= start) & (nw.col("place") < end)
        yield frame.filter(is_in).sort(*order).collect()
        start = end


def _filled(pieces: Iterable[dict[str, NDArray[Any]]], n: int) -> dict[str, NDArray[Any]]:
    """Arrays of n values that come in pieces."""
    arrays: dict[str, NDArray[Any]] = {}
    start = 0
    for piece in pieces:
        for name, values in piece.items():
            if name not in arrays:
                arrays[name] = np.empty(n, dtype=values.dtype)
            arrays[name][start : start + len(values)] = values
        start += len(values)
    return arrays
