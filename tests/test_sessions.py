"""The container of sessions: making, cutting, filtering, and what scikit-learn does with it."""

from __future__ import annotations

import pickle
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold, KFold, cross_validate, train_test_split
from sklearn.utils import _safe_indexing, check_consistent_length, indexable

from sessionprompt.sessions import Sessions, as_sessions
from sessionprompt.vocabulary import Vocabulary

LAWS = settings(max_examples=50, deadline=None)
BACKENDS = ["pandas", "polars", "pyarrow"]
LISTS = st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), min_size=1, max_size=8)
MAKE = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


class PositionParity:
    """Labels each event by whether the length of its session is odd: a label that looks ahead."""

    def label_events(self, sessions: Sessions) -> np.ndarray:
        assert sessions.labels is None
        return np.repeat(sessions.lengths % 2, sessions.lengths).astype(np.int32)[:, None]


@pytest.fixture
def five() -> Sessions:
    """Five sessions, one of them empty, with everything a session can have."""
    lists = [["a", "b", "c"], ["b"], [], ["d", "a"], ["c", "c", "c", "a"]]
    made = Sessions.from_lists(lists, users=["u", "v", "u", "w", "v"], ids=[10, 11, 12, 13, 14])
    return Sessions(
        made.codes,
        made.offsets,
        made.vocabulary,
        users=made.users,
        ids=made.ids,
        event_times=np.arange(10) * 10,
        labels=np.arange(20).reshape(10, 2),
        target_start=[2, 1, 1, 1, 3],
    )


# ---- lists
# -----------------------------------------------------------------------------------------------------


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


# ---- the container
# ---------------------------------------------------------------------------------------------


