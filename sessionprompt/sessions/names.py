"""Names of the columns of a table of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .targets import target_columns

__all__ = ["EventNames"]


class EventNames(NamedTuple):
    """Names of the columns of a table of events, None for those that it has not."""

    item: Any
    time: Any
    user: Any
    session: Any
    attributes: Sequence[Any]

    def known(self) -> dict[str, Any]:
        """Names of the columns of items, times, users and sessions that there are.

        Raises
        ------
        ValueError
            If there are neither users nor sessions.
        """
        if self.user is None and self.session is None:
            raise ValueError(
                "nothing says which events belong together; pass session=, or user= (with gap=)."
            )
        names = {"item": self.item, "time": self.time, "user": self.user, "session": self.session}
        return {title: name for title, name in names.items() if name is not None}

    def of_events(self, targets: Any) -> list[Any]:
        """Names of the columns of attributes, then of those by which targets are told alone."""
        told = [name for name in target_columns(targets) if name not in self.attributes]
        return [*self.attributes, *told]
