"""The data sets of the experiments, each split in three, and a hash of what was split."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _shared import data_file

from sessionprompt.datasets import (
    Split,
    load_lastfm,
    load_parquet,
    load_reddit,
    load_xing,
    make_sessions,
    paper_filter,
    split_protocol,
)
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.sessions import Sessions
from sessionprompt.storage import fingerprint

__all__ = ["DATA", "ON_REQUEST", "check_files", "data_hash", "load", "sizes"]

# the paper's three data sets: raw files, in the folder of --data or in one below it named like this
RAW_FILES = {
    "lastfm": "userid-timestamp-artid-artname-traid-traname.tsv",
    "xing": "interactions.csv",
    "reddit": "reddit_data.csv",
}
SOURCES = {
    "lastfm": "it is in lastfm-dataset-1K.tar.gz, "
    "http://ocelma.net/MusicRecommendationDataset/lastfm-1K.html",
    "xing": "the RecSys Challenge 2016 gave it to its participants, "
    "https://github.com/recsyschallenge/2016",
    "reddit": "it is in https://www.kaggle.com/datasets/colemaclean/subreddit-interactions",
}
ON_REQUEST = tuple(RAW_FILES)  # run only where --sets names them, since few have the files
UNPACKED = "lastfm-dataset-1K"  # folder that Last.fm's archive makes


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


def sizes(split: Split, protocol: str) -> dict[str, Any]:
    """Users, items, sessions and mean length of all sessions that were split."""
    parts = list(split)
    if protocol == "within_session":
        parts = [split.test]  # whole sessions, of which the others are parts
    users = [part.users for part in parts if part.users is not None]
    lengths = np.concatenate([part.lengths for part in parts])
    n_users = None
    if users:
        n_users = len(np.unique(np.concatenate(users)))
    return {
        "users": n_users,
        "items": len(np.unique(np.concatenate([part.codes for part in parts]))),
        "sessions": len(lengths),
        "mean_length": round(float(lengths.mean()), 2),
    }


def _official(file: str) -> Callable[..., tuple[Sessions, Sessions]]:
    def loader(folder: str | None, fraction: float = 1.0) -> tuple[Sessions, Sessions]:
        train, test = load_parquet(data_file(folder, file))
        return train[len(train) - round(fraction * len(train)) :], test

    return loader


def _parquet(file: str) -> Callable[[str | None], Sessions]:
    def prepared(folder: str | None) -> Sessions:
        return load_parquet(data_file(folder, file))

    return prepared


def _with_users(prepared: Callable[[str | None], Sessions]) -> Callable[..., Sessions]:
    def loader(folder: str | None, users: int | None = None) -> Sessions:
        """Sessions that the filter of the paper leaves, of all users or of a fixed sample."""
        sessions = paper_filter(prepared(folder))
        if users is None:
            return sessions
        chosen = np.random.default_rng(0).permutation(np.unique(sessions.users))[:users]
        return sessions[np.isin(sessions.users, chosen)]

    return loader


def check_files(name: str, folder: str | None) -> None:
    """End with a word on what to do, where the files of a data set are not there."""
    if name in RAW_FILES:
        _raw_file(name, folder)
    elif name != "synthetic":
        data_file(folder, name)


def _raw_file(name: str, folder: str | None) -> Path:
    """Path of the raw file of a data set, plain or compressed."""
    file = RAW_FILES[name]
    if not folder:
        sys.exit(
            f"{name}: name the folder of {file} with --data or SESSIONPROMPT_DATA ({SOURCES[name]})"
        )
    places = [Path(folder, below, file) for below in ("", name, UNPACKED)]
    for place in places:
        for path in (place, place.with_name(f"{file}.gz")):
            if path.exists():
                return path
    sys.exit(
        f"{name}: {places[0]} is not there, neither plain nor as .gz; --data must name the folder "
        f"of {file} ({SOURCES[name]})"
    )


def _lastfm(folder: str | None) -> Sessions:
    """Last.fm-1K as HG-GNN prepares it, on which the sizes in the paper rest."""
    path = _raw_file("lastfm", folder)
    sessions = load_lastfm(path, missing_ids="drop", repeats="drop", max_length=20)
    return sessions.filter(min_item_support=5, min_length=2, until_stable=True)


def _xing(folder: str | None) -> Sessions:
    """The interactions of the RecSys Challenge 2016 as Quadrana et al. prepare them."""
    return load_xing(_raw_file("xing", folder))


def _reddit(folder: str | None) -> Sessions:
    """Comments in subreddits as Ruocco et al. prepare them."""
    return load_reddit(_raw_file("reddit", folder), repeats="drop", max_length=20)


def _synthetic(folder: str | None, sessions: int = 400) -> Sessions:
    """Sessions of a small world, which needs no file."""
    return make_sessions(sessions, n_items=60, n_clusters=6, n_users=30, random_state=0)


DATA: dict[str, Callable[..., Any]] = {
    "diginetica": _official("diginetica"),
    "yoochoose1_64": _official("yoochoose1_64"),
    "yoochoose_100k": _official("yoochoose_100k"),
    "globo": _with_users(_parquet("globo")),
    "lastfm_10users": _with_users(_parquet("lastfm_10users")),
    "lastfm": _with_users(_lastfm),
    "xing": _with_users(_xing),
    "reddit": _with_users(_reddit),
    "synthetic": _synthetic,
}
