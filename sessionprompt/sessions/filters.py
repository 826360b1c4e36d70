"""Filters of events and sessions, and the report on what each of them left."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._checks import check_count
from ..tables import html_table

__all__ = ["FilterReport", "Survivors", "run_filters"]

COUNTS = ("sessions", "events", "items", "users")


@dataclass(frozen=True)
class FilterReport:
    """Numbers of sessions, events, items and users left after each filter step.

    Parameters
    ----------
    steps : list of dict
        One per step, in order: ``step`` (what was done) and the numbers of ``sessions``,
        ``events``, ``items`` and ``users`` left after it, each None where it is not known.

    Examples
    --------
    >>> FilterReport([dict(step="start", sessions=2, events=5, items=4, users=None)])
    step   sessions  events  items  mean length
    start         2       5      4         2.50
    """

    steps: list[dict[str, Any]]

    def after_drop(self, n_repeats: int) -> FilterReport:
        """The report with one more step in front, that dropped so many repeated events.

        Parameters
        ----------
        n_repeats : int

        Returns
        -------
        FilterReport
        """
        start = {**self.steps[0], "events": self.steps[0]["events"] + n_repeats}
        return FilterReport([start, {**self.steps[0], "step": "duplicates=drop"}, *self.steps[1:]])

    def then(self, *later: dict[str, Any]) -> FilterReport:
        """The report with more steps at its end.

        Parameters
        ----------
        *later : dict
            As in `steps`.

        Returns
        -------
        FilterReport
        """
        return FilterReport([*self.steps, *later])

    def __repr__(self) -> str:
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(_line(row, widths) for row in rows)

    def _repr_html_(self) -> str:
        header, *rows = self._rows()
        return html_table(header, rows)

    def _rows(self) -> list[list[str]]:
        """Names of the columns, then the texts of each step."""
        counts = [name for name in COUNTS if any(step[name] is not None for step in self.steps)]
        rows = [["step", *counts, "mean length"]]
        for step in self.steps:
            numbers = [_number(step[name]) for name in counts]
            rows.append([step["step"], *numbers, _mean_length(step)])
        return rows


def _number(value: int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}"


def _mean_length(step: dict[str, Any]) -> str:
    if not step["sessions"]:
        return "-"
    return f"{step['events'] / step['sessions']:.2f}"


def _line(cells: list[str], widths: list[int]) -> str:
    """One row of the report: the name to the left, numbers to the right."""
    name = cells[0].ljust(widths[0])
    numbers = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([name, *numbers])


class Filterable(Protocol):
    """Events that filter steps, which are methods of their names, can remove some of."""

    users: Any

    def count(self, step: str) -> dict[str, Any]:
        """Line of the report on a step: what is left after it."""


class Survivors:
    """Masks of the events and sessions that are still there, and the filter steps that clear them.

    Parameters
    ----------
    codes : ndarray of shape (n_events,)
        Item code of each event.
    lengths : ndarray of shape (n_sessions,)
        Events in each session.
    users : ndarray of shape (n_sessions,) or None
        User code of each session.
    """

    def __init__(
        self, codes: NDArray[np.int32], lengths: NDArray[np.int64], users: NDArray[np.int32] | None
    ) -> None:
        self.codes = codes
        self.users = users
        self.session_of = np.repeat(np.arange(len(lengths)), lengths)
        self.events = np.ones(len(codes), dtype=bool)
        self.sessions = np.ones(len(lengths), dtype=bool)

    def lengths(self) -> NDArray[np.int64]:
        """Number of events left in each session."""
        return np.bincount(self.session_of[self.events], minlength=len(self.sessions))

    def count(self, step: str) -> dict[str, Any]:
        """Line of the report on a step: what is left after it."""
        n_users = None
        if self.users is not None:
            n_users = np.count_nonzero(np.bincount(self.users[self.sessions]))
        return {
            "step": step,
            "sessions": np.count_nonzero(self.sessions),
            "events": np.count_nonzero(self.events),
            "items": np.count_nonzero(self._item_counts()),
            "users": n_users,
        }

    def top_items(self, bound: int) -> None:
        """Keep the events of the most frequent items, ties by code."""
        counts = self._item_counts()
        keep = np.zeros(len(counts), dtype=bool)
        keep[np.argsort(-counts, kind="stable")[:bound]] = True
        self._keep_items(keep)

    def min_item_support(self, bound: int) -> None:
        """Keep the events of items with enough events."""
        self._keep_items(self._item_counts() >= bound)

    def min_length(self, bound: int) -> None:
        """Keep the sessions with enough events."""
        self._keep_sessions(self.lengths() >= bound)

    def min_user_sessions(self, bound: int) -> None:
        """Keep the sessions of users with enough sessions."""
        if self.users is None:
            return
        n_users = self.users.max(initial=-1) + 1
        counts = np.bincount(self.users[self.sessions], minlength=n_users)
        self._keep_sessions(counts[self.users] >= bound)

    def _item_counts(self) -> NDArray[np.int64]:
        return np.bincount(self.codes[self.events])

    def _keep_items(self, keep: NDArray[np.bool_]) -> None:
        self.events[self.events] = keep[self.codes[self.events]]
        self._keep_sessions(self.lengths() > 0)

    def _keep_sessions(self, keep: NDArray[np.bool_]) -> None:
        self.sessions &= keep
        self.events &= self.sessions[self.session_of]


def run_filters(
    survivors: Filterable, bounds: dict[str, int | None], *, until_stable: bool
) -> FilterReport:
    """Report on the filters, which are applied in the order given, once or until nothing changes.

    Parameters
    ----------
    survivors : Survivors or LazySurvivors
        Changed in place.
    bounds : dict
        Bound of each filter by its name; None leaves the filter out.
    until_stable : bool
        Repeat all filters until a round removes nothing.

    Returns
    -------
    FilterReport

    Raises
    ------
    ValueError
        If a bound is not a positive integer, users are needed and not known, or nothing is left.
    """
    active = _checked_bounds(bounds, survivors)
    steps = [survivors.count("start")]
    for round_ in count(1):
        done = [_apply(survivors, name, bound, round_) for name, bound in active.items()]
        if round_ > 1 and done[-1]["events"] == steps[-1]["events"]:
            break
        steps += done
        if not until_stable:
            break
    if not steps[-1]["events"]:
        raise ValueError(f"the filters left nothing; lower the bounds.\n{FilterReport(steps)}")
    return FilterReport(steps)


def _apply(survivors: Filterable, name: str, bound: int, round_: int) -> dict[str, Any]:
    """Line of the report on one filter, after it has run."""
    getattr(survivors, name)(bound)
    step = f"{name}={bound}"
    if round_ > 1:
        step += f", round {round_}"
    return survivors.count(step)


def _checked_bounds(bounds: dict[str, Any], survivors: Filterable) -> dict[str, int]:
    """Bounds that can remove something; `min_length` always can, as empty sessions go too."""
    active = {}
    for name, bound in bounds.items():
        if bound is None and name == "top_items":
            continue
        check_count(name, bound)
        if bound > 1 or name in ("top_items", "min_length"):
            active[name] = int(bound)
    if survivors.users is None and "min_user_sessions" in active:
        raise ValueError(
            f"min_user_sessions={active['min_user_sessions']} needs users, and they are not known; "
            "make the sessions with their users, or leave min_user_sessions at 1."
        )
    return active
