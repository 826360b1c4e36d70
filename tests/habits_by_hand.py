"""Habits of a prefix, stay by stay: the slow twin of what blends read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, groupby
from typing import Any


def habits_by_hand(prefix: Sequence[Any]) -> dict[str, float]:
    """Shares by name; negative items are unknown, each of them another one."""
    unknown = count(-1, -1)
    known = {item for item in prefix if isinstance(item, str) or item >= 0}
    renamed = [item if item in known else next(unknown) for item in prefix]
    stays = [(item, len(list(events))) for item, events in groupby(renamed)]
    item, length = stays[-1]
    reached = [earlier for _, earlier in stays[:-1] if earlier >= length]
    stayed = sum(earlier > length for earlier in reached)
    places = [place for place, _ in stays]
    returned = sum(place in places[:number] for number, place in enumerate(places))
    moves = len(stays) - 1
    return {
        "stayed": stayed / (len(reached) + 1),
        "left": (len(reached) - stayed) / (len(reached) + 1),
        "returned": returned / (moves + 1),
        "moved on": (moves - returned) / (moves + 1),
        "just returned": float(item in places[:-1]),
    }


def bonus_of_habits(weights: dict[str, float], prefix: Sequence[Any], item: Any) -> float:
    """What an item of a prefix gains by them, under the weights of a blend by name."""
    which = "earlier item"
    if prefix[-1] == item:
        which = "last item"
    habits = habits_by_hand(prefix)
    return sum(weights[f"{which} if {habit}"] * share for habit, share in habits.items())