def with_all(n_events: int = 2, **changes: Any) -> Sessions:
    fields = {
        "codes": np.zeros(n_events, int),
        "offsets": [0, n_events],
        "vocabulary": Vocabulary(["a"]),
    }
    return Sessions(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"codes": [0, 1]},
            ValueError,
            "codes must be at least 0 and below 1, the size of the vocabulary",
        ),
        ({"codes": [0, -1]}, ValueError, "codes must be at least 0"),
        ({"codes": [0.0, 0.0]}, TypeError, "codes must be integers, got float64"),
        ({"codes": [[0, 0]]}, ValueError, "one dimension"),
        ({"offsets": [0, 1]}, ValueError, "offsets must rise from 0 to the number of events, 2"),
        ({"offsets": [0, 2, 1, 2]}, ValueError, "offsets must rise"),
        ({"offsets": []}, ValueError, "one dimension"),
        ({"users": ["u", "v"]}, ValueError, r"users has shape \(2,\), but must have 1 values"),
        ({"users": [None]}, ValueError, "'users' has a missing value"),
        ({"ids": [1, 2]}, ValueError, r"ids has shape \(2,\), but must have 1"),
        ({"event_times": [1]}, ValueError, r"event_times has shape \(1,\), but must have 2"),
        ({"event_times": [1, np.nan]}, ValueError, r"event_times\[1\] is missing"),
        (
            {"event_times": ["x", "y"]},
            TypeError,
            "event_times must be an array of numbers or datetime64",
        ),
        (
            {"labels": [[1]]},
            ValueError,
            r"labels has shape \(1, 1\), but must have one row for each of 2 events",
        ),
        ({"labels": [0.5, 1]}, TypeError, "labels must be integers"),
        ({"target_start": [0]}, ValueError, "target_start must be at least 1"),
        ({"target_start": [1, 1]}, ValueError, "target_start has shape"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        with_all(**changes)


def test_dtypes_of_the_container(five: Sessions) -> None:
    assert (five.codes.dtype, five.offsets.dtype, five.labels.dtype) == (
        np.int32,
        np.int64,
        np.int32,
    )
    assert (five.target_start.dtype, five.users.dtype, five.ids.dtype) == (
        np.int32,
        object,
        np.int64,
    )
    assert with_all(labels=[3, 4]).labels.tolist() == [[3], [4]]


@pytest.mark.parametrize(
    "copy", [lambda s: s, lambda s: pickle.loads(pickle.dumps(s)), lambda s: s[:]]
)
def test_sessions_are_immutable(five: Sessions, copy: Any) -> None:
    sessions = copy(five)
    for name in ("codes", "offsets", "users", "event_times", "labels", "ids", "target_start"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(sessions, name)[:] = 0
        with pytest.raises(AttributeError):
            setattr(sessions, name, None)


def test_the_arrays_given_stay_writable() -> None:
    codes = np.zeros(2, dtype=np.int32)
    with_all(codes=codes)
    codes[0] = 3
    assert codes.tolist() == [3, 0]


def test_equality_compares_ids_and_not_codes(five: Sessions) -> None:
    assert five == pickle.loads(pickle.dumps(five)) == five[:]
    assert (
        five != five[::-1]
        and five != five.to_lists()
        and five != five.with_labels(np.zeros(10, int))
    )
    wide = Sessions.from_lists([["b"]], vocabulary=Vocabulary(["a", "b"]))
    assert wide == Sessions.from_lists([["b"]]) != Sessions.from_lists([["a"]])
    assert Sessions.from_lists([["a"]], times=[1]) != Sessions.from_lists([["a"]])
    dated = Sessions.from_lists([["a"]], times=np.array(["2020"], dtype="datetime64[D]"))
    assert dated != Sessions.from_lists([["a"]], times=[1])
    with pytest.raises(TypeError, match="unhashable"):
        hash(five)


def test_sessions_make_no_array(five: Sessions) -> None:
    with pytest.raises(TypeError, match=r"use .codes and .offsets, or .to_lists\(\)"):
        np.asarray(five)


def test_repr_counts(five: Sessions) -> None:
    expected = "Sessions(5 sessions, 10 events, 4 items; users, event_times, 2 label columns)"
    assert repr(five) == expected


# ---- slices and prefixes
# ---------------------------------------------------------------------------------------


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


# ---- events
# ----------------------------------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from("abcd"), st.integers(0, 40)),
    min_size=1,
    max_size=25,
)


def sessions_by_hand(
    rows: list[tuple[int, int, str, int]], key: Any, gap: float | None, timed: bool
) -> list[list[str]]:
    """Group, sort and cut events one by one."""
    groups: dict[Any, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(key(row), []).append(number)
    sessions = []
    for numbers in groups.values():
        ordered = sorted(numbers, key=lambda number: (rows[number][3] if timed else 0, number))
        session = [ordered[0]]
        for before, number in pairwise(ordered):
            if gap is not None and rows[number][3] - rows[before][3] > gap:
                sessions.append(session)
                session = []
            session.append(number)
        sessions.append(session)
    sessions.sort(key=lambda session: (rows[session[-1]][3] if timed else 0, min(session)))
    return [[rows[number][2] for number in session] for session in sessions]


OWNERS = {
    "session": (dict(session="s"), lambda row: row[1]),
    "user": (dict(user="u"), lambda row: row[0]),
    "pair": (dict(user="u", session="s"), lambda row: row[:2]),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("owner", list(OWNERS))
@LAWS
@given(rows=ROWS, gap=st.sampled_from([None, 1, 5, 12.5]), timed=st.booleans())
def test_events_become_the_sessions_made_by_hand(
    backend: str, owner: str, rows: list[tuple[int, int, str, int]], gap: float | None, timed: bool
) -> None:
    names, key = OWNERS[owner]
    gap = gap if timed else None
    events = MAKE[backend](
        dict(zip(["u", "s", "i", "t"], map(list, zip(*rows, strict=True)), strict=True))
    )
    sessions = Sessions.from_events(events, item="i", time="t" if timed else None, gap=gap, **names)
    assert sessions.to_lists() == sessions_by_hand(rows, key, gap, timed)
    if timed:
        assert (np.diff(sessions.times) >= 0).all()
    if gap is not None:
        assert sessions.ids.tolist() == list(range(len(sessions)))


def test_users_ids_and_times_follow_the_sessions() -> None:
    events = pd.DataFrame(
        {
            "user": ["v", "u", "u", "v", "u"],
            "visit": [1, 1, 1, 2, 2],
            "item": ["a", "b", "c", "d", "e"],
            "time": [9, 4, 2, 5, 8],
        }
    )
    sessions = Sessions.from_events(events, user="user", session="visit", time="time")
    assert sessions.to_lists() == [["c", "b"], ["d"], ["e"], ["a"]]
    assert sessions.users.tolist() == ["u", "v", "u", "v"]
    assert sessions.ids.tolist() == [1, 2, 2, 1]
    assert sessions.event_times.tolist() == [2, 4, 5, 8, 9]
    only_user = Sessions.from_events(events, user="user", time="time")
    assert only_user.ids.tolist() == only_user.users.tolist() == ["u", "v"]
    assert Sessions.from_events(events, session="visit").users is None


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dated", [True, False])
@LAWS
@given(
    lists=st.lists(
        st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4), min_size=1, max_size=6
    )
)
def test_events_and_sessions_round_trip(backend: Any, dated: bool, lists: list[list[str]]) -> None:
    n = len(lists)
    times = np.arange(n) + (np.datetime64("2020-01-01T12:00", "s") if dated else 0)
    sessions = Sessions.from_lists(
        lists, users=[f"u{i % 2}" for i in range(n)], times=times, ids=np.arange(n)[::-1]
    )
    events = sessions.to_events(backend)
    assert type(events).__module__.startswith(backend)
    back = Sessions.from_events(events, session="session", item="item", time="time", user="user")
    assert back == sessions
    bare = Sessions.from_lists(lists)
    assert Sessions.from_events(bare.to_events(backend), session="session") == bare


def test_to_events_numbers_the_positions(five: Sessions) -> None:
    events = five.to_events()
    assert list(events.columns) == ["session", "item", "position", "user", "time"]
    assert events.position.tolist() == [0, 1, 2, 0, 0, 1, 0, 1, 2, 3]
    assert events.session.tolist() == [10, 10, 10, 11, 13, 13, 14, 14, 14, 14]
    with pytest.raises(ValueError, match="Unsupported backend"):
        five.to_events("abacus")


MORNING = [datetime(2020, 1, 1, 10, minute) for minute in (0, 30, 59)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("gap", "lengths"),
    [
        ("29min", [1, 1, 1]),
        ("29.5 min", [1, 2]),
        ("1800s", [3]),
        (timedelta(minutes=29), [1, 2]),
        (np.timedelta64(30, "m"), [3]),
        ("0.5h", [3]),
        ("1d", [3]),
    ],
)
def test_gaps_in_words(backend: str, gap: Any, lengths: list[int]) -> None:
    lengths = [1, 2] if gap == "29min" else lengths
    events = MAKE[backend]({"user": [1, 1, 1], "item": [1, 2, 3], "time": MORNING})
    sessions = Sessions.from_events(events, user="user", time="time", gap=gap)
    assert sessions.lengths.tolist() == lengths


@pytest.mark.parametrize(
    ("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]
)
@pytest.mark.parametrize("dtype", ["int64", "float64", "uint64", "Int64"])
def test_a_gap_in_words_is_measured_in_the_unit_of_the_times(
    unit: str, factor: int, dtype: str
) -> None:
    times = pd.Series([(1_600_000_000 + s) * factor for s in (0, 60, 121)]).astype(dtype)
    events = pd.DataFrame({"user": 1, "item": [1, 2, 3], "time": times})
    sessions = Sessions.from_events(events, user="user", time="time", gap="1min", unit=unit)
    assert sessions.lengths.tolist() == [2, 1]
    assert sessions.event_times.dtype == dtype.lower()
    by_number = Sessions.from_events(events, user="user", time="time", gap=60 * factor, unit=unit)
    assert by_number == sessions


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", None])
def test_datetimes_are_told_in_utc(backend: str, zone: str | None) -> None:
    times = pd.Series(MORNING).dt.tz_localize(zone)
    frame = pd.DataFrame({"user": 1, "item": [1, 2, 3], "time": times})
    events = {"pandas": lambda f: f, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}[
        backend
    ](frame)
    sessions = Sessions.from_events(events, user="user", time="time")
    hour = 9 if zone == "Europe/Berlin" else 10
    assert sessions.event_times[0] == np.datetime64(f"2020-01-01T{hour:02}:00")
    assert sessions.event_times.dtype.kind == "M"


def test_dates_are_times() -> None:
    events = pl.DataFrame(
        {"user": [1, 1], "item": [1, 2], "time": [date(2020, 1, 1), date(2020, 1, 3)]}
    )
    assert len(Sessions.from_events(events, user="user", time="time", gap="47h")) == 2
    assert len(Sessions.from_events(events, user="user", time="time", gap="2d")) == 1


ITEMS = ["pear", "fig", "pear", "apple"]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(ITEMS),
        pd.Series(ITEMS, dtype=object),
        pd.Series(ITEMS, dtype="string[pyarrow]"),
        pd.Series(ITEMS, dtype="category"),
        pl.Series(ITEMS),
        pl.Series(ITEMS, dtype=pl.Categorical),
        pl.Series(ITEMS, dtype=pl.Enum(["fig", "pear", "apple", "plum"])),
        pa.array(ITEMS),
        pa.array(ITEMS).dictionary_encode(),
        pa.chunked_array(
            [pa.array(ITEMS[:1]).dictionary_encode(), pa.array(ITEMS[1:]).dictionary_encode()]
        ),
    ],
    ids=lambda column: (
        f"{type(column).__module__.split('.')[0]}-{getattr(column, 'dtype', None) or column.type}"
    ),
)
def test_strings_and_categories_of_every_library(column: Any) -> None:
    library = type(column).__module__.split(".")[0]
    events = MAKE[library]({"item": column, "session": [1, 1, 2, 2]})
    sessions = Sessions.from_events(events, session="session")
    assert sessions.to_lists() == [["pear", "fig"], ["pear", "apple"]]
    assert sessions.vocabulary == Vocabulary(["apple", "fig", "pear"])
    assert [type(id_) for id_ in sessions.vocabulary.ids] == [str] * 3


@pytest.mark.parametrize(
    ("items", "dtype"),
    [
        ([7, 3], "category"),
        ([7, 3], "int8"),
        ([7, 3], "Int64"),
        ([7.5, 3.0], "float32"),
        ([2**64 - 1, 3], "uint64"),
        ([("a", 1), ("b", 2)], object),
        ([b"a", b"b"], object),
    ],
)
def test_ids_of_other_kinds(items: list[Any], dtype: Any) -> None:
    events = pd.DataFrame(
        {"item": pd.Series(items, dtype=dtype), "session": [date(2020, 1, 1)] * 2}
    )
    sessions = Sessions.from_events(events, session="session")
    assert sessions.to_lists() == [items]
    assert sessions.ids.tolist() == [date(2020, 1, 1)]


def test_duplicates() -> None:
    events = pd.DataFrame({"item": list("abaab"), "s": [1, 1, 1, 2, 1], "t": [3, 4, 3, 3, 5]})
    kept = Sessions.from_events(events, session="s", time="t")
    assert kept.to_lists() == [["a"], ["a", "a", "b", "b"]]
    dropped = Sessions.from_events(events, session="s", time="t", duplicates="drop")
    assert dropped.to_lists() == [["a"], ["a", "b", "b"]]
    start, after = dropped.report.steps[:2]
    assert (start["events"], after["step"], after["events"]) == (5, "duplicates=drop", 4)
    message = "row 2 of the events repeats row 0, and 1 rows in all repeat"
    with pytest.raises(ValueError, match=message):
        Sessions.from_events(events, session="s", time="t", duplicates="error")
    assert Sessions.from_events(events[:2], session="s", duplicates="error").n_events == 2


@LAWS
@given(ROWS)
def test_dropping_duplicates_keeps_the_first_of_each(rows: list[tuple[int, int, str, int]]) -> None:
    frame = pd.DataFrame(rows, columns=["u", "s", "i", "t"])
    names = dict(item="i", time="t", user="u", session="s")
    dropped = Sessions.from_events(frame, duplicates="drop", **names)
    assert dropped == Sessions.from_events(frame.drop_duplicates(), **names)


EVENTS = pd.DataFrame({"item": ["a", "b", "c"], "user": [1, 1, 2], "ts": [1, 2, 3]})
DATED = EVENTS.assign(ts=pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]))


