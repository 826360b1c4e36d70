"""Sessions made of tables of events, and tables made of sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt.sessions import Sessions
from sessionprompt.vocabulary import Vocabulary

LAWS = settings(max_examples=25, deadline=None)  # of each backend and owner
BACKENDS = ["pandas", "polars", "pyarrow"]
MAKE = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


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


FILTERS = {
    "none": {},
    "items": {"min_item_support": 3},
    "most": {"top_items": 2, "min_length": 2},
    "all": {"min_item_support": 2, "min_length": 2, "min_user_sessions": 2, "until_stable": True},
}


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("timed", [True, False])
@settings(max_examples=12, deadline=None)
@given(rows=ROWS, gap=st.sampled_from([None, 5]))
def test_what_filters_remove_counts_for_no_order(
    filters: str, timed: bool, rows: list[tuple[int, int, str, int]], gap: float | None
) -> None:
    """Sessions are those of a table of the rows that are left; written out, they come back."""
    frame = pd.DataFrame(rows, columns=["u", "s", "i", "t"])
    names: dict[str, Any] = {"item": "i", "user": "u", "session": "s"}
    if timed:
        names |= {"time": "t", "gap": gap}
    numbered = frame.assign(i=frame["i"] + "/" + frame.index.astype(str))
    whole = Sessions.from_events(frame, **names)
    try:
        made = Sessions.from_events(frame, **names, **FILTERS[filters])
    except ValueError as error:
        assert "the filters left nothing" in str(error)
        return
    row_numbers = Sessions.from_events(numbered, **names)
    row_of = [int(item.partition("/")[2]) for session in row_numbers for item in session]
    rows_of = dict(zip(row_of, np.repeat(np.arange(len(whole)), whole.lengths), strict=True))
    kept = _kept_rows(whole, row_of, FILTERS[filters])
    groups: dict[int, list[int]] = {}
    for row in kept:
        groups.setdefault(rows_of[row], []).append(row)
    last = dict.fromkeys(groups, 0)
    if timed:
        last = {session: frame["t"][group[-1]] for session, group in groups.items()}
    order = sorted(groups, key=lambda session: (last[session], min(groups[session])))
    assert made.to_lists() == [frame["i"][groups[session]].tolist() for session in order]
    time = None
    if timed:
        time = "time"
    for backend in BACKENDS:
        events = made.to_events(backend)  # type: ignore[arg-type]
        again = Sessions.from_events(events, session="session", user="user", time=time)
        assert again == made


def _kept_rows(whole: Sessions, row_of: list[int], filters: dict[str, Any]) -> list[int]:
    """Rows that the filters of the container leave, session after session."""
    marked = replace(whole, event_times=np.array(row_of))
    return marked.filter(**filters).event_times.tolist()


def test_a_session_is_as_new_as_its_last_event_that_is_left() -> None:
    events = pd.DataFrame({"s": [1, 1, 2, 2], "item": ["a", "z", "a", "a"], "t": [0, 9, 1, 2]})
    made = Sessions.from_events(events, session="s", time="t", min_item_support=2)
    assert made.ids.tolist() == [1, 2] and made.times.tolist() == [0, 2]


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


@settings(max_examples=50, deadline=None)
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
        (EVENTS, {"gap": np.timedelta64("NaT", "s")}, ValueError, "must be longer than zero"),
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
        (
            DATED.assign(ts=[date(2020, 1, 1), "x", "y"]),
            {},
            TypeError,
            "'ts' holds str, not times",
        ),
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


KINDS = {
    "big": [2**63, 2**63 + 1, 5],
    "tuples": [(1, 2), (1, 3), (2, 1)],
    "dates": [date(2020, 1, day) for day in (1, 2, 3)],
    "uuids": [UUID(int=value) for value in (3, 1, 2)],
    "bytes": [b"a", b"b", b"c"],
    "floats": [0.5, 1.5, 2.5],
    "sets": [frozenset([value]) for value in (1, 2, 3)],
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_ids_of_every_kind_come_back_or_are_refused(kind: str, backend: Any) -> None:
    one, two, three = KINDS[kind]
    made = Sessions.from_lists([[one, two], [three]], ids=[three, one], users=[two, two])
    try:
        events = made.to_events(backend)
    except TypeError as error:
        assert "use backend='pandas'" in str(error) and backend != "pandas"
        return
    assert Sessions.from_events(events, session="session", user="user") == made


def test_milliseconds_are_fine_when_said() -> None:
    events = EVENTS.assign(ts=EVENTS.ts * 10**12)
    sessions = Sessions.from_events(events, user="user", time="ts", unit="ms")
    assert sessions.event_times.tolist() == [10**12, 2 * 10**12, 3 * 10**12]


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
