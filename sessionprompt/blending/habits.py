"""Habits of a prefix: how often it has stayed at an item or gone back to one, when it could."""

from __future__ import annotations

import numpy as np

__all__ = ["HABITS", "OF_EARLIER", "OF_LAST", "habit_columns", "habits_of"]

HABITS = ("stayed", "left", "returned", "moved on", "just returned")
OF_LAST = tuple(f"last item if {habit}" for habit in HABITS)
OF_EARLIER = tuple(f"earlier item if {habit}" for habit in HABITS)


def habits_of(item: np.ndarray, lengths: np.ndarray, n_distinct: np.ndarray) -> np.ndarray:
    """Habits of some prefixes, as shares.

    A stay is a run of events of one item. With the present stay j events long, `stayed` and `left`
    tell how many of the earlier stays that reached j events went on and ended there; `returned` and
    `moved on` how many of the moves between items led to an item that the prefix had seen, and to
    another. Both are divided by the number of cases and one more, so few cases say little.
    `just returned` is 1 if the present stay is at an item that the prefix had left before. Unknown
    items are other items each time.

    Parameters
    ----------
    item : ndarray of shape (n_events,)
        Codes of the events of one prefix after another, negative where unknown.
    lengths : ndarray of shape (n_rows,)
        Events of each prefix, 1 or more.
    n_distinct : ndarray of shape (n_rows,)
        Distinct known items of each prefix.

    Returns
    -------
    ndarray of shape (n_rows, 5)
        Columns as in `HABITS`.
    """
    ends = np.cumsum(lengths)  # (n_rows,)
    starts = ends - lengths  # (n_rows,)
    known = item >= 0  # (n_events,)
    arrives = ~known  # (n_events,)
    arrives[1:] |= item[1:] != item[:-1]
    arrives[starts] = True
    event = np.arange(len(item))
    place = event - np.maximum.accumulate(event * arrives)  # (n_events,), in its stay
    now = place[ends - 1]  # (n_rows,)
    ahead = place - np.repeat(now, lengths)  # (n_events,)
    at_last = known & (item == np.repeat(item[ends - 1], lengths))  # (n_events,)
    facts = np.array([ahead == 0, ahead == 1, arrives, arrives & known, at_last])
    sums = np.add.reduceat(facts, starts, axis=1, dtype=np.int64)  # (5, n_rows)
    reached, stayed, arrivals, known_arrivals, times = sums
    habits = np.empty((len(lengths), len(HABITS)))
    habits[:, 0] = stayed / reached
    habits[:, 1] = 1 - (stayed + 1) / reached
    habits[:, 2] = (known_arrivals - n_distinct) / arrivals
    habits[:, 3] = 1 - 1 / arrivals - habits[:, 2]
    habits[:, 4] = times > now + 1
    return habits


def habit_columns(steps: np.ndarray, habits: np.ndarray) -> np.ndarray:
    """Habits (n, 5) of the prefixes of some pairs, for its last item and for others, (n, 10)."""
    is_last = (steps == 0)[:, None]  # (n, 1)
    return np.concatenate([habits * is_last, habits * ~is_last], axis=1)
