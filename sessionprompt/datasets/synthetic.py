"""Synthetic sessions from a world of clustered items, as predictable as asked."""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import check_seed, is_integer, is_number
from ..sessions import Sessions
from ..vocabulary import Vocabulary
from .world import World

EPOCH = 1_704_067_200  # 2024-01-01 00:00 UTC
DAY = 86_400
MEAN_PAUSE = 60  # seconds between the events of a session

BOUNDS: dict[str, tuple[type, float, float]] = {
    "n_sessions": (Integral, 1, math.inf),
    "n_items": (Integral, 1, math.inf),
    "n_clusters": (Integral, 1, math.inf),
    "mean_length": (Real, 2, math.inf),
    "predictability": (Real, 0, 1),
    "popularity_skew": (Real, 0, math.inf),
    "cluster_stay": (Real, 0, 1),
    "repeat_rate": (Real, 0, 1),
    "n_users": (Integral, 1, math.inf),
    "n_days": (Real, 0, 36_500),
}


def make_sessions(
    n_sessions: int = 1000,
    *,
    n_items: int = 200,
    n_clusters: int = 8,
    mean_length: float = 5.0,
    predictability: float = 0.8,
    popularity_skew: float = 1.0,
    cluster_stay: float = 0.9,
    repeat_rate: float = 0.0,
    n_users: int | None = None,
    n_days: float = 30,
    return_clusters: bool = False,
    random_state: Any = None,
) -> Any:
    """Sessions from a world of clustered items, as predictable as asked.

    Every item belongs to a cluster, and the items of a cluster stand in a ring, so each has one
    successor. A step repeats its item with probability `repeat_rate`; otherwise it goes to the
    successor with probability `predictability`; otherwise it draws an item by popularity, from the
    same cluster with probability `cluster_stay`, else from the whole catalogue (a draw may hit the
    successor or the item itself).

    Parameters
    ----------
    n_sessions : int
        Number of sessions.
    n_items : int
        Items of the catalogue; rare ones may occur in no session.
    n_clusters : int
        Clusters of the catalogue, at most `n_items`; their sizes differ by one item at most.
    mean_length : float
        Expected number of events of a session, at least 2. Lengths are 2 plus a geometric number.
    predictability : float
        Share of the steps that go to the successor, 0 to 1. With 1 the item decides the next one;
        with 0, and `cluster_stay` and `popularity_skew` at 0, the items are uniform noise.
    popularity_skew : float
        The item at popularity rank r is drawn with a weight of ``r ** -popularity_skew``; 0 makes
        all alike.
    cluster_stay : float
        Share of the draws that stay in the cluster, 0 to 1.
    repeat_rate : float
        Share of the steps that repeat the item, 0 to 1.
    n_users : int, optional
        Users to share the sessions among. Every user has a favourite cluster, in which a session
        starts with probability `cluster_stay`. By default users are unknown, and sessions start
        anywhere.
    n_days : float
        Days from 2024-01-01 over which the sessions start, up to 36500.
    return_clusters : bool
        Whether to return the clusters too.
    random_state : int, Generator, RandomState or None
        Seed. The world and the times do not change with the dials that only steer the steps.

    Returns
    -------
    sessions : Sessions
        Sessions sorted by the time of their last event, with event times in seconds since 1970.
    clusters : dict of str to int
        Cluster of each item of the catalogue; only with ``return_clusters=True``.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong kind or out of bounds.

    Examples
    --------
    >>> ring = make_sessions(3, n_items=5, n_clusters=1, predictability=1.0, random_state=0)
    >>> for session in ring:
    ...     print(*session)
    item-3 item-4 item-1 item-2 item-0 item-3 item-4 item-1 item-2 item-0 item-3
    item-2 item-0 item-3 item-4
    item-0 item-3 item-4 item-1
    """
    _check_dials(locals())
    check_seed(random_state)
    rng = np.random.default_rng(random_state)
    world = World.build(rng, n_items, n_clusters, popularity_skew)
    lengths = 1 + rng.geometric(1 / (mean_length - 1), n_sessions)
    offsets = np.append(0, np.cumsum(lengths))
    times = _event_times(rng, offsets, n_days)
    users, homes = _users(rng, n_sessions, n_users, n_clusters)
    numbers = world.walk(rng, homes, offsets, predictability, cluster_stay, repeat_rate)
    ids = _names("item", n_items)
    sessions = _by_time(numbers, ids, offsets, users, times)
    if not return_clusters:
        return sessions
    return sessions, dict(zip(ids.tolist(), world.clusters().tolist(), strict=True))


