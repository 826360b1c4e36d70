"""Synthetic sessions from a small world of clustered items, with a dial for how predictable it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from ..sessions import Sessions
from ..vocabulary import Vocabulary

EPOCH = 1_704_067_200  # 2024-01-01 00:00 UTC, in seconds since 1970
DAY = 86_400
MEAN_PAUSE = 60  # seconds between two events of a session


@overload
def make_sessions(
    n_sessions: int = ...,
    *,
    n_items: int = ...,
    n_clusters: int = ...,
    mean_length: float = ...,
    predictability: float = ...,
    popularity_skew: float = ...,
    cluster_stay: float = ...,
    repeat_rate: float = ...,
    n_users: int | None = ...,
    n_days: float = ...,
    return_clusters: Literal[False] = ...,
    random_state: Any = ...,
) -> Sessions: ...
@overload
def make_sessions(
    n_sessions: int = ...,
    *,
    n_items: int = ...,
    n_clusters: int = ...,
    mean_length: float = ...,
    predictability: float = ...,
    popularity_skew: float = ...,
    cluster_stay: float = ...,
    repeat_rate: float = ...,
    n_users: int | None = ...,
    n_days: float = ...,
    return_clusters: Literal[True],
    random_state: Any = ...,
) -> tuple[Sessions, dict[str, int]]: ...
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
) -> Sessions | tuple[Sessions, dict[str, int]]:
    """Make sessions in a world of clustered items whose next item is as predictable as asked."""
    raise NotImplementedError
