"""The data sets of the experiments, each split in three, and a hash of what was split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _shared import data_file

from sessionprompt.datasets import Split, load_parquet, make_sessions, paper_filter, split_protocol
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.sessions import Sessions
from sessionprompt.storage import fingerprint

__all__ = ["DATA", "data_hash", "load"]


def load(name: str, protocol: str, folder: str | None, **choices: Any) -> Split:
    """Training, validation and test sessions of a data set under one of the two protocols.

    Where the data comes with a test part of its own, the protocol ``sessions`` keeps it and
    validates on the newest tenth of the rest; ``within_session`` splits the sessions of the
    training part.
    """
    loaded = DATA[name](folder, **choices)
    if isinstance(loaded, Sessions):
        return split_protocol(loaded, protocol)
    train, test = loaded
    if protocol == "within_session":
        return split_protocol(train, protocol)
    return Split(*temporal_train_test_split(train, test_size=0.1), test)


def data_hash(split: Split) -> str:
    """Sixteen digits that change with any event of any part."""
    columns = [column for part in split for column in (part.codes, part.offsets, part.target_start)]
    return fingerprint("split", *columns, split.train.vocabulary.ids)[:16]


def _official(file: str) -> Callable[..., tuple[Sessions, Sessions]]:
    def loader(folder: str | None, fraction: float = 1.0) -> tuple[Sessions, Sessions]:
        train, test = load_parquet(data_file(folder, file))
        return train[len(train) - round(fraction * len(train)) :], test

    return loader


def _with_users(file: str) -> Callable[..., Sessions]:
    def loader(folder: str | None, users: int | None = None) -> Sessions:
        """Sessions that the filter of the paper leaves, of all users or of a fixed sample."""
        sessions = paper_filter(load_parquet(data_file(folder, file)))
        if users is None:
            return sessions
        chosen = np.random.default_rng(0).permutation(np.unique(sessions.users))[:users]
        return sessions[np.isin(sessions.users, chosen)]

    return loader


def _synthetic(folder: str | None, sessions: int = 400) -> Sessions:
    """Sessions of a small world, which needs no file."""
    return make_sessions(sessions, n_items=60, n_clusters=6, n_users=30, random_state=0)


DATA: dict[str, Callable[..., Any]] = {
    "diginetica": _official("diginetica"),
    "yoochoose1_64": _official("yoochoose1_64"),
    "yoochoose_100k": _official("yoochoose_100k"),
    "globo": _with_users("globo"),
    "lastfm_10users": _with_users("lastfm_10users"),
    "synthetic": _synthetic,
}
