"""Container of sessions: made of tables of events or of lists, and written back to either."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._arrays import ragged_range
from ..engines import find_engine
from ..tables import Backend, Summary, native_table
from ..vocabulary import Vocabulary
from .checks import time_column
from .columns import Numbering
from .describe import describe, html_of
from .events import read_events
from .joining import joined_columns
from .lazy import EventRules, read_lazy_events
from .lists import check_lists, read_lists
from .names import EventNames
from .spans import gap_limit
from .stored import StoredSessions

__all__ = ["Sessions", "as_sessions"]


class Sessions(StoredSessions):
    """Immutable container of sessions: all events in one flat array, and the start of each session.

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
        External id of each session, by default 0 to n-1. Such numbers tell sessions apart in this
        container and what is cut from it; in another they stand for other sessions.
    target_start : array-like of shape (n,), optional
        First position in each session that counts as a prediction target; events before it are
        context only. None stands for 1 everywhere.
    annotator : object, optional
        Has ``label_events(sessions)``, which labels the events again when sessions are cut to
        prefixes.
    report : FilterReport, optional
        What the filters removed when these sessions were made.
    numbering : Numbering, optional
        Where ids are numbers by default: the container that gave them. It follows slices.
    item_attributes : tuple of ItemAttributes, optional
        What knows attributes of the items, as `with_item_attributes` puts it here. It follows
        slices.
    event_attributes : tuple of EventAttribute, optional
        What more is known of each event, as `from_events` reads it.
    is_target : array-like of bool, shape (n_events,), optional
        Events that a model is to predict, as `with_targets` marks them. None stands for all. The
        first event of a session is none, as nothing is before it.

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

    @classmethod
    def from_events(
        cls,
        events: Any,
        *,
        item: Hashable = "item",
        time: Hashable | None = None,
        user: Hashable | None = None,
        session: Hashable | None = None,
        gap: str | float | timedelta | np.timedelta64 | None = None,
        unit: Literal["s", "ms", "us", "ns"] = "s",
        duplicates: Literal["keep", "drop", "error"] = "keep",
        min_length: int = 1,
        min_item_support: int = 1,
        min_user_sessions: int = 1,
        top_items: int | None = None,
        until_stable: bool = False,
        attributes: Iterable[str] = (),
        targets: Any = None,
    ) -> Sessions:
        """Sessions of a table that has one event per row, in any order.

        The events of a session are ordered by time, ties as the rows are. Sessions come in the
        order of their last events, ties by first appearance. Without times, both are as the rows
        are. What the filters remove counts for neither.

        Parameters
        ----------
        events : table
            Of pandas, polars or pyarrow, a dataset of pyarrow, or anything else that has
            ``__arrow_c_stream__``. A lazy frame of polars, a relation of DuckDB, or a frame of
            Spark or Dask stays where it is: the engine sorts, cuts, filters and numbers, and
            integers come back in pieces (``docs/scale-out.md``).
        item : str, or whatever the columns are called
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
        attributes : iterable of str, optional
            Columns that tell more of an event, such as what was done or on which device. Each is a
            kind of prompt of its own name for inputs, not for candidates; a missing value is none.
        targets : dict of str to values, array-like of bool, or None
            Events that are to be predicted, as in `with_targets`: values of columns, or a mask of
            the rows.

        Returns
        -------
        Sessions
            Its `report` says what the filters removed.

        Raises
        ------
        TypeError
            If `events` is no table, or of an engine that is none of these, or a column holds no
            times or mixed ids.
        ValueError
            If a column is not there, a value is missing, times are no dates in the unit but in
            another, a parameter is not possible, or no event is left.

        Examples
        --------
        >>> import pandas as pd
        >>> columns = {"user": [5, 5, 5], "item": ["tea", "cup", "pot"], "ts": [0, 60, 9000]}
        >>> events = pd.DataFrame(columns)
        >>> Sessions.from_events(events, user="user", time="ts", gap="30min").to_lists()
        [['tea', 'cup'], ['pot']]
        """
        names = EventNames(item, time, user, session, column_names(attributes))
        bounds = {
            "top_items": top_items,
            "min_item_support": min_item_support,
            "min_length": min_length,
            "min_user_sessions": min_user_sessions,
        }
        engine = find_engine(events)
        if engine is not None:
            rules = EventRules(gap, unit, duplicates, bounds, until_stable, targets)
            return cls(**read_lazy_events(engine, names, rules))._with_target()
        table = read_events(events, names, unit, targets)
        limit = gap_limit(gap, table.times, unit)
        rows = table.kept_rows(duplicates)
        cut = table.cut(rows, limit)
        made = cls(**table.event_columns(cut))._replace(**table.session_columns(cut))
        made = made._filtered(table.user_codes(cut), bounds, until_stable, cut.rows)
        made = made._without_unused_items()._with_target()
        if gap is not None:
            made = made._replace(ids=np.arange(len(made)), numbering=Numbering.new(len(made)))
        if duplicates == "drop" and made.report is not None:
            made = made._replace(report=made.report.after_drop(table.n_events - len(rows)))
        return made

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
        """Sessions of lists of item ids.

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
        lists = check_lists(lists, "lists")
        codes, offsets, vocabulary = read_lists(lists, vocabulary)
        columns = {"codes": codes, "offsets": offsets, "vocabulary": vocabulary}
        numbers = np.arange(len(lists))
        made = cls._from_checked(**columns, ids=numbers, numbering=Numbering.new(len(lists)))
        if users is None and times is None and ids is None:
            return made
        if times is not None:
            times = np.repeat(time_column(times, "times", len(lists)), made.lengths)
        columns = {"users": users, "event_times": times, "ids": ids, "numbering": None}
        return replace(made, **columns)  # type: ignore[arg-type]

    @classmethod
    def concat(cls, parts: Iterable[Any], *, renumber: bool = False) -> Sessions:
        """All sessions of several containers, one container after the other.

        Vocabularies are merged, so codes can change. Users, times and labels stay if all parts have
        them.

        Parameters
        ----------
        parts : iterable of Sessions or lists of lists
            At least one.
        renumber : bool
            Give the sessions the ids 0 to n-1 in place of their own. It is done anyway where ids
            are such numbers in all parts, and would not differ or were given separately.

        Returns
        -------
        Sessions
            Without `report`.

        Raises
        ------
        TypeError
            If a part is no Sessions, or ids or times are of several kinds.
        ValueError
            If there is no part, a column is not in all parts, labels are not of one annotator, or
            two parts have a session of one id (and one user, where users are known).

        Examples
        --------
        >>> old = Sessions.from_lists([["tea", "cup"]], users=["ann"])
        >>> new = Sessions.from_lists([["pot", "tea"]], users=["bob"])
        >>> joined = Sessions.concat([old, new])
        >>> joined.to_lists(), joined.users.tolist(), joined.ids.tolist()
        ([['tea', 'cup'], ['pot', 'tea']], ['ann', 'bob'], [0, 1])
        """
        if isinstance(parts, Sessions):
            raise TypeError("parts is one Sessions; pass a list of those to join.")
        joined = [as_sessions(part, f"part {place}") for place, part in enumerate(parts)]
        if not joined:
            raise ValueError("parts is empty; pass at least one Sessions.")
        return cls(**joined_columns(joined, renumber))

    def __iter__(self) -> Iterator[list[Any]]:
        flat = self.vocabulary.decode(self.codes).tolist()
        return (flat[start:end] for start, end in pairwise(self.offsets.tolist()))

    def to_lists(self) -> list[list[Any]]:
        """Lists of the item ids of each session."""
        return list(self)

    def to_events(self, backend: Backend = "pandas") -> Any:
        """Table with one row per event; `from_events` makes the same sessions of it.

        That holds where they stand as `from_events` would put them: by their last events, or
        without times in any order, with ids that differ (or pairs of user and id).

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}
            Library of the table; it must be installed.

        Returns
        -------
        table of that library
            Columns session, item and position; user, time, the attributes of events and is_target
            where known. Empty sessions have no row.

        Raises
        ------
        TypeError
            If the library has no column for ids of this kind.

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
            "position": ragged_range(np.zeros_like(lengths), lengths),
        }
        if self.users is not None:
            columns["user"] = np.repeat(self.users, lengths)
        if self.event_times is not None:
            columns["time"] = self.event_times
        for attribute in self.event_attributes:
            columns[attribute.name] = attribute.column()
        if self.is_target is not None:
            columns["is_target"] = self.is_target
        return native_table(columns, backend)

    def describe(self, *, newest: float = 0.1) -> Summary:
        """Summary of the log: how much there is, how long sessions are, how far a model can reach.

        Parameters
        ----------
        newest : float, default=0.1
            Share of the sessions that count as new, as in
            :func:`~sessionprompt.model_selection.temporal_train_test_split`.

        Returns
        -------
        Summary
            A dict of ``sessions``, ``events``, ``items`` (those that occur), ``users``,
            ``mean_length``, ``median_length``, ``max_length``, ``repeat_share`` (of the targets,
            which are the events after the first of their session unless some are chosen: those
            whose item stood earlier in it), ``cold_share`` (of the targets in the newest sessions:
            those whose item no older session holds),
            ``start``, ``end`` and ``span`` of the times. What is not known is None.

        Raises
        ------
        TypeError, ValueError
            If `newest` is no share between 0 and 1.

        Examples
        --------
        >>> log = Sessions.from_lists([["tea", "cup", "tea"], ["pot", "tea"], ["tea", "jam"]])
        >>> log.describe(newest=1 / 3)
        sessions            3
        events              7
        items               4
        users               -
        mean_length     2.333
        median_length       2
        max_length          3
        repeat_share     0.25
        cold_share          1
        start               -
        end                 -
        span                -
        """
        return describe(self, newest)

    def _repr_html_(self) -> str:
        return html_of(self)

    def __repr__(self) -> str:
        counts = f"{len(self):,} sessions, {self.n_events:,} events, {len(self.vocabulary):,} items"
        known = [name for name in ("users", "event_times") if getattr(self, name) is not None]
        if self.labels is not None:
            known.append(f"{self.labels.shape[1]} label columns")
        known += [attribute.name for attribute in self.event_attributes]
        if self.is_target is not None:
            known.append(f"{len(self.target_events):,} targets")
        if not known:
            return f"Sessions({counts})"
        return f"Sessions({counts}; {', '.join(known)})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise TypeError(
            "sessions differ in length and make no array; use .codes and .offsets, or "
            ".to_lists(); Sessions.concat joins some."
        )


def column_names(names: Iterable[str]) -> list[str]:
    """Names of columns, of which a single string is one."""
    if isinstance(names, str):
        return [names]
    return list(names)


def as_sessions(X: Any, name: str = "X") -> Sessions:
    """X itself if it is a Sessions, or the Sessions of a list of lists of item ids.

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
    if isinstance(X, Sessions):
        return X
    return Sessions.from_lists(check_lists(X, name))
