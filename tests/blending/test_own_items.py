"""Own items of prefixes against a loop over their events, and the columns that bonuses rest on."""

from __future__ import annotations

import numpy as np
import pytest
from habits_by_hand import habits_by_hand
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt.blending import OwnItems

PREFIXES = st.lists(st.lists(st.integers(-2, 5), min_size=1, max_size=9), min_size=1, max_size=6)


def own_of(prefixes: list[list[int]]) -> OwnItems:
    lengths = np.array([len(prefix) for prefix in prefixes])
    row = np.repeat(np.arange(len(prefixes)), lengths)
    steps = np.concatenate([np.arange(length)[::-1] for length in lengths])
    return OwnItems.of(row, np.concatenate(prefixes).astype(int), steps, lengths)


def by_hand(prefixes: list[list[int]]) -> list[tuple[int, int, int, int]]:
    return [
        (row, item, prefix[::-1].index(item), prefix.count(item))
        for row, prefix in enumerate(prefixes)
        for item in sorted({item for item in prefix if item >= 0})
    ]


def as_tuples(own: OwnItems) -> list[tuple[int, ...]]:
    return list(
        zip(*(part.tolist() for part in (own.row, own.item, own.steps, own.counts)), strict=True)
    )


@given(PREFIXES)
@settings(max_examples=60)
def test_own_items_are_those_of_a_loop(prefixes: list[list[int]]) -> None:
    own = own_of(prefixes)
    assert as_tuples(own) == by_hand(prefixes)
    rows = np.arange(len(prefixes))[::2]
    taken = own.take(rows)
    assert as_tuples(taken) == by_hand(prefixes[::2])
    assert taken.lengths.tolist() == [len(prefix) for prefix in prefixes[::2]]
    by_prefix = np.array([list(habits_by_hand(prefix).values()) for prefix in prefixes])
    np.testing.assert_allclose(own.habits, by_prefix, atol=1e-12)
    np.testing.assert_array_equal(taken.habits, own.habits[::2])
    assert as_tuples(OwnItems.join([own, taken])) == by_hand(prefixes + prefixes[::2])


def test_columns_of_one_pair() -> None:
    own = own_of([[3, 3, 1, 1, 1, 2]])
    [first] = own.columns[own.item == 3]
    # four steps back, seen twice, a third of the events, length 6
    expected = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, np.log(2), 1 / 3, 0, 0, 1, 0, 0]
    # both earlier stays went on after one event, neither move returned
    habits = [2 / 3, 0, 0, 2 / 3, 0]
    assert first.tolist() == pytest.approx([*expected, *[0] * 5, *habits])
    [last] = own.columns[own.item == 2]
    assert last[-10:].tolist() == pytest.approx([*habits, *[0] * 5])


def test_long_prefixes_stay_in_range() -> None:
    own = own_of([[7] * 400 + [1]])
    assert own.counts.max() == own.lengths.max() == 255
