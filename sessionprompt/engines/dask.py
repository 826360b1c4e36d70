"""Frames of Dask: what is kept lies in the memory of the workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw

from .engine import Engine, Step

__all__ = ["DaskEngine"]


class DaskEngine(Engine):
    """A frame of Dask, whose windows know no order: such steps run on whole groups in pandas."""

    def __init__(self, native: Any) -> None:
        super().__init__(native)
        self.persisted: list[Any] = []

    def with_rows(self, frame: nw.LazyFrame[Any], name: str) -> nw.LazyFrame[Any]:
        """Frame with one more column, of integers that rise in the order of its rows."""
        return _numbered(frame.to_native(), name)

    def with_places(
        self, frame: nw.LazyFrame[Any], name: str, order_by: Sequence[str]
    ) -> nw.LazyFrame[Any]:
        """Frame with one more column, of the places 0 to n-1 of its rows in an order."""
        return _numbered(frame.to_native().sort_values(list(order_by)), name)

    def kept(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Frame of the same rows, computed by the workers and left there."""
        native = frame.to_native().persist()
        self.persisted.append(native)
        return nw.from_native(native)

    def by_group(
        self, frame: nw.LazyFrame[Any], groups: Sequence[str], step: Step
    ) -> nw.LazyFrame[Any]:
        """Frame after a step of expressions over windows, each of which lies inside one group."""

        def run(partition: Any) -> Any:
            whole = partition.reset_index(drop=True)
            return nw.to_native(step(nw.from_native(whole, eager_only=True)))

        return nw.from_native(frame.to_native().shuffle(on=list(groups)).map_partitions(run))

    def close(self) -> None:
        """Let the workers forget all that was kept."""
        self.persisted.clear()


def _numbered(native: Any, name: str) -> nw.LazyFrame[Any]:
    """Frame with one more column, of the places of its rows as they stand."""
    ones = native.assign(**{name: 1})
    return nw.from_native(ones.assign(**{name: ones[name].cumsum() - 1}))
