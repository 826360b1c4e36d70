"""Tables of items: frames of any library, or dicts of columns, in which vectors may be a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from narwhals.exceptions import DuplicateError
from scipy import sparse

from ..vocabulary import Vocabulary

__all__ = ["ItemTable"]


@dataclass(frozen=True)
class ItemTable:
    """Items of a table, each once, and its columns.

    Attributes
    ----------
    items : Vocabulary
    order : ndarray of shape (n_items,)
        Row of the table of each item.
    columns : mapping of str to sequence
    """

    items: Vocabulary
    order: np.ndarray
    columns: Mapping[Any, Sequence[Any]]

    @classmethod
    def read(cls, items: Any, item: str) -> ItemTable:
        """Table whose column `item` holds the ids."""
        columns = _columns(items)
        if item not in columns:
            raise ValueError(
                f"items has no column {item!r}; its columns are {list(columns)}. Name the column "
                "of item ids with item=."
            )
        ids = columns[item]
        vocabulary, codes = Vocabulary.from_values(_plain(item, ids), name=item)
        if not len(codes):
            raise ValueError("items is empty; give the attributes of at least one item.")
        if len(vocabulary) < len(codes):
            twice = vocabulary.ids.tolist()[np.bincount(codes).argmax()]
            count = len(codes) - len(vocabulary)
            raise ValueError(
                f"items names the item {twice!r} more than once ({count} rows too many); give "
                "each item one row, with several values in a list."
            )
        return cls(vocabulary, np.argsort(codes), columns)

    def column(self, name: str) -> Sequence[Any]:
        """Values of a column, row by row."""
        if name not in self.columns:
            raise ValueError(
                f"columns names {name!r}, which items has not; its columns are "
                f"{list(self.columns)}."
            )
        values = self.columns[name]
        if len(values) != len(self.order):
            raise ValueError(
                f"items: column {name!r} has {len(values)} rows, the ids have {len(self.order)}."
            )
        return values


class _FrameColumns(Mapping[Any, Sequence[Any]]):
    """Columns of a frame, read when they are asked for."""

    def __init__(self, frame: nw.DataFrame[Any]) -> None:
        self.frame = frame

    def __getitem__(self, name: Any) -> Sequence[Any]:
        if name not in self.frame.columns:
            raise KeyError(name)
        series = self.frame[name]
        values = series.to_list()
        for place in np.flatnonzero(series.is_null().to_numpy()):
            values[place] = None
        return values

    def __iter__(self) -> Any:
        return iter(self.frame.columns)

    def __len__(self) -> int:
        return len(self.frame.columns)


def _columns(items: Any) -> Mapping[Any, Sequence[Any]]:
    """Columns of a dict or a frame."""
    if isinstance(items, Mapping):
        return {name: _plain(name, values) for name, values in items.items()}
    try:
        return _FrameColumns(nw.from_native(items, eager_only=True))
    except DuplicateError as error:
        raise ValueError(f"items names a column twice: {error}; rename one of them.") from error
    except TypeError as error:
        raise TypeError(
            "items must be a pandas, polars or pyarrow table, or a dict of columns, got "
            f"{type(items).__name__}."
        ) from error


def _plain(name: Any, values: Any) -> Any:
    """Column of Python's own values; a matrix of vectors stays one."""
    is_listed = hasattr(values, "__len__") and not isinstance(values, str | bytes)
    if not is_listed or sparse.issparse(values) or getattr(values, "ndim", 1) > 2:
        raise TypeError(
            f"items: column {name!r} is a {type(values).__name__}, which is no list of values; "
            "give one value for each item, or a dense matrix with a row for each."
        )
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind != "M":
        return values.tolist()
    return values
