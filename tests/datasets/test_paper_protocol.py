"""The filter and the splits of the paper."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sessionprompt.datasets import make_sessions, paper_filter, split_protocol
from sessionprompt.model_selection import within_session_split
from sessionprompt.sessions import Sessions


def test_the_filter_in_plain_loops() -> None:
    sessions = make_sessions(400, n_users=80, mean_length=3.5, n_items=50, random_state=0)
    long = [
        (user, session)
        for user, session in zip(sessions.users, sessions, strict=True)
        if len(session) >= 3
    ]
    per_user = Counter(user for user, _ in long)
    expected = [(user, session) for user, session in long if per_user[user] >= 5]
    kept = paper_filter(sessions)
    assert 0 < len(kept) < len(long) < len(sessions)
    assert list(zip(kept.users, kept, strict=True)) == expected
    assert kept.vocabulary.ids.tolist() == sorted(
        {item for _, session in expected for item in session}
    )
    assert [step["step"] for step in kept.report.steps] == [
        "start",
        "min_length=3",
        "min_user_sessions=5",
    ]
    assert paper_filter(kept).report.steps[:3] == kept.report.steps


def test_the_filter_needs_users() -> None:
    with pytest.raises(ValueError, match="needs users"):
        paper_filter(Sessions.from_lists([["a", "b", "c"]] * 5))


@pytest.mark.parametrize("n", [3, 14, 16, 100, 1001])
def test_sessions_are_split_by_time(n: int) -> None:
    times = np.random.default_rng(0).permutation(n)
    sessions = Sessions.from_lists([[i, i] for i in range(n)], times=times)
    split = split_protocol(sessions)
    tenth = max(1, round(n / 10))
    assert [len(part) for part in split] == [n - 2 * tenth, tenth, tenth]
    parts = [set(part.times.tolist()) for part in split]
    assert parts == [
        set(range(n - 2 * tenth)),
        set(range(n - 2 * tenth, n - tenth)),
        set(range(n - tenth, n)),
    ]


def test_the_split_within_sessions_is_that_of_the_reference_code() -> None:
    sessions = make_sessions(30, random_state=0)
    for part, expected in zip(
        split_protocol(sessions, "within_session"), within_session_split(sessions), strict=True
    ):
        assert part == expected


def test_impossible_splits() -> None:
    message = r"protocol='random' is not known; choose one of \['sessions', 'within_session'\]"
    with pytest.raises(ValueError, match=message):
        split_protocol([["a", "b"]] * 5, "random")
    with pytest.raises(ValueError, match="2 sessions cannot be split in three; give at least 3"):
        split_protocol([["a", "b"]] * 2)
