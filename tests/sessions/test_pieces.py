"""Neighbouring sessions are views of the columns; arrays that are read in pieces come out whole."""

from __future__ import annotations

import numpy as np
import pytest

from sessionprompt import ItemClusterer, Sessions, _arrays
from sessionprompt._arrays import counted, looked_up

LISTS = [[], ["a", "b"], [], ["c"], ["d", "e", "a"], []]


@pytest.fixture(scope="module")
def sessions():
    return Sessions.from_lists(LISTS, users=list("uvwxyz"), times=range(6))


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pieces_hold_all_sessions_in_their_order(sessions, size):
    pieces = list(sessions.pieces(size))
    assert Sessions.concat(pieces) == sessions
    assert all(np.shares_memory(one.codes, sessions.codes) for one in pieces if one.n_events)


def test_sessions_without_events_are_one_piece():
    [piece] = Sessions.from_lists([[], []]).pieces(3)
    assert piece.to_lists() == [[], []]
    assert not list(Sessions.from_lists([]).pieces(3))


@pytest.mark.parametrize("key", [slice(1, 5), [2, 3, 4], np.arange(6) > 2, slice(0, 6)])
def test_neighbouring_rows_are_views_and_equal_to_copies(sessions, key):
    taken = sessions[key]
    rows = np.arange(6)[key]
    assert taken.to_lists() == [LISTS[row] for row in rows]
    assert taken.users.tolist() == [list("uvwxyz")[row] for row in rows]
    np.testing.assert_array_equal(taken.times, sessions.times[rows])
    assert np.shares_memory(taken.codes, sessions.codes)
    assert not taken.codes.flags.writeable
    assert taken.n_targets == sum(max(len(LISTS[row]) - 1, 0) for row in rows)


@pytest.mark.parametrize("key", [slice(None, None, -1), [4, 1], [3, 3, 4], slice(2, 2)])
def test_other_rows_are_copies(sessions, key):
    taken = sessions[key]
    assert taken.to_lists() == [LISTS[row] for row in np.arange(6)[key]]
    assert not np.shares_memory(taken.codes, sessions.codes)


def test_codes_are_read_in_blocks(monkeypatch, sessions):
    clusterer = ItemClusterer(random_state=0).fit(sessions)
    labels = clusterer.label_events(sessions)
    codes = np.array([2, 0, 1, 2, 2], dtype=np.int32)
    monkeypatch.setattr(_arrays, "BLOCK", 2)
    assert counted(codes, 4).tolist() == [1, 1, 3, 0]
    table = np.arange(6).reshape(3, 2)
    np.testing.assert_array_equal(looked_up(table, codes), table[codes])
    again = ItemClusterer(random_state=0).fit(sessions)
    np.testing.assert_array_equal(again.label_events(sessions), labels)
