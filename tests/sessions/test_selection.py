"""Slices and prefixes of sessions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt.sessions import Sessions

LAWS = settings(max_examples=50, deadline=None)
LISTS = st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), min_size=1, max_size=8)


class PositionParity:
    """Labels each event by whether the length of its session is odd: a label that looks ahead."""

    def label_events(self, sessions: Sessions) -> np.ndarray:
        assert sessions.labels is None
        return np.repeat(sessions.lengths % 2, sessions.lengths).astype(np.int32)[:, None]


def rows_of(five: Sessions) -> list[tuple[Any, ...]]:
    """Everything about each session, as one tuple of Python values per session."""
    cut = list(zip(five.offsets[:-1], five.offsets[1:], strict=True))
    times = [five.event_times[a:b].tolist() for a, b in cut]
    labels = [five.labels[a:b].tolist() for a, b in cut]
    columns = (five.users.tolist(), five.ids.tolist(), five.target_start.tolist())
    return list(zip(five.to_lists(), times, labels, *columns, strict=True))


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [4, 2, 0]),
        ([3, 0, 0], [3, 0, 0]),
        (np.array([-1, 2]), [4, 2]),
        ((4, 1), None),
        (np.array([True, False, False, True, True]), [0, 3, 4]),
        ([False, True, False, False, False], [1]),
        (pd.Series([True, False, False, False, True]), [0, 4]),
        (range(2), [0, 1]),
        ([], []),
        (slice(3, 3), []),
        (([2, 1], Ellipsis), [2, 1]),
        ((np.array([False, False, True, False, True]), Ellipsis), [2, 4]),
    ],
)
def test_slices_take_everything_along(five: Sessions, key: Any, rows: list[int] | None) -> None:
    if rows is None:
        with pytest.raises(IndexError, match="sessions have one axis"):
            five[key]
        return
    cut = five[key]
    assert rows_of(cut) == [rows_of(five)[row] for row in rows]
    assert cut.vocabulary is five.vocabulary


@LAWS
@given(LISTS, st.data())
def test_slicing_twice_is_slicing_once(lists: list[list[str]], data: st.DataObject) -> None:
    sessions = Sessions.from_lists(lists)
    some = st.lists(st.integers(0, len(lists) - 1), min_size=1)
    first = np.array(data.draw(some))
    second = np.array(data.draw(st.lists(st.integers(-len(first), len(first) - 1))), dtype=int)
    assert sessions[first][second] == sessions[first[second]]


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (5, IndexError, "index 5 is out of range for 5 sessions"),
        ([-6], IndexError, "index -6 is out of range"),
        (np.ones((2, 2), int), IndexError, r"one axis, got an index of shape \(2, 2\)"),
        ([0.5], TypeError, "the index must be integers, got float64"),
        ("a", TypeError, "the index must be integers"),
        ([True], ValueError, r"the mask has shape \(1,\), but must have 5"),
        (True, ValueError, "the mask has shape"),
    ],
)
def test_bad_indices(five: Sessions, key: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        five[key]


@LAWS
@given(LISTS, st.data())
def test_prefixes_are_the_first_events(lists: list[list[str]], data: st.DataObject) -> None:
    n_events = sum(map(len, lists))
    sessions = Sessions.from_lists(lists).with_labels(np.arange(n_events))
    index = data.draw(st.lists(st.integers(0, len(lists) - 1)))
    lengths = [data.draw(st.integers(0, len(lists[i]))) for i in index]
    cut = sessions.prefixes(index, lengths)
    assert cut.to_lists() == [lists[i][:k] for i, k in zip(index, lengths, strict=True)]
    labels = [
        sessions.labels[sessions.offsets[i] :][:k, 0] for i, k in zip(index, lengths, strict=True)
    ]
    assert cut.labels[:, 0].tolist() == [label for part in labels for label in part]


def test_prefixes_keep_users_ids_and_times_but_no_target_start(five: Sessions) -> None:
    cut = five.prefixes([4, 0, -1], [2, 3, 1])
    assert (cut.users.tolist(), cut.ids.tolist()) == (["v", "u", "v"], [14, 10, 14])
    assert cut.times.tolist() == [70, 20, 60]
    assert cut.target_start is None
    assert five.prefixes([0, 4], 1).to_lists() == [["a"], ["c"]]


def test_labels_of_prefixes_are_made_again_and_do_not_look_ahead() -> None:
    annotator = PositionParity()
    sessions = Sessions.from_lists([["a", "b", "c"], ["b", "b"]])
    labelled = sessions.with_labels(annotator.label_events(sessions), annotator)
    cut = labelled.prefixes([0, 0, 1], [2, 3, 1])
    assert cut.labels[:, 0].tolist() == [0, 0, 1, 1, 1, 1]
    assert cut.annotator is annotator
    assert cut == labelled.prefixes([0, 0, 1], [2, 3, 1])
    assert labelled[[1]].labels[:, 0].tolist() == [0, 0]
    assert labelled.filter(top_items=2).labels[:, 0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("lengths", [[3, 4], [-1, 0]])
def test_a_prefix_longer_than_its_session_is_refused(five: Sessions, lengths: list[int]) -> None:
    with pytest.raises(
        ValueError, match=r"lengths\[\d\]=-?\d does not fit session \d of \d events"
    ):
        five.prefixes([0, 0], lengths)


def test_the_last_events_part_from_their_inputs() -> None:
    lists = [["a", "b", "c"], ["lone"], [], ["b", "a"]]
    X = Sessions.from_lists(lists, users=["u", "v", "w", "x"], times=np.arange(4))
    X = Sessions(X.codes, X.offsets, X.vocabulary, users=X.users, target_start=[2, 1, 1, 1])
    inputs, last_events, rows = X.split_last()
    assert inputs.to_lists() == [["a", "b"], ["b"]]
    assert last_events.tolist() == ["c", "a"]
    assert rows.tolist() == [0, 3]
    assert inputs.users.tolist() == ["u", "x"]
    assert inputs.target_start.tolist() == [2, 1]


def test_nothing_is_left_of_sessions_without_two_events() -> None:
    inputs, last_events, rows = Sessions.from_lists([["a"], []]).split_last()
    assert len(inputs) == len(last_events) == len(rows) == 0


def test_windows_are_the_newest_events_of_prefixes():
    sessions = Sessions.from_lists([["a", "b", "c", "d"], ["e"]], users=["ann", "bob"])
    windows = sessions.windows([0, 1, 0, 0], [3, 1, 4, 1], 2)
    assert windows.to_lists() == [["b", "c"], ["e"], ["c", "d"], ["a"]]
    assert windows.users.tolist() == ["ann", "bob", "ann", "ann"]
    with pytest.raises(ValueError, match=r"ends\[1\]=2 does not fit session 1 of 1 events"):
        sessions.windows([0, 1], 2, 2)
