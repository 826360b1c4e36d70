"""What differs between engines, beside the expressions that narwhals gives to all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import narwhals as nw

__all__ = ["Engine"]

Step = Callable[[Any], Any]


class Engine(ABC):
    """A table whose rows an engine holds; used in a ``with``, at whose end nothing of it is left.

    Parameters
    ----------
    native : lazy frame, relation or frame of the engine
    """

    def __init__(self, native: Any) -> None:
        self.native = native

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def frame(self) -> nw.LazyFrame[Any]:
        """The table as narwhals sees it."""
        return nw.from_native(self.native)

    @abstractmethod
    def with_rows(self, frame: nw.LazyFrame[Any], name: str) -> nw.LazyFrame[Any]:
        """Frame with one more column, of integers that rise in the order of its rows."""

    def with_places(
        self, frame: nw.LazyFrame[Any], name: str, order_by: Sequence[str]
    ) -> nw.LazyFrame[Any]:
        """Frame with one more column, of the places 0 to n-1 of its rows in an order."""
        return frame.with_row_index(name, order_by=order_by)

    def with_ticks(self, frame: nw.LazyFrame[Any], name: str, unit: Any) -> nw.LazyFrame[Any]:
        """Frame in which a column of dates or datetimes counts units since 1970, in UTC."""
        return frame.with_columns(nw.col(name).dt.timestamp(unit))

    @abstractmethod
    def kept(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Frame of the same rows, which the engine computes once and keeps until the end."""

    def by_group(
        self, frame: nw.LazyFrame[Any], groups: Sequence[str], step: Step
    ) -> nw.LazyFrame[Any]:
        """Frame after a step of expressions over windows, each of which lies inside one group."""
        return step(frame)

    @abstractmethod
    def close(self) -> None:
        """Remove all that was kept."""
