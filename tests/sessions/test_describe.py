"""Descriptions of logs, and what notebooks show of sessions and reports."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt import Sessions

LISTS = st.lists(st.lists(st.integers(0, 5), max_size=5), min_size=1, max_size=12)


def slow_shares(lists: list[list[int]], n_new: int) -> tuple[float | None, float | None]:
    """Shares of repeats and of cold targets, event by event."""
    repeats = [item in row[:place] for row in lists for place, item in enumerate(row) if place]
    old = {item for row in lists[: len(lists) - n_new] for item in row}
    new = lists[len(lists) - n_new :]
    cold = [item not in old for row in new for item in row[1:]]
    shares = [float(np.mean(values)) if values else None for values in (repeats, cold)]
    return shares[0], shares[1]


@settings(max_examples=30, deadline=None)
@given(LISTS)
def test_shares_are_those_of_the_definition(lists: list[list[int]]) -> None:
    described = Sessions.from_lists(lists).describe(newest=0.3)
    repeat, cold = slow_shares(lists, round(0.3 * len(lists)))
    assert described["repeat_share"] == pytest.approx(repeat)
    assert described["cold_share"] == pytest.approx(cold)
    assert described["events"] == sum(map(len, lists))
    assert described["items"] == len({item for row in lists for item in row})
    assert described["max_length"] == max(map(len, lists))
    json.dumps(dict(described), default=str)


def test_newest_sessions_are_newest_by_time() -> None:
    events = pd.DataFrame(
        {
            "session": [1, 1, 2, 2, 3, 3],
            "item": ["a", "b", "c", "d", "a", "b"],
            "time": pd.to_datetime(["2026-03-01", "2026-03-02"] * 3),
            "user": ["u", "u", "v", "v", "u", "u"],
        }
    )
    events.loc[events["session"] == 2, "time"] += pd.Timedelta("9D")
    sessions = Sessions.from_events(events, session="session", time="time", user="user")
    described = sessions[[1, 0, 2]].describe(newest=1 / 3)
    assert described["cold_share"] == 1.0 and described["users"] == 2
    assert described["end"] - described["start"] == described["span"] == np.timedelta64(10, "D")
    assert "2026-03-11" in repr(described)


def test_shares_are_of_the_targets_where_some_are_chosen() -> None:
    sessions = Sessions.from_lists([["a", "b"], ["a", "a", "c", "c"], ["b", "b"]])
    described = sessions.with_targets([False] * 4 + [True, False, True, False]).describe(newest=0.6)
    assert described["repeat_share"] == 0.0 and described["cold_share"] == 1.0  # a, a -> c
    assert sessions.describe(newest=0.6)["repeat_share"] == 3 / 5


def test_shares_out_of_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="newest=1.5 must be between 0 and 1"):
        Sessions.from_lists([["a"]]).describe(newest=1.5)
    assert Sessions.from_lists([]).describe()["mean_length"] is None


def test_notebooks_show_sessions_and_reports() -> None:
    lists = [["<tea>", *map(str, range(20))], *[["cup"]] * 9]
    sessions = Sessions.from_lists(lists).filter(min_length=1)
    html = sessions._repr_html_()
    assert "&lt;tea&gt;" in html and "<tea>" not in html
    assert "and 13 more" in html and "10 sessions" in html and html.count("<tr>") == 7
    assert sessions.report is not None
    report = sessions.report._repr_html_()
    assert report.count("<tr>") == 1 + len(sessions.report.steps) and "mean length" in report
