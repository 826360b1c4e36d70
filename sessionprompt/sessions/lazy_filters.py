"""Filters of events that an engine holds: it keeps which items and sessions are still there."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from ..engines import Engine

__all__ = ["LazySurvivors"]

Frame = nw.LazyFrame[Any]
COUNTED = {"item": "items", "key": "sessions"}  # what a step counts of each column


class LazySurvivors:
    """Events that are still there, and the filter steps that remove some, as `Survivors` has them.

    Parameters
    ----------
    engine : Engine
    events : narwhals LazyFrame
        Columns ``item`` and ``key`` of integers, the item and the session of each event.
    users : str or None
        Column of user ids.
    """

    def __init__(self, engine: Engine, events: Frame, users: str | None) -> None:
        self.engine = engine
        self.events = events
        self.users = users
        self.kept: dict[str, Frame] = {}  # items and sessions that are left, by their column
        self.counts: dict[str, Any] = {}  # of what is left now, where a step has counted it

    def of_items(self) -> Frame:
        """Events of the items that are left, in whichever sessions."""
        return self._among("item", self.events)

    def left(self) -> Frame:
        """Events that are left."""
        return self._among("key", self.of_items())

    def _among(self, column: str, frame: Frame) -> Frame:
        """Events of the values that were kept; these are distinct, so no join repeats an event."""
        if column not in self.kept:
            return frame
        return frame.join(self.kept[column], on=column, how="inner")

    def count(self, step: str) -> dict[str, Any]:
        """Line of the report on a step: what is left after it."""
        if not self.counts:
            wanted = {
                "sessions": nw.col("key").n_unique(),
                "events": nw.len(),
                "items": nw.col("item").n_unique(),
            }
            if self.users is not None:
                wanted["users"] = nw.col(self.users).n_unique()
            [found] = self.left().select(**wanted).collect().rows(named=True)
            counts = {name: int(number or 0) for name, number in found.items()}
            self.counts = {"users": None, **counts}
        return {"step": step, **self.counts}

    def top_items(self, bound: int) -> None:
        """Keep the events of the most frequent items, ties by code."""
        ordered = self._sizes("item").sort("n", "item", descending=[True, False])
        self._keep("item", ordered.head(bound))

    def min_item_support(self, bound: int) -> None:
        """Keep the events of items with enough events."""
        self._keep("item", self._sizes("item").filter(nw.col("n") >= bound))

    def min_length(self, bound: int) -> None:
        """Keep the sessions with enough events."""
        if bound > 1:  # none is empty
            self._keep("key", self._sizes("key").filter(nw.col("n") >= bound))

    def min_user_sessions(self, bound: int) -> None:
        """Keep the sessions of users with enough sessions."""
        if self.users is None:
            return
        sessions = self.left().select("key", self.users).unique()
        sizes = sessions.group_by(self.users).agg(n=nw.len())
        users = sizes.filter(nw.col("n") >= bound).select(self.users)
        self._keep("key", sessions.join(users, on=self.users, how="inner"))

    def _sizes(self, column: str) -> Frame:
        """Number of events of each item or session."""
        return self.left().group_by(column).agg(n=nw.len())

    def _keep(self, column: str, values: Frame) -> None:
        """Keep some of the values that are left; nothing is joined where that is all of them."""
        values = self.engine.kept(values).select(column)
        if values.select(nw.len()).collect().item() < self.counts[COUNTED[column]]:
            self.kept[column] = values
            self.counts = {}