@pytest.mark.parametrize(
    ("events", "changes", "error", "message"),
    [
        (
            EVENTS,
            {"item": "itm"},
            ValueError,
            "column 'itm' is not in the events; they have 'item', 'user', 'ts'.",
        ),
        (EVENTS[:0], {}, ValueError, "events has no rows"),
        (
            pl.from_pandas(EVENTS).lazy(),
            {},
            TypeError,
            r"events is a lazy frame; call .collect\(\)",
        ),
        (
            {"item": ["a"]},
            {},
            TypeError,
            "pandas, polars or pyarrow table, got dict; .* Sessions.from_lists",
        ),
        (EVENTS, {"user": None}, ValueError, r"pass session=, or user= \(with gap=\)"),
        (EVENTS, {"time": None, "gap": "30min"}, ValueError, "gap='30min' needs times; pass time="),
        (
            EVENTS,
            {"gap": "30"},
            ValueError,
            "gap='30' is not understood; write a number and one of s, min, h, d",
        ),
        (EVENTS, {"gap": "-1min"}, ValueError, "is not understood"),
        (EVENTS, {"gap": "0s"}, ValueError, "gap='0s' must be longer than zero"),
        (EVENTS, {"gap": -1}, ValueError, "gap=-1 must be longer than zero"),
        (EVENTS, {"gap": float("nan")}, ValueError, "gap=nan must be longer than zero"),
        (EVENTS, {"gap": np.timedelta64("NaT")}, ValueError, "must be longer than zero"),
        (EVENTS, {"gap": True}, TypeError, "gap=True must be a string"),
        (
            EVENTS,
            {"gap": ["1h"]},
            TypeError,
            "must be a string such as '30min', a timedelta, or a number",
        ),
        (
            DATED,
            {"gap": 30},
            ValueError,
            "gap=30 has no unit, and the times are datetimes; pass '30min'",
        ),
        (
            EVENTS,
            {"unit": "min"},
            ValueError,
            r"unit='min' is not known; choose one of \['ms', 'ns', 's', 'us'\]",
        ),
        (EVENTS, {"duplicates": "first"}, ValueError, "duplicates='first' is not known"),
        (
            EVENTS.assign(ts=["x", "y", "z"]),
            {},
            TypeError,
            "'ts' holds String, not times; convert it to datetime",
        ),
        (DATED.assign(ts=DATED.ts.astype(object)), {}, TypeError, "'ts' holds Object, not times"),
        (EVENTS.assign(ts=[True] * 3), {}, TypeError, "'ts' holds Boolean, not times"),
        (EVENTS.assign(ts=[1, np.nan, 3]), {}, ValueError, "'ts', row 1: time nan is missing"),
        (
            pl.DataFrame({"item": [1], "user": [1], "ts": [np.nan]}),
            {},
            ValueError,
            "row 0: time nan is missing",
        ),
        (
            DATED.assign(ts=DATED.ts.where([True, True, False])),
            {},
            ValueError,
            "row 2: time NaT is missing",
        ),
        (EVENTS.assign(ts=[1, 2, -3]), {}, ValueError, "row 2: time -3 is negative"),
        (
            EVENTS.assign(ts=[1, np.inf, 3]),
            {},
            ValueError,
            "row 1: time inf is negative or infinite",
        ),
        (
            EVENTS.assign(ts=EVENTS.ts * 10**12),
            {},
            ValueError,
            "looks like milliseconds; pass unit='ms'",
        ),
        (
            EVENTS.assign(item=["a", None, "c"]),
            {},
            ValueError,
            r"'item' has a missing value .* in row 1; drop",
        ),
        (
            EVENTS.assign(user=[1, 2, np.nan]),
            {},
            ValueError,
            r"'user' has a missing value \(nan\) in row 2",
        ),
        (
            EVENTS.assign(item=["a", 1, "c"]),
            {},
            TypeError,
            "mixes kinds: 'a' in row 0 .* 1 in row 1 is a number",
        ),
        (
            EVENTS.assign(item=["a", "b", 5]),
            {},
            TypeError,
            "mixes kinds: 'a' in row 0 .* 5 in row 2",
        ),
        (
            EVENTS.assign(item=[True] * 3),
            {},
            TypeError,
            "'item' holds True in row 0, and a boolean is no id",
        ),
        (EVENTS.assign(item=[[1]] * 3), {}, TypeError, "a list is no id"),
        (
            EVENTS,
            {"min_length": 3},
            ValueError,
            "the filters left nothing; lower the bounds.\nstep",
        ),
        (EVENTS, {"min_length": 0}, ValueError, "min_length=0 must be an integer of at least 1"),
        (EVENTS, {"top_items": 2.5}, ValueError, "top_items=2.5 must be an integer"),
        (
            EVENTS,
            {"min_item_support": True},
            ValueError,
            "min_item_support=True must be an integer",
        ),
        (
            EVENTS,
            {"user": None, "session": "user", "min_user_sessions": 2},
            ValueError,
            "min_user_sessions=2 needs users, and they are not known",
        ),
    ],
)
def test_bad_events_are_refused_in_words(
    events: Any, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Sessions.from_events(events, **{"user": "user", "time": "ts", **changes})


def test_a_fault_far_down_a_text_column_is_found() -> None:
    items = [f"i{k % 7}" for k in range(300)] + [5]
    with pytest.raises(TypeError, match="'i0' in row 0 is a string, 5 in row 300 is a number"):
        Sessions.from_events(pd.DataFrame({"item": items, "session": 1}), session="session")


def test_milliseconds_are_fine_when_said() -> None:
    events = EVENTS.assign(ts=EVENTS.ts * 10**12)
    sessions = Sessions.from_events(events, user="user", time="ts", unit="ms")
    assert sessions.event_times.tolist() == [10**12, 2 * 10**12, 3 * 10**12]


# ---- filters
# ---------------------------------------------------------------------------------------------------


def filtered_by_hand(
    lists: list[list[str]], users: list[int], bounds: dict[str, int | None], until_stable: bool
) -> list[list[str]]:
    """Filter session by session and item by item."""
    world = list(zip(lists, users, strict=True))
    while True:
        before = world
        counts = Counter(sorted(item for session, _ in world for item in session))
        if bounds["top_items"]:
            top = {item for item, _ in counts.most_common(bounds["top_items"])}
            world = [([i for i in session if i in top], user) for session, user in world]
        counts = Counter(item for session, _ in world for item in session)
        world = [([i for i in s if counts[i] >= bounds["min_item_support"]], u) for s, u in world]
        world = [(session, user) for session, user in world if len(session) >= bounds["min_length"]]
        active = Counter(user for _, user in world)
        world = [
            (session, user)
            for session, user in world
            if active[user] >= bounds["min_user_sessions"]
        ]
        if not until_stable or world == before:
            return [session for session, _ in world]


BOUNDS = st.fixed_dictionaries(
    {
        "top_items": st.sampled_from([None, 1, 3, 5]),
        "min_item_support": st.integers(1, 3),
        "min_length": st.integers(1, 3),
        "min_user_sessions": st.integers(1, 3),
    }
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from("abcdef"), max_size=6), st.integers(0, 2)),
        min_size=1,
        max_size=9,
    ),
    BOUNDS,
    st.booleans(),
)
def test_filters_do_what_is_done_by_hand(
    world: Any, bounds: dict[str, Any], until_stable: bool
) -> None:
    lists, users = [session for session, _ in world], [user for _, user in world]
    sessions = Sessions.from_lists(lists, users=users)
    expected = filtered_by_hand(lists, users, bounds, until_stable)
    if not expected:
        with pytest.raises(ValueError, match="the filters left nothing"):
            sessions.filter(**bounds, until_stable=until_stable)
        return
    filtered = sessions.filter(**bounds, until_stable=until_stable)
    assert filtered.to_lists() == expected
    assert filtered.vocabulary is sessions.vocabulary
    assert filtered.users.tolist() == [users[i] for i in filtered.ids]
    last = filtered.report.steps[-1]
    assert (last["sessions"], last["events"]) == (len(filtered), filtered.n_events)
    assert last["items"] == len(set(filtered.codes)) and last["users"] == len(set(filtered.users))
    if until_stable:
        assert filtered.filter(**bounds) == filtered


