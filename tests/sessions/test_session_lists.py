"""Sessions made of lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt.sessions import Sessions, as_sessions
from sessionprompt.vocabulary import Vocabulary

LAWS = settings(max_examples=50, deadline=None)
LISTS = st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), min_size=1, max_size=8)


@LAWS
@given(LISTS)
def test_lists_come_back(lists: list[list[str]]) -> None:
    sessions = Sessions.from_lists(lists)
    assert (
        sessions.to_lists()
        == lists
        == list(sessions)
        == [sessions[i] for i in range(len(sessions))]
    )
    assert len(sessions) == len(lists) and sessions.shape == (len(lists),)
    assert sessions.lengths.tolist() == [len(session) for session in lists]
    assert sessions.n_events == sum(map(len, lists))
    assert sessions.ids.tolist() == list(range(len(lists)))
    assert sessions.vocabulary.ids.tolist() == sorted(set().union(*lists))


def test_tuples_arrays_and_integers_make_sessions() -> None:
    sessions = as_sessions(([3, 1], (1,), np.array([7, 3])))
    assert sessions.to_lists() == [[3, 1], [1], [7, 3]]
    assert as_sessions(sessions) is sessions
    assert (as_sessions([]).shape, as_sessions([[]]).shape) == ((0,), (1,))


def test_times_of_lists_are_times_of_all_their_events() -> None:
    sessions = Sessions.from_lists([["a", "b"], ["c"]], times=[5, 3])
    assert sessions.event_times.tolist() == [5, 5, 3]
    assert sessions.times.tolist() == [5, 3]


def test_an_empty_session_has_no_time() -> None:
    assert np.isnan(Sessions.from_lists([["a"], []], times=[5, 3]).times).tolist() == [False, True]
    dated = Sessions.from_lists(
        [["a"], []], times=np.array(["2020-01-01"] * 2, dtype="datetime64[D]")
    )
    assert np.isnat(dated.times).tolist() == [False, True]
    assert Sessions.from_lists([["a"]]).times is None


def test_lists_can_be_read_with_a_given_vocabulary() -> None:
    vocabulary = Vocabulary(["a", "b", "c"])
    sessions = Sessions.from_lists([["c"], ["a"]], vocabulary=vocabulary)
    assert sessions.vocabulary is vocabulary and sessions.codes.tolist() == [2, 0]
    with pytest.raises(
        ValueError, match="item 'x' in session 1, position 0 is not in the vocabulary"
    ):
        Sessions.from_lists([["c"], ["x"]], vocabulary=vocabulary)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("abc", TypeError, "Z must be a list of sessions, each a list of item ids, got str"),
        (["a", "b"], TypeError, r"it holds str values; pass one session as \[session\]"),
        ([1, 2], TypeError, "it holds int values"),
        ([["a"], None], TypeError, "it holds NoneType values"),
        ([{"a"}], TypeError, "it holds set values"),
        ({"s": ["a"]}, TypeError, "got dict"),
        (None, TypeError, "got NoneType"),
        (np.ones((2, 2)), TypeError, r"got ndarray; convert it with .tolist\(\)"),
        (
            pd.DataFrame({"a": [1]}),
            TypeError,
            "got DataFrame; for a table of events use Sessions.from_events",
        ),
        (
            pl.DataFrame({"a": [1]}),
            TypeError,
            "got DataFrame; for a table of events use Sessions.from_events",
        ),
        (
            [[1], ["a", "b"]],
            TypeError,
            "mixes kinds: 1 in session 0, position 0 .* 'a' in session 1, position 0",
        ),
        ([["a"], [], ["b", None]], ValueError, r"missing value \(None\) in session 2, position 1"),
        ([[1, True]], TypeError, "holds True in session 0, position 1"),
        ([[["a"]]], TypeError, "a list is no id"),
    ],
)
def test_what_is_no_list_of_sessions_is_refused(
    X: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        as_sessions(X, name="Z")


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, np.int64(2**60 + 1), 2**2000])
def test_integers_that_no_float_equals_do_not_stand_beside_floats(number: int) -> None:
    with pytest.raises(ValueError, match="in session 0, position 1, which no float equals"):
        Sessions.from_lists([[1, number], [0.5]])
    assert Sessions.from_lists([[1, number], [2]]).to_lists() == [[1, int(number)], [2]]
    assert Sessions.from_lists([[2**53, 2**60], [0.5]]).to_lists() == [[2**53, 2**60], [0.5]]