def make_events(n_sessions: int = 1000, *, return_clusters: bool = False, **dials: Any) -> Any:
    """Events of `make_sessions` as the columns of a log, one row per event, sorted by time.

    Parameters
    ----------
    n_sessions : int
        Number of sessions.
    return_clusters : bool
        Whether to return the clusters too.
    **dials
        The other parameters of `make_sessions`.

    Returns
    -------
    events : dict of str to ndarray of shape (n_events,)
        Columns ``session``, ``item``, ``time`` (seconds since 1970) and, with `n_users`, ``user``,
        ready for ``pandas.DataFrame`` or ``polars.DataFrame``.
    clusters : dict of str to int
        Cluster of each item of the catalogue; only with ``return_clusters=True``.

    Examples
    --------
    >>> import pandas as pd
    >>> from sessionprompt.sessions import Sessions
    >>> frame = pd.DataFrame(make_events(50, random_state=0))
    >>> sessions = Sessions.from_events(frame, session="session", item="item", time="time")
    >>> sessions == make_sessions(50, random_state=0)
    True
    """
    sessions, clusters = make_sessions(n_sessions, return_clusters=True, **dials)
    log = np.argsort(sessions.event_times, kind="stable")
    events = {
        "session": np.repeat(sessions.ids, sessions.lengths)[log],
        "item": sessions.vocabulary.decode(sessions.codes)[log],
        "time": sessions.event_times[log],
    }
    if sessions.users is not None:
        events["user"] = np.repeat(sessions.users, sessions.lengths)[log]
    if return_clusters:
        return events, clusters
    return events


def _check_dials(given: dict[str, Any]) -> None:
    for name, (kind, low, high) in BOUNDS.items():
        if name != "n_users" or given[name] is not None:
            _check_dial(name, given[name], kind, low, high)
    if given["n_clusters"] > given["n_items"]:
        raise ValueError(
            f"n_clusters={given['n_clusters']} is larger than n_items={given['n_items']}; "
            "ask for at most one cluster per item."
        )


def _check_dial(name: str, value: Any, kind: type, low: float, high: float) -> None:
    noun = "a number"
    fits = is_number(value)
    if kind is Integral:
        noun = "an integer"
        fits = is_integer(value)
    if not fits:
        raise TypeError(f"{name}={value!r} is not {noun}; give {noun} of at least {low}.")
    if not low <= value <= high or math.isinf(value):
        span = f"from {low} to {high}"
        if math.isinf(high):
            span = f"of at least {low}"
        raise ValueError(f"{name}={value} is out of bounds; give {noun} {span}.")


def _names(kind: str, n: int) -> NDArray[Any]:
    width = len(str(n - 1))
    return np.array([f"{kind}-{number:0{width}d}" for number in range(n)], dtype=object)


def _event_times(
    rng: np.random.Generator, offsets: NDArray[np.int64], n_days: float
) -> NDArray[np.int64]:
    first = EPOCH + rng.integers(max(1, int(n_days * DAY)), size=len(offsets) - 1)
    passed = np.cumsum(rng.geometric(1 / MEAN_PAUSE, offsets[-1]))
    return passed + np.repeat(first - passed[offsets[:-1]], np.diff(offsets))


def _users(
    rng: np.random.Generator, n_sessions: int, n_users: int | None, n_clusters: int
) -> tuple[NDArray[Any] | None, NDArray[np.int64] | None]:
    """User of each session and the user's favourite cluster."""
    if n_users is None:
        return None, None
    user = rng.integers(n_users, size=n_sessions)  # (n_sessions,)
    favourites = rng.integers(n_clusters, size=n_users)
    return _names("user", n_users)[user], favourites[user]


def _by_time(
    numbers: NDArray[np.int64],
    ids: NDArray[Any],
    offsets: NDArray[np.int64],
    users: NDArray[Any] | None,
    times: NDArray[np.int64],
) -> Sessions:
    """Sessions of these item numbers, in the order of their ends."""
    used, inverse = np.unique(numbers, return_inverse=True)
    starts = times[offsets[:-1]]
    ends = times[offsets[1:] - 1]
    order = np.lexsort((starts, ends))
    vocabulary = Vocabulary(ids[used])
    codes = inverse.astype(np.int32)
    sessions = Sessions(codes, offsets, vocabulary, users=users, event_times=times)
    return replace(sessions[order], ids=None)
