"""The dials of the synthetic worlds, each measured within its sampling error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from sessionprompt.datasets import make_events, make_sessions
from sessionprompt.sessions import Sessions

FLAT = {"popularity_skew": 0.0, "cluster_stay": 0.0, "predictability": 0.0}


def steps(sessions: Sessions) -> tuple[np.ndarray, np.ndarray]:
    """Item codes before and after each step."""
    inner = np.ones(sessions.n_events, dtype=bool)
    inner[sessions.offsets[:-1]] = False
    after = np.flatnonzero(inner)
    return sessions.codes[after - 1], sessions.codes[after]


def top_step_share(sessions: Sessions) -> tuple[float, int]:
    """Share of steps that go to the commonest item after theirs, and the number of steps."""
    before, after = steps(sessions)
    counts = np.zeros((len(sessions.vocabulary),) * 2)
    np.add.at(counts, (before, after), 1)
    return counts.max(axis=1).sum() / len(before), len(before)


def close(share: float, expected: float, n: int) -> bool:
    """Whether a share of n trials is within four standard errors of what is expected."""
    return abs(share - expected) <= 4 * np.sqrt(max(expected * (1 - expected), 1e-12) / n)


# ---- the dials ----


@pytest.mark.parametrize("predictability", [0.3, 0.8])
@pytest.mark.parametrize("stay", [0.0, 1.0])
def test_predictability_is_the_share_of_steps_to_the_successor(
    predictability: float, stay: float
) -> None:
    dials = {"n_items": 20, "n_clusters": 4, "popularity_skew": 0.0, "cluster_stay": stay}
    sessions = make_sessions(10_000, predictability=predictability, random_state=0, **dials)
    by_chance = stay / 5 + (1 - stay) / 20  # a draw may hit the successor
    share, n = top_step_share(sessions)
    assert close(share, predictability + (1 - predictability) * by_chance, n)


def test_a_ring_leaves_no_doubt_and_visits_each_item_of_its_cluster() -> None:
    sessions, clusters = make_sessions(
        500,
        n_items=21,
        n_clusters=3,
        mean_length=12,
        predictability=1.0,
        return_clusters=True,
        random_state=1,
    )
    assert top_step_share(sessions)[0] == 1.0
    for session in sessions:
        assert len(set(session)) == min(len(session), 7)
        assert len({clusters[item] for item in session}) == 1


def test_noise_says_nothing_about_the_next_item() -> None:
    sessions = make_sessions(20_000, n_items=12, n_clusters=3, random_state=0, **FLAT)
    counts = np.zeros((12, 12))
    np.add.at(counts, steps(sessions), 1)
    assert chi2_contingency(counts).pvalue > 0.01
    less_noise = make_sessions(
        20_000, n_items=12, n_clusters=3, random_state=0, **{**FLAT, "predictability": 0.05}
    )
    counts = np.zeros((12, 12))
    np.add.at(counts, steps(less_noise), 1)
    assert chi2_contingency(counts).pvalue < 1e-6


@pytest.mark.parametrize("skew", [0.0, 1.0, 2.0])
def test_popularity_falls_with_rank(skew: float) -> None:
    dials = {**FLAT, "popularity_skew": skew}
    sessions = make_sessions(20_000, n_items=10, n_clusters=2, random_state=0, **dials)
    found = np.sort(np.bincount(sessions.codes, minlength=10) / sessions.n_events)[::-1]
    expected = np.arange(1, 11.0) ** -skew
    expected /= expected.sum()
    spread = 4 * np.sqrt(expected * (1 - expected) / sessions.n_events)
    assert (abs(found - expected) <= 1.5 * spread).all()  # sorting adds a little to the extremes


def test_cluster_stay_is_the_share_of_draws_from_the_same_cluster() -> None:
    dials = {**FLAT, "cluster_stay": 0.6, "n_items": 40, "n_clusters": 4, "return_clusters": True}
    sessions, clusters = make_sessions(10_000, random_state=0, **dials)
    cluster = np.array([clusters[item] for item in sessions.vocabulary.ids])
    before, after = steps(sessions)
    assert close((cluster[before] == cluster[after]).mean(), 0.6 + 0.4 / 4, len(before))


def test_repeat_rate_is_the_share_of_repeats_before_all_else() -> None:
    sessions = make_sessions(
        10_000, n_items=40, predictability=1.0, repeat_rate=0.25, random_state=0
    )
    before, after = steps(sessions)
    assert close((before == after).mean(), 0.25, len(before))


@pytest.mark.parametrize("mean_length", [2, 3.5, 10])
def test_lengths_have_the_mean_asked_for_and_two_events_at_least(mean_length: float) -> None:
    lengths = make_sessions(20_000, mean_length=mean_length, random_state=0).lengths
    extra = mean_length - 2
    assert lengths.min() == 2
    assert abs(lengths.mean() - mean_length) <= 4 * np.sqrt(extra * (extra + 1) / 20_000)


def test_clusters_are_of_even_size_and_cover_the_catalogue() -> None:
    _, clusters = make_sessions(1, n_items=50, n_clusters=7, return_clusters=True, random_state=0)
    assert list(clusters) == [f"item-{number:02d}" for number in range(50)]
    assert sorted(np.bincount(list(clusters.values()))) == [7] * 6 + [8]


def test_users_start_in_their_favourite_cluster() -> None:
    dials = {**FLAT, "cluster_stay": 0.7, "n_users": 20, "return_clusters": True}
    sessions, clusters = make_sessions(10_000, n_items=50, n_clusters=5, random_state=0, **dials)
    cluster = np.array([clusters[item] for item in sessions.vocabulary.ids])
    start = cluster[sessions.codes[sessions.offsets[:-1]]]
    favourite = pd.Series(start).groupby(sessions.users).agg(lambda s: s.mode()[0])
    assert len(favourite) == 20
    assert close(
        (start == favourite[sessions.users].to_numpy()).mean(), 0.7 + 0.3 / 5, len(sessions)
    )


# ---- times, ids and frames ----


def test_sessions_come_in_order_of_time_within_the_days() -> None:
    sessions = make_sessions(2000, n_days=3, random_state=0)
    first_day = np.datetime64("2024-01-01").astype("datetime64[s]").astype(int)
    starts = sessions.event_times[sessions.offsets[:-1]]
    assert (np.diff(sessions.times) >= 0).all()
    assert starts.min() >= first_day and starts.max() < first_day + 3 * 86_400
    assert starts.max() > first_day + 2 * 86_400
    inner = np.delete(np.diff(sessions.event_times), sessions.offsets[1:-1] - 1)
    assert inner.min() >= 1 and 50 < inner.mean() < 70
    assert sessions.ids.tolist() == list(range(2000))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("n_users", [None, 5])
@pytest.mark.parametrize("n_days", [30, 0])
def test_events_read_back_give_the_sessions(frame: Any, n_users: int | None, n_days: float) -> None:
    events = make_events(300, n_users=n_users, n_days=n_days, random_state=3)
    assert (np.diff(events["time"]) >= 0).all()
    columns = {"session": "session", "item": "item", "time": "time"} | (
        {"user": "user"} if n_users else {}
    )
    assert set(events) == set(columns)
    read = Sessions.from_events(frame(events), **columns)
    assert read == make_sessions(300, n_users=n_users, n_days=n_days, random_state=3)


def test_events_come_with_clusters_when_asked() -> None:
    events, clusters = make_events(20, return_clusters=True, random_state=0)
    assert set(events["item"]) <= set(clusters)


# ---- seeds ----


def test_a_seed_decides_everything_and_leaves_global_state_alone() -> None:
    np.random.seed(0)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert make_sessions(50, random_state=7) == make_sessions(50, random_state=7)
    assert make_sessions(50, random_state=7) != make_sessions(50, random_state=8)
    assert make_sessions(50) != make_sessions(50)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@pytest.mark.parametrize("source", [np.random.default_rng, np.random.RandomState])
def test_generators_are_drawn_from(source: Any) -> None:
    generator = source(0)
    first = make_sessions(50, random_state=generator)
    assert first == make_sessions(50, random_state=source(0))
    assert first != make_sessions(50, random_state=generator)


def test_step_dials_leave_world_lengths_and_times_alone() -> None:
    one, clusters = make_sessions(
        200, predictability=0.1, n_users=9, return_clusters=True, random_state=0
    )
    other, same = make_sessions(
        200,
        predictability=0.9,
        cluster_stay=0.2,
        repeat_rate=0.3,
        n_users=9,
        return_clusters=True,
        random_state=0,
    )
    assert clusters == same
    assert (one.lengths == other.lengths).all()
    assert (one.event_times == other.event_times).all()
    assert (one.users == other.users).all()
    assert one != other


# ---- bounds ----


@settings(max_examples=40, deadline=None)
@given(
    n_sessions=st.integers(1, 30),
    n_items=st.integers(1, 30),
    data=st.data(),
    shares=st.tuples(*[st.floats(0, 1)] * 3),
    skew=st.floats(0, 300),
    mean_length=st.floats(2, 20),
)
def test_any_world_within_bounds_can_be_made(
    n_sessions, n_items, data, shares, skew, mean_length
) -> None:  # type: ignore[no-untyped-def]
    predictability, stay, repeat = shares
    sessions, clusters = make_sessions(
        n_sessions,
        n_items=n_items,
        n_clusters=data.draw(st.integers(1, n_items)),
        mean_length=mean_length,
        predictability=predictability,
        cluster_stay=stay,
        repeat_rate=repeat,
        popularity_skew=skew,
        return_clusters=True,
        random_state=0,
    )
    assert len(sessions) == n_sessions and sessions.lengths.min() >= 2
    assert len(clusters) == n_items and set(sessions.vocabulary.ids) <= set(clusters)


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"n_sessions": 0}, "n_sessions=0 is out of bounds; give an integer of at least 1."),
        ({"n_items": 0}, "n_items=0 is out of bounds; give an integer of at least 1."),
        ({"n_clusters": 0}, "n_clusters=0 is out of bounds; give an integer of at least 1."),
        (
            {"n_clusters": 300},
            "n_clusters=300 is larger than n_items=200; ask for at most one cluster per item.",
        ),
        ({"mean_length": 1.5}, "mean_length=1.5 is out of bounds; give a number of at least 2."),
        (
            {"mean_length": float("inf")},
            "mean_length=inf is out of bounds; give a number of at least 2.",
        ),
        (
            {"predictability": 1.1},
            "predictability=1.1 is out of bounds; give a number from 0 to 1.",
        ),
        (
            {"predictability": float("nan")},
            "predictability=nan is out of bounds; give a number from 0 to 1.",
        ),
        (
            {"popularity_skew": -1},
            "popularity_skew=-1 is out of bounds; give a number of at least 0.",
        ),
        ({"cluster_stay": -0.1}, "cluster_stay=-0.1 is out of bounds; give a number from 0 to 1."),
        ({"repeat_rate": 2}, "repeat_rate=2 is out of bounds; give a number from 0 to 1."),
        ({"n_users": 0}, "n_users=0 is out of bounds; give an integer of at least 1."),
        ({"n_days": -1}, "n_days=-1 is out of bounds; give a number from 0 to 36500."),
    ],
)
def test_a_dial_out_of_bounds_is_refused(dials: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        make_sessions(**{"n_sessions": 5, **dials})
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        ({"n_sessions": 10.0}, "n_sessions=10.0 is not an integer; give an integer of at least 1."),
        ({"n_users": True}, "n_users=True is not an integer; give an integer of at least 1."),
        ({"n_items": None}, "n_items=None is not an integer; give an integer of at least 1."),
        (
            {"predictability": "high"},
            "predictability='high' is not a number; give a number of at least 0.",
        ),
    ],
)
def test_a_dial_of_the_wrong_kind_is_refused(dials: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as error:
        make_sessions(**{"n_sessions": 5, **dials})
    assert str(error.value) == message


def test_an_unknown_dial_is_refused() -> None:
    with pytest.raises(TypeError, match="spin"):
        make_events(5, spin=1)
