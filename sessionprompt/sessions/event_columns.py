"""Columns of ids of a table of events, whatever its library: each id as a code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from ..vocabulary import Vocabulary, distinct_values, id_array

__all__ = ["Column", "read_ids"]


@dataclass(frozen=True)
class Column:
    """A column of ids: the distinct ones, in no particular order, and the one of each row."""

    ids: NDArray[Any]
    codes: NDArray[np.int32]

    def ids_in(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Ids in these rows."""
        return self.ids[self.codes[rows]]

    def in_order(self) -> tuple[Vocabulary, NDArray[np.int32]]:
        """Vocabulary of the ids, and the code of each row."""
        vocabulary, code_of = Vocabulary.from_values(self.ids)
        return vocabulary, code_of[self.codes]


def read_ids(series: nw.Series[Any]) -> Column:
    """Ids of a column, of one kind and none missing."""
    if series.is_null().any():
        id_array(series.to_list(), series.name)  # raises, and says where
    if isinstance(series.dtype, nw.String | nw.Categorical | nw.Enum):
        return _read_categories(series)
    is_wide = series.dtype in (nw.Int128, nw.UInt128)  # beyond NumPy
    if (series.dtype.is_integer() and not is_wide) or series.dtype.is_float():
        ids = id_array(series.to_numpy(), series.name)
    else:
        ids = id_array(series.to_list(), series.name)
    return Column(*distinct_values(ids))


def _read_categories(series: nw.Series[Any]) -> Column:
    """Strings, told apart by the library of the frame: far faster than a dict of Python strings."""
    _, codes = distinct_values(_category_codes(series).astype(np.int64))
    first_rows = np.empty(codes.max() + 1, dtype=np.int64)
    first_rows[codes[::-1]] = np.arange(len(codes))[::-1]
    ids = id_array(series[first_rows].to_list(), series.name, partial(_row_in_words, first_rows))
    return Column(ids, codes)


def _row_in_words(first_rows: NDArray[np.int64], place: int) -> str:
    return f"row {first_rows[place]}"


def _category_codes(series: nw.Series[Any]) -> NDArray[Any]:
    if series.implementation.is_pandas_like():
        return series.to_native().factorize()[0]
    if series.dtype == nw.String:
        series = series.cast(nw.Categorical)
    native = series.to_native()
    if series.implementation.is_polars():
        return native.to_physical().to_numpy()
    return native.combine_chunks().indices.to_numpy()
