"""Sessions as something to choose from: rows, prefixes, and what passes the usual filters."""

from __future__ import annotations

from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._arrays import ragged_range, stable_order
from ..vocabulary import Vocabulary
from .checks import integer_array, label_columns, row_numbers
from .columns import Annotator, Describer
from .filters import Survivors, run_filters
from .target_events import SessionTargets
from .targets import target_mask

__all__ = ["SessionSelection"]


class SessionSelection(SessionTargets):
    """Sessions that are chosen from by index, cut to prefixes, filtered and labelled."""

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
            [row] = row_numbers([key], len(self))
            events = self.codes[self.offsets[row] : self.offsets[row + 1]]
            return self.vocabulary.decode(events).tolist()
        rows = row_numbers(key, len(self))
        if _is_run(rows):
            return self._run(int(rows[0]), int(rows[-1]) + 1)
        return self._heads(rows, self.lengths[rows])

    def prefixes(self, index: ArrayLike, lengths: ArrayLike) -> Self:
        """Sessions cut to their first events.

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
        >>> from sessionprompt import Sessions
        >>> Sessions.from_lists([["tea", "cup", "pot"]]).prefixes([0, 0], [1, 2]).to_lists()
        [['tea'], ['tea', 'cup']]
        """
        rows = row_numbers(index, len(self))
        wanted = self._prefix_lengths(lengths, rows, "lengths")
        return self._heads(rows, wanted)._replace(target_start=None)._labelled_again()

    def windows(self, index: ArrayLike, ends: ArrayLike, max_length: int) -> Self:
        """Newest events of prefixes: sessions cut at both ends.

        Parameters
        ----------
        index : array-like of int, shape (n_windows,)
            Which session each window is taken from, in any order, with repetitions.
        ends : int or array-like of int, shape (n_windows,)
            Length of the prefix that ends with the window, 0 to the session's length.
        max_length : int
            How many of its newest events to keep.

        Returns
        -------
        Sessions
            As of :meth:`prefixes`: labels are made again from the events that are left.

        Examples
        --------
        >>> from sessionprompt import Sessions
        >>> sessions = Sessions.from_lists([["tea", "cup", "pot"]])
        >>> sessions.windows([0, 0], [2, 3], 2).to_lists()
        [['tea', 'cup'], ['cup', 'pot']]
        """
        rows = row_numbers(index, len(self))
        stops = self._prefix_lengths(ends, rows, "ends")
        lengths = np.minimum(stops, max_length)
        events = ragged_range(self.offsets[rows] + stops - lengths, lengths)
        return self._pick(rows, events, lengths)._replace(target_start=None)._labelled_again()

    def _prefix_lengths(
        self, lengths: ArrayLike, rows: NDArray[np.int64], name: str
    ) -> NDArray[np.int64]:
        """Lengths of prefixes of these sessions, once it is sure that they fit."""
        wanted = np.broadcast_to(integer_array(lengths, name, np.int64), rows.shape)
        wrong = (wanted < 0) | (wanted > self.lengths[rows])
        if wrong.any():
            first = int(wrong.argmax())
            raise ValueError(
                f"{name}[{first}]={wanted[first]} does not fit session {rows[first]} "
                f"of {self.lengths[rows[first]]} events."
            )
        return wanted

    def split_last(self) -> tuple[Self, NDArray[Any], NDArray[np.int64]]:
        """Last event of every session, parted from what comes before it.

        Sessions of a single event, or of none, are left out. Where some events alone are targets,
        the last one of these counts, and what follows it is left out.

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
        >>> from sessionprompt import Sessions
        >>> inputs, last_events, rows = Sessions.from_lists([["a"], ["b", "c", "d"]]).split_last()
        >>> inputs.to_lists(), last_events.tolist(), rows.tolist()
        ([['b', 'c']], ['d'], [1])
        """
        rows, last = self.last_targets()
        inputs = self.prefixes(rows, last - self.offsets[rows])
        if self.target_start is not None:
            inputs = inputs._replace(target_start=self.target_start[rows])
        return inputs, self.vocabulary.decode(self.codes[last]), rows

    def filter(
        self,
        *,
        min_length: int = 1,
        min_item_support: int = 1,
        min_user_sessions: int = 1,
        top_items: int | None = None,
        until_stable: bool = False,
    ) -> Self:
        """Sessions that pass filters, which are applied in the order of the parameters below.

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
        >>> from sessionprompt import Sessions
        >>> sessions = Sessions.from_lists([["tea", "cup"], ["tea", "tea"], ["pot"]])
        >>> sessions.filter(min_item_support=2, min_length=2).report
        step                sessions  events  items  mean length
        start                      3       5      3         1.67
        min_item_support=2         2       3      1         1.50
        min_length=2               1       2      1         2.00
        """
        users = None
        if self.users is not None:
            _, users = Vocabulary.from_values(self.users)
        bounds = {
            "top_items": top_items,
            "min_item_support": min_item_support,
            "min_length": min_length,
            "min_user_sessions": min_user_sessions,
        }
        return self._filtered(users, bounds, until_stable)

    def with_labels(self, labels: ArrayLike, annotator: Annotator | None = None) -> Self:
        """The same sessions with these cluster labels.

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
        >>> from sessionprompt import Sessions
        >>> Sessions.from_lists([["tea", "cup"]]).with_labels([1, 0])
        Sessions(1 sessions, 2 events, 2 items; 1 label columns)
        """
        return self._replace(labels=label_columns(labels, self.n_events), annotator=annotator)

    def with_targets(self, targets: Any) -> Self:
        """The same sessions with word on which events a model is to predict.

        The others are context alone: inputs of the prefixes that end with them or later, items of
        the catalogue, edges of the item graph and counts. Training, validation, the weights of
        repeats and evaluation ask for targets alone.

        Parameters
        ----------
        targets : dict of str to values, array-like of bool, or None
            In a dict, the values of attributes of the events that a target must have, one of each
            attribute. An array has a value for each event. None stands for all events.

        Returns
        -------
        Sessions

        Raises
        ------
        TypeError
            If `targets` is something else.
        ValueError
            If an attribute is not known, no event has one of its values, an array has another
            shape, or every target is the first event of its session.

        Examples
        --------
        >>> from sessionprompt import Sessions
        >>> sessions = Sessions.from_lists([["tea", "cup", "pot"]])
        >>> sessions.with_targets([False, True, False]).split_last()[1].tolist()
        ['cup']
        """
        mask = target_mask(targets, self.event_attributes, self.n_events)
        return self._replace(is_target=mask)._with_target()

    def _with_target(self) -> Self:
        """The sessions themselves, once it is sure that some event is a target."""
        if self.is_target is not None and not len(self.target_events):
            raise ValueError(
                f"targets leaves none of {self.n_events:,} events to predict; the first event of "
                "a session is no target. Name other values, or give longer sessions."
            )
        return self

    def with_item_attributes(self, describer: Describer) -> Self:
        """The same sessions with something that knows attributes of their items.

        Parameters
        ----------
        describer : ItemAttributes
            Takes the place of one that knows the same kinds.

        Returns
        -------
        Sessions

        Raises
        ------
        ValueError
            If another one knows some of its kinds, and others.

        Examples
        --------
        >>> from sessionprompt import ItemAttributes, Sessions
        >>> sessions = Sessions.from_lists([["tea", "cup"]])
        >>> kinds = ItemAttributes({"item": ["tea", "cup"], "aisle": ["drink", "table"]})
        >>> sessions.with_item_attributes(kinds.fit(sessions)).item_attributes[0].kinds_
        ('aisle',)
        """
        kept = []
        for other in self.item_attributes:
            common = set(other.kinds_) & set(describer.kinds_)
            if common and set(other.kinds_) != set(describer.kinds_):
                raise ValueError(
                    f"two transformers give the attribute {min(common)!r}; leave the column out "
                    "of one of them, or rename it."
                )
            if not common:
                kept.append(other)
        return self._replace(item_attributes=(*kept, describer))

    def _filtered(
        self,
        users: NDArray[np.int32] | None,
        bounds: dict[str, int | None],
        until_stable: bool,
        table_rows: NDArray[np.int64] | None = None,
    ) -> Self:
        """Sessions that pass the filters, in the vocabulary there was; users are codes.

        With the row of a table of each event, they are put in the order of their last events.
        """
        survivors = Survivors(self.codes, self.lengths, users)
        report = run_filters(survivors, bounds, until_stable=until_stable)
        rows = np.flatnonzero(survivors.sessions)
        events = np.flatnonzero(survivors.events)
        lengths = survivors.lengths()[rows]
        if table_rows is not None and (lengths < self.lengths[rows]).any():
            order = self._order_by_last_event(events, lengths, table_rows)
            events = events[ragged_range((np.cumsum(lengths) - lengths)[order], lengths[order])]
            rows = rows[order]
            lengths = lengths[order]
        kept = self._pick(rows, events, lengths)
        if self.target_start is not None:
            context = np.minimum(self.offsets[:-1] + self.target_start, self.offsets[1:])[rows]
            before = np.searchsorted(events, context) - kept.offsets[:-1]
            kept = kept._replace(target_start=np.maximum(before, 1).astype(np.int32))
        return kept._replace(report=report)._labelled_again()

    def _order_by_last_event(
        self, events: NDArray[np.int64], lengths: NDArray[np.int64], table_rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Order of sessions of these events by their last ones, ties by the lowest row of a table.

        Without times, the lowest rows alone order them.
        """
        ends = np.cumsum(lengths)
        keys = [np.minimum.reduceat(table_rows[events], ends - lengths)]
        if self.event_times is not None:
            keys.append(self.event_times[events[ends - 1]])
        return stable_order(*keys)

    def _without_unused_items(self) -> Self:
        """The same sessions with a vocabulary of their own items alone."""
        used = np.flatnonzero(np.bincount(self.codes))
        code_of = np.zeros(len(self.vocabulary), dtype=np.int32)
        code_of[used] = np.arange(len(used))
        return self._replace(codes=code_of[self.codes], vocabulary=self.vocabulary.subset(used))

    def _heads(self, rows: NDArray[np.int64], lengths: NDArray[np.int64]) -> Self:
        """These rows, each cut to so many events, with the labels that there were."""
        events = ragged_range(self.offsets[rows], lengths)
        return self._pick(rows, events, lengths)

    def _labelled_again(self) -> Self:
        if self.annotator is None:
            return self
        bare = self._replace(labels=None, annotator=None)
        return bare.with_labels(self.annotator.label_events(bare), self.annotator)


def _is_run(rows: NDArray[np.int64]) -> bool:
    """Whether rows are neighbours, in their order."""
    if not len(rows) or rows[-1] - rows[0] != len(rows) - 1:
        return False
    return bool((np.diff(rows) == 1).all())
