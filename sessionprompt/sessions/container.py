"""Sessions: the immutable container of ragged sessions that everything else reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import timedelta
from itertools import chain, pairwise
from typing import Any, Literal, Protocol, overload

import narwhals as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..vocabulary import Vocabulary, id_array
from .checks import (
    _aligned,
    _check_layout,
    _checked_lists,
    _integers,
    _labels,
    _rows,
    _same,
    _target_start,
    _times,
)
from .events import gap_limit, read_events
from .filters import FilterReport, Survivors, run_filters

__all__ = ["Sessions", "as_sessions"]


class Annotator(Protocol):
    """Something that can label the events of sessions."""

    def label_events(self, sessions: Sessions) -> NDArray[np.int32]:
        """Return the labels of all events, shape (n_events, n_columns)."""


@dataclass(frozen=True, eq=False, repr=False)
class Sessions:
    """Immutable container of sessions: all events in one flat array, and where each session begins.

    It indexes like an array of sessions, so scikit-learn's splitters and searches can cut it.
    Usually made by `from_events` or `from_lists`. Arrays are not copied, and read-only in the
    container.

    Parameters
    ----------
    codes : array-like of shape (n_events,)
        Item code of each event, session after session.
    offsets : array-like of shape (n + 1,)
        Session i holds the events ``offsets[i]`` to ``offsets[i + 1] - 1``. Sessions may be empty.
    vocabulary : Vocabulary
        The item ids behind the codes.
    users : array-like of shape (n,), optional
        External user id of each session.
    event_times : array-like of shape (n_events,), optional
        Time of each event, numeric or datetime64.
    labels : array-like of shape (n_events, n_columns), optional
        Cluster label of each event, one column per resolution.
    ids : array-like of shape (n,), optional
        External id of each session, by default 0 to n-1.
    target_start : array-like of shape (n,), optional
        First position in each session that counts as a prediction target; events before it are
        context only. None stands for 1 everywhere.
    annotator : object, optional
        Has ``label_events(sessions)``, which labels the events again when sessions are cut to
        prefixes.
    report : FilterReport, optional
        What the filters removed when these sessions were made.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.

    Examples
    --------
    >>> sessions = Sessions.from_lists([["tea", "cup"], ["pot"]])
    >>> sessions
    Sessions(2 sessions, 3 events, 3 items)
    >>> sessions[0]
    ['tea', 'cup']
    >>> sessions[[1, 0]].to_lists()
    [['pot'], ['tea', 'cup']]
    """

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

    def __post_init__(self) -> None:
        offsets = _integers(self.offsets, "offsets", np.int64)
        codes = _integers(self.codes, "codes", np.int32)
        n, n_events = len(offsets) - 1, len(codes)
        _check_layout(codes, offsets, len(self.vocabulary))
        checked: dict[str, Any] = {"codes": codes, "offsets": offsets}
        checked["ids"] = (
            np.arange(n) if self.ids is None else _aligned(id_array(self.ids, "ids"), "ids", n)
        )
        if self.users is not None:
            checked["users"] = _aligned(id_array(self.users, "users"), "users", n)
        if self.event_times is not None:
            checked["event_times"] = _aligned(
                _times(self.event_times, "event_times"), "event_times", n_events
            )
        if self.labels is not None:
            checked["labels"] = _labels(self.labels, n_events)
        if self.target_start is not None:
            checked["target_start"] = _target_start(self.target_start, n)
        self.__setstate__(checked)

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value = value.view()
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    def _replace(self, **changes: Any) -> Sessions:
        return Sessions._from_checked(**{**self.__dict__, **changes})

    @classmethod
    def _from_checked(cls, **columns: Any) -> Sessions:
        """Sessions of columns that are known to be right."""
        made = object.__new__(cls)
        made.__setstate__(columns)
        return made

    @classmethod
    def from_events(
        cls,
        events: Any,
        *,
        item: str = "item",
        time: str | None = None,
        user: str | None = None,
        session: str | None = None,
        gap: str | float | timedelta | np.timedelta64 | None = None,
        unit: str = "s",
        duplicates: str = "keep",
        min_length: int = 1,
        min_item_support: int = 1,
        min_user_sessions: int = 1,
        top_items: int | None = None,
        until_stable: bool = False,
    ) -> Sessions:
        """Make sessions of a table that has one event per row, in any order.

        The events of a session are ordered by time, ties as the rows are. Sessions come in the
        order of their last events, ties by first appearance. Without times, both are as the rows
        are.

        Parameters
        ----------
        events : pandas, polars or pyarrow table
        item : str
            Column of item ids.
        time : str, optional
            Column of times: datetimes (converted to UTC) or numbers (kept).
        user : str, optional
            Column of user ids. With neither `session` nor `gap`, all events of a user are one
            session.
        session : str, optional
            Column of session ids. With `user`, each pair (user, session) is a session.
        gap : str, timedelta or number, optional
            Cut where the pause since the previous event of the user (or session) is longer than
            this: ``"30min"`` (s, min, h, d), a timedelta, or a number in the unit of a numeric time
            column. Session ids are then 0 to n-1.
        unit : {"s", "ms", "us", "ns"}
            Unit of a numeric time column.
        duplicates : {"keep", "drop", "error"}
            What to do with rows that repeat another in all columns named.
        min_length, min_item_support, min_user_sessions, top_items, until_stable
            As in `filter`; the vocabulary of the result holds only the items that are left.

        Returns
        -------
        Sessions
            Its `report` says what the filters removed.

        Raises
        ------
        TypeError
            If `events` is no eager table, or a column holds no times or mixed ids.
        ValueError
            If a column is not there, a value is missing, a parameter is not possible, or no event
            is left.

        Examples
        --------
        >>> import pandas as pd
        >>> events = pd.DataFrame({"user": [5, 5, 5], "item": ["tea", "cup", "pot"], "ts": [0, 60, 9000]})
        >>> Sessions.from_events(events, user="user", time="ts", gap="30min").to_lists()
        [['tea', 'cup'], ['pot']]
        """
        table = read_events(events, item=item, time=time, user=user, session=session, unit=unit)
        rows = table.kept_rows(duplicates)
        order, offsets, first_rows = table.cut(rows, gap_limit(gap, table.times, unit))
        vocabulary, codes = table.items.in_order()
        times = None if table.times is None else table.times[order]
        made = cls(codes[order], offsets, vocabulary, event_times=times)._replace(
            users=None if table.users is None else table.users.ids_in(first_rows),
            ids=table.owners.ids_in(first_rows) if gap is None else np.arange(len(first_rows)),
        )
        bounds = {
            "top_items": top_items,
            "min_item_support": min_item_support,
            "min_length": min_length,
            "min_user_sessions": min_user_sessions,
        }
        user_codes = None if table.users is None else table.users.codes[first_rows]
        filtered = made._filtered(user_codes, bounds, until_stable)
        n_repeats = len(table.groups) - len(rows) if duplicates == "drop" else None
        return filtered._finished(n_repeats, own_ids=gap is None)

    def _finished(self, n_repeats: int | None, own_ids: bool) -> Sessions:
        used = np.flatnonzero(np.bincount(self.codes))
        code_of = np.zeros(len(self.vocabulary), dtype=np.int32)
        code_of[used] = np.arange(len(used))
        return self._replace(
            codes=code_of[self.codes],
            vocabulary=self.vocabulary.subset(used),
            ids=self.ids if own_ids else np.arange(len(self)),
            report=self.report
            if n_repeats is None or self.report is None
            else self.report.after_drop(n_repeats),
        )

    @classmethod
    def from_lists(
        cls,
        lists: Sequence[Sequence[Any] | NDArray[Any]],
        *,
        users: ArrayLike | None = None,
        times: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> Sessions:
        """Make sessions of lists of item ids.

        Parameters
        ----------
        lists : list of lists, tuples or arrays
            The item ids of each session in order; sessions may be empty.
        users : array-like of shape (n,), optional
            User id of each session.
        times : array-like of shape (n,), optional
            One time per session, numeric or datetime64; all its events get it.
        ids : array-like of shape (n,), optional
            Session ids, by default 0 to n-1.
        vocabulary : Vocabulary, optional
            Must hold all items; by default the items of the lists.

        Returns
        -------
        Sessions

        Raises
        ------
        TypeError
            If `lists` is not a list of lists, or the item ids are of several kinds.
        ValueError
            If an item id is missing or not in the vocabulary, or arrays differ in length.

        Examples
        --------
        >>> sessions = Sessions.from_lists([[7, 9], [9]], users=["ann", "bob"], times=[10, 20])
        >>> sessions.codes, sessions.times
        (array([0, 1, 1], dtype=int32), array([10, 20]))
        """
        lists = _checked_lists(lists, "lists")
        lengths = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
        offsets = np.append(0, np.cumsum(lengths))

        def locate(event: int) -> str:
            session = int(np.searchsorted(offsets, event, side="right")) - 1
            return f"session {session}, position {event - offsets[session]}"

        items = id_array(list(chain.from_iterable(lists)), "item", locate)
        if vocabulary is None:
            vocabulary, codes = Vocabulary.from_values(items)
        else:
            codes = vocabulary.encode(items)
        if (codes < 0).any():
            first = int((codes < 0).argmax())
            raise ValueError(f"item {items[first]!r} in {locate(first)} is not in the vocabulary.")
        made = cls._from_checked(
            codes=codes, offsets=offsets, vocabulary=vocabulary, ids=np.arange(len(lists))
        )
        if users is None and times is None and ids is None:
            return made
        if times is not None:
            times = np.repeat(_aligned(_times(times, "times"), "times", len(lists)), lengths)
        return replace(made, users=users, event_times=times, ids=ids)  # type: ignore[arg-type]

    def with_labels(self, labels: ArrayLike, annotator: Annotator | None = None) -> Sessions:
        """Return the same sessions with these cluster labels.

        Parameters
        ----------
        labels : array-like of int, shape (n_events, n_columns) or (n_events,)
            Label of each event, one column per resolution.
        annotator : object, optional
            Made the labels, and makes them again for prefixes with its ``label_events(sessions)``.

        Returns
        -------
        Sessions

        Examples
        --------
        >>> Sessions.from_lists([["tea", "cup"]]).with_labels([1, 0])
        Sessions(1 sessions, 2 events, 2 items; 1 label columns)
        """
        return self._replace(labels=_labels(labels, self.n_events), annotator=annotator)

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
        """Time of the last event of each session (NaN or NaT if it is empty), or None if not known."""
        if self.event_times is None:
            return None
        empty = self.lengths == 0
        if not empty.any():
            return self.event_times[self.offsets[1:] - 1]
        dated = self.event_times.dtype.kind == "M"
        last = np.full(
            len(self), "NaT" if dated else np.nan, self.event_times.dtype if dated else np.float64
        )
        last[~empty] = self.event_times[self.offsets[1:][~empty] - 1]
        return last

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[list[Any]]:
        flat = self.vocabulary.decode(self.codes).tolist()
        return (flat[start:end] for start, end in pairwise(self.offsets.tolist()))

    def to_lists(self) -> list[list[Any]]:
        """Return the sessions as lists of item ids."""
        return list(self)

    def to_events(self, backend: Literal["pandas", "polars", "pyarrow"] = "pandas") -> Any:
        """Return a table with one row per event; `from_events` makes the same sessions of it.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}
            Library of the table; it must be installed.

        Returns
        -------
        table of that library
            Columns session, item and position; user and time where known. Empty sessions have no
            row.

        Examples
        --------
        >>> Sessions.from_lists([["tea", "cup"]]).to_events()
           session item  position
        0        0  tea         0
        1        0  cup         1
        """
        lengths = self.lengths
        columns = {
            "session": np.repeat(self.ids, lengths),
            "item": self.vocabulary.decode(self.codes),
            "position": np.arange(self.n_events) - np.repeat(self.offsets[:-1], lengths),
            "user": None if self.users is None else np.repeat(self.users, lengths),
            "time": self.event_times,
        }
        native = {
            k: v.tolist() if v.dtype == object else np.array(v)
            for k, v in columns.items()
            if v is not None
        }
        return nw.from_dict(native, backend=backend).to_native()

    @overload
    def __getitem__(self, key: int) -> list[Any]: ...
    @overload
    def __getitem__(self, key: Any) -> Any: ...
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            if len(key) != 2 or key[1] is not Ellipsis:
                raise IndexError(f"sessions have one axis, got the index {key!r}.")
            key = key[0]
        if isinstance(key, int | np.integer) and not isinstance(key, bool):
            row = _rows([key], len(self))[0]
            return self.vocabulary.decode(
                self.codes[self.offsets[row] : self.offsets[row + 1]]
            ).tolist()
        rows = _rows(key, len(self))
        return self._heads(rows, self.lengths[rows])

    def prefixes(self, index: ArrayLike, lengths: ArrayLike) -> Sessions:
        """Return sessions cut to their first events.

        Users, ids, times and the annotator follow. Labels are made again by the annotator, so that
        none depends on what comes after the prefix; without annotator they are cut. `target_start`
        is dropped.

        Parameters
        ----------
        index : array-like of int, shape (n_prefixes,)
            Which session each prefix is taken from, in any order, with repetitions.
        lengths : int or array-like of int, shape (n_prefixes,)
            How many events to keep of it, 0 to its length.

        Returns
        -------
        Sessions
            Row k is session ``index[k]`` cut to its first ``lengths[k]`` events.

        Raises
        ------
        ValueError
            If a prefix is longer than its session.

        Examples
        --------
        >>> Sessions.from_lists([["tea", "cup", "pot"]]).prefixes([0, 0], [1, 2]).to_lists()
        [['tea'], ['tea', 'cup']]
        """
        rows = _rows(index, len(self))
        wanted = np.broadcast_to(_integers(lengths, "lengths", np.int64), rows.shape)
        wrong = (wanted < 0) | (wanted > self.lengths[rows])
        if wrong.any():
            k = int(wrong.argmax())
            raise ValueError(
                f"lengths[{k}]={wanted[k]} does not fit session {rows[k]} of {self.lengths[rows[k]]} events."
            )
        return self._heads(rows, wanted)._replace(target_start=None)._labelled_again()

    def split_last(self) -> tuple[Sessions, NDArray[Any], NDArray[np.int64]]:
        """Last event of every session, parted from what comes before it.

        Sessions of a single event, or of none, are left out.

        Returns
        -------
        inputs : Sessions
            The other sessions without their last events, as :meth:`prefixes` cuts them;
            `target_start` stays.
        last_events : ndarray of shape (n_inputs,)
            Item ids.
        rows : ndarray of shape (n_inputs,), int64
            Index of the session that each input is taken from.

        Examples
        --------
        >>> inputs, last_events, rows = Sessions.from_lists([["a"], ["b", "c", "d"]]).split_last()
        >>> inputs.to_lists(), last_events.tolist(), rows.tolist()
        ([['b', 'c']], ['d'], [1])
        """
        rows = np.flatnonzero(self.lengths >= 2)
        inputs = self.prefixes(rows, self.lengths[rows] - 1)
        if self.target_start is not None:
            inputs = inputs._replace(target_start=self.target_start[rows])
        last_events = self.vocabulary.decode(self.codes[self.offsets[rows + 1] - 1])
        return inputs, last_events, rows

    def filter(
        self,
        *,
        min_length: int = 1,
        min_item_support: int = 1,
        min_user_sessions: int = 1,
        top_items: int | None = None,
        until_stable: bool = False,
    ) -> Sessions:
        """Keep frequent items, long sessions and active users, in the order of the parameters below.

        Parameters
        ----------
        top_items : int, optional
            Keep the events of this many most frequent items, ties by code.
        min_item_support : int
            Keep the events of items with at least this many events.
        min_length : int
            Keep the sessions with at least this many events; empty ones always go.
        min_user_sessions : int
            Keep the sessions of users with at least this many sessions.
        until_stable : bool
            Repeat all of it until nothing changes, as each filter can undo what another has
            reached.

        Returns
        -------
        Sessions
            With the same vocabulary; its `report` says what each filter left.

        Raises
        ------
        ValueError
            If nothing is left, a bound is below 1, or users are needed and not known.

        Examples
        --------
        >>> sessions = Sessions.from_lists([["tea", "cup"], ["tea", "tea"], ["pot"]])
        >>> sessions.filter(min_item_support=2, min_length=2).report
        step                sessions  events  items  mean length
        start                      3       5      3         1.67
        min_item_support=2         2       3      1         1.50
        min_length=2               1       2      1         2.00
        """
        users = None if self.users is None else Vocabulary.from_values(self.users)[1]
        bounds = {
            "top_items": top_items,
            "min_item_support": min_item_support,
            "min_length": min_length,
            "min_user_sessions": min_user_sessions,
        }
        return self._filtered(users, bounds, until_stable)

    def _filtered(
        self, users: NDArray[np.int32] | None, bounds: dict[str, int | None], until_stable: bool
    ) -> Sessions:
        survivors = Survivors(self.codes, self.lengths, users)
        report = run_filters(survivors, bounds, until_stable=until_stable)
        rows, events = np.flatnonzero(survivors.sessions), np.flatnonzero(survivors.events)
        kept = self._pick(rows, events, survivors.lengths()[rows])
        if self.target_start is not None:
            context = np.minimum(self.offsets[:-1] + self.target_start, self.offsets[1:])[rows]
            before = np.searchsorted(events, context) - kept.offsets[:-1]
            kept = kept._replace(target_start=np.maximum(before, 1).astype(np.int32))
        return kept._replace(report=report)._labelled_again()

    def _heads(self, rows: NDArray[np.int64], lengths: NDArray[np.int64]) -> Sessions:
        ends = np.cumsum(lengths)
        events = np.arange(lengths.sum()) + np.repeat(self.offsets[rows] - ends + lengths, lengths)
        return self._pick(rows, events, lengths)

    def _pick(
        self, rows: NDArray[np.int64], events: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> Sessions:
        changes: dict[str, Any] = {"offsets": np.append(0, np.cumsum(lengths)), "report": None}
        for names, index in (
            (("codes", "event_times", "labels"), events),
            (("users", "ids", "target_start"), rows),
        ):
            for name in names:
                array = getattr(self, name)
                changes[name] = None if array is None else array[index]
        return self._replace(**changes)

    def _labelled_again(self) -> Sessions:
        if self.annotator is None:
            return self
        bare = self._replace(labels=None, annotator=None)
        return bare.with_labels(self.annotator.label_events(bare), self.annotator)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sessions):
            return NotImplemented
        names = ("offsets", "ids", "users", "event_times", "labels", "target_start")
        return all(
            _same(getattr(self, name), getattr(other, name)) for name in names
        ) and np.array_equal(
            self.vocabulary.decode(self.codes), other.vocabulary.decode(other.codes)
        )

    def __repr__(self) -> str:
        known = [name for name in ("users", "event_times") if getattr(self, name) is not None]
        known += [] if self.labels is None else [f"{self.labels.shape[1]} label columns"]
        counts = f"{len(self):,} sessions, {self.n_events:,} events, {len(self.vocabulary):,} items"
        return f"Sessions({counts}{'; ' if known else ''}{', '.join(known)})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise TypeError(
            "sessions differ in length and make no array; use .codes and .offsets, or .to_lists()."
        )


def as_sessions(X: Any, name: str = "X") -> Sessions:
    """Return X itself if it is a Sessions, or the Sessions of a list of lists of item ids.

    Parameters
    ----------
    X : Sessions or list of lists, tuples or arrays
    name : str
        What X is called in error messages.

    Returns
    -------
    Sessions

    Raises
    ------
    TypeError
        If X is neither.

    Examples
    --------
    >>> as_sessions([["tea", "cup"], ["pot"]])
    Sessions(2 sessions, 3 events, 3 items)
    """
    return X if isinstance(X, Sessions) else Sessions.from_lists(_checked_lists(X, name))