def test_the_report_tells_each_step() -> None:
    sessions = Sessions.from_lists([list("abc"), list("ab"), ["c"], ["d"]], users=[1, 1, 2, 2])
    report = sessions.filter(min_item_support=2, min_length=2).report
    assert report.steps == [
        {"step": "start", "sessions": 4, "events": 7, "items": 4, "users": 2},
        {"step": "min_item_support=2", "sessions": 3, "events": 6, "items": 3, "users": 2},
        {"step": "min_length=2", "sessions": 2, "events": 5, "items": 3, "users": 1},
    ]
    first, *_, last = str(report).splitlines()
    assert first.split() == ["step", "sessions", "events", "items", "users", "mean", "length"]
    assert last.split() == ["min_length=2", "2", "5", "3", "1", "2.50"]
    assert sessions.report is None and sessions.filter()[:2].report is None


def test_rounds_are_named_until_nothing_changes() -> None:
    sessions = Sessions.from_lists([list("ab"), list("bc"), list("cd"), list("dd"), list("dd")])
    report = sessions.filter(min_item_support=2, min_length=2, until_stable=True).report
    assert [step["step"] for step in report.steps][-2:] == [
        "min_item_support=2, round 3",
        "min_length=2, round 3",
    ]
    assert report.steps[-1]["sessions"] == 2
    again = sessions.filter(min_length=2, until_stable=True).report
    assert [step["step"] for step in again.steps] == ["start", "min_length=2"]


