"""Orders of keys against sorting the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt._arrays import repeated, stable_order

SMALL = st.integers(-3, 3)
WIDE = st.integers(-(2**40), 2**40)
HUGE = st.integers(-(2**63), 2**63 - 1)
ROWS = [st.tuples(one, other) for one in (SMALL, WIDE, HUGE) for other in (SMALL, WIDE, HUGE)]


def order_by_hand(columns: list[list]) -> list[int]:
    """Rows sorted by the last column, then by the one before it, then by their place."""
    return sorted(
        range(len(columns[0])), key=lambda row: ([column[row] for column in columns[::-1]], row)
    )


@settings(max_examples=100, deadline=None)
@given(st.one_of([st.lists(rows, min_size=1, max_size=30) for rows in ROWS]))
def test_rows_come_in_order(rows: list[tuple[int, int]]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)]
    assert stable_order(*map(np.array, columns)).tolist() == order_by_hand(columns)


@pytest.mark.parametrize(
    "dtype", [np.int8, np.int32, np.uint8, np.uint64, np.float64, "datetime64[s]", bool]
)
def test_any_kind_of_key(dtype: str) -> None:
    values = np.random.default_rng(0).integers(-128, 128, size=200).astype(dtype)
    assert stable_order(values).tolist() == np.argsort(values, kind="stable").tolist()


@pytest.mark.parametrize("spread", [1, 100, 2**20, 2**52, 2**56])
def test_equal_keys_stay_as_they_are(spread: int) -> None:
    key = np.random.default_rng(0).integers(-5, 5, size=1000) * spread
    assert stable_order(key).tolist() == np.lexsort((np.arange(1000), key)).tolist()


def test_no_rows() -> None:
    assert stable_order(np.array([], dtype=np.int64)).tolist() == []
    assert repeated(np.array([], dtype=np.int64)).tolist() == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(SMALL, SMALL), min_size=1, max_size=30))
def test_a_row_is_repeated_if_it_was_there_before(rows: list[tuple[int, int]]) -> None:
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    assert repeated(*columns).tolist() == [row in rows[:place] for place, row in enumerate(rows)]
