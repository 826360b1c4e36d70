"""Filters of sessions, and the report on them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt.sessions import Sessions
from sessionprompt.vocabulary import Vocabulary


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