def test_filtered_events_have_a_vocabulary_of_what_is_left() -> None:
    events = pd.DataFrame({"item": list("abcab"), "user": [1, 1, 1, 2, 2], "ts": [0, 1, 2, 3, 999]})
    sessions = Sessions.from_events(
        events, user="user", time="ts", gap=10, min_item_support=2, min_length=2
    )
    assert sessions.to_lists() == [["a", "b"]]
    assert sessions.vocabulary == Vocabulary(["a", "b"])
    assert sessions.ids.tolist() == [0]
    assert [step["step"] for step in sessions.report.steps] == [
        "start",
        "min_item_support=2",
        "min_length=2",
    ]


def test_target_start_moves_with_the_events_that_go(five: Sessions) -> None:
    assert five.filter(top_items=2).to_lists() == [["a", "c"], ["a"], ["c", "c", "c", "a"]]
    assert five.filter(top_items=2).target_start.tolist() == [1, 1, 3]
    assert five.filter(min_length=2).target_start.tolist() == [2, 1, 3]


def test_labels_and_times_follow_the_events_that_stay(five: Sessions) -> None:
    filtered = five.filter(top_items=2)
    assert filtered.event_times.tolist() == [0, 20, 50, 60, 70, 80, 90]
    assert filtered.labels[:, 0].tolist() == [0, 4, 10, 12, 14, 16, 18]


# ---- scikit-learn
# ----------------------------------------------------------------------------------------------


class LongestSession(BaseEstimator):
    """Remembers what it was fitted on; scores by the share of sessions that are a list of known items."""

    def fit(self, X: Sessions, y: Any = None) -> LongestSession:
        assert isinstance(X, Sessions)
        self.items_ = {item for session in X for item in session}
        return self

    def score(self, X: Sessions, y: Any = None) -> float:
        assert isinstance(X, Sessions)
        return float(np.mean([set(session) <= self.items_ for session in X]))


def test_scikit_learn_indexes_sessions(five: Sessions) -> None:
    check_consistent_length(five, np.arange(5))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_consistent_length(five, np.arange(4))
    assert indexable(five)[0] is five
    for key in ([3, 0], np.array([3, 0]), np.array([True, False, False, True, False]), slice(1, 3)):
        assert _safe_indexing(five, key) == five[key]
    assert _safe_indexing(five, 3) == ["d", "a"]
    train, test = train_test_split(five, test_size=2, shuffle=False)
    assert (train, test) == (five[:3], five[3:])


def test_cross_validation_hands_out_sessions() -> None:
    sessions = Sessions.from_lists(
        [[i % 3, i % 2] for i in range(12)], users=[i // 2 for i in range(12)]
    )
    for cv, groups in ((KFold(3), None), (GroupKFold(2), sessions.users)):
        scores = cross_validate(
            LongestSession(), sessions, cv=cv, groups=groups, error_score="raise"
        )
        assert scores["test_score"].tolist() == [1.0] * cv.get_n_splits()


# ---- real logs
# -------------------------------------------------------------------------------------------------


def test_the_published_counts_of_a_news_log(data_dir: Path) -> None:
    events = pl.read_parquet(data_dir / "globo.parquet")
    sessions = Sessions.from_events(
        events,
        user="user_id",
        session="session_id",
        item="item_id",
        time="ts",
        min_length=3,
        min_user_sessions=5,
    )
    last = sessions.report.steps[-1]
    assert (last["sessions"], last["events"], last["items"], last["users"]) == (
        177_973,
        828_965,
        21_781,
        21_862,
    )
