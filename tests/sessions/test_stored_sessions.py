"""Sessions in folders: opened without being read, equal to what was saved, and never by half."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sessionprompt.baselines import Popularity
from sessionprompt.clustering import ItemClusterer
from sessionprompt.sessions import Sessions


@pytest.fixture(scope="module")
def log() -> Sessions:
    """Sessions with whatever can be saved."""
    rng = np.random.default_rng(0)
    rows = 120
    events = pd.DataFrame(
        {
            "user": [f"u{one}" for one in rng.integers(9, size=rows)],
            "item": rng.choice(list("abcdefgh"), rows),
            "time": pd.to_datetime(1_600_000_000 + rng.integers(90_000, size=rows), unit="s"),
            "act": rng.choice(["view", "buy", None], rows, p=[0.6, 0.3, 0.1]),
            "page": rng.integers(5, size=rows),
        }
    )
    read = {"user": "user", "time": "time", "gap": "1h", "min_length": 2}
    return Sessions.from_events(
        events, **read, attributes=["act", "page"], targets={"page": [1, 2]}
    )


@pytest.fixture(scope="module")
def folder(log: Sessions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of these sessions."""
    path = tmp_path_factory.mktemp("logs") / "log"
    log.save(path)
    return path


def backing(array: Any) -> list[type]:
    """Types of the arrays in whose memory the values of an array lie."""
    types = []
    while array is not None:
        types.append(type(array))
        array = getattr(array, "base", None)
    return types


def test_opened_sessions_are_those_that_were_saved(log: Sessions, folder: Path) -> None:
    opened = Sessions.open(folder, verify=True)
    assert opened == log and type(opened) is Sessions
    assert opened.report == log.report and opened.numbering == log.numbering
    assert opened[3:9] == log[3:9] and opened[2] == log[2]
    assert Sessions.concat([opened[:4], log[4:]]) == log
    for array in (opened.codes, opened.offsets, opened.event_times, opened.is_target, opened.ids):
        assert np.memmap in backing(array)
        assert not array.flags.writeable
    assert np.memmap in backing(opened.event_attributes[1].codes)


def test_labels_and_starts_of_targets_come_back(five: Sessions, tmp_path: Path) -> None:
    with_strings = replace(five, ids=[("s", number) for number in range(5)], numbering=None)
    for sessions in (five, five[:0], with_strings, Sessions.from_lists([["a"], []])):
        sessions.save(tmp_path / "log")  # takes the place of the one before
        assert Sessions.open(tmp_path / "log", verify=True) == sessions


def test_estimators_learn_and_answer_the_same_from_a_folder(log: Sessions, folder: Path) -> None:
    opened = Sessions.open(folder)
    clusterers = [ItemClusterer(random_state=0).fit(one) for one in (log, opened)]
    assert clusterers[0].labels_.tolist() == clusterers[1].labels_.tolist()
    models = [Popularity().fit(one) for one in (log, opened)]
    assert models[0].evaluate(log, metrics=["mrr@5"]) == models[1].evaluate(
        opened, metrics=["mrr@5"]
    )


def test_what_a_fitted_step_knows_is_not_saved(log: Sessions, tmp_path: Path) -> None:
    labelled = ItemClusterer(random_state=0).fit_transform(log)
    with pytest.raises(ValueError, match="before they are transformed"):
        labelled.save(tmp_path / "log")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("tea")
    with pytest.raises(ValueError, match="'todo.txt'.*name a new or empty folder"):
        log.save(tmp_path / "notes")
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def cut_off(folder: Path) -> None:
    codes = folder / "codes.npy"
    codes.write_bytes(codes.read_bytes()[:-4])


def change(folder: Path) -> None:
    codes = folder / "codes.npy"
    content = codes.read_bytes()
    codes.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def other_dtype(folder: Path) -> None:
    np.save(folder / "codes.npy", np.load(folder / "codes.npy").astype(np.int64))


def pickled(folder: Path) -> None:
    np.save(folder / "codes.npy", np.array([{}], dtype=object), allow_pickle=True)


def newer(folder: Path) -> None:
    head = json.loads((folder / "sessions.json").read_text())
    (folder / "sessions.json").write_text(json.dumps({**head, "format_version": 2}))


def edited(folder: Path) -> None:
    head = (folder / "sessions.json").read_text()
    (folder / "sessions.json").write_text(head.replace("act", "cat"))


DAMAGE: list[tuple[Callable[[Path], Any], str]] = [
    (lambda folder: (folder / "sessions.json").unlink(), "never finished"),
    (lambda folder: (folder / "sessions.json").write_text("{"), "damaged or cut off"),
    (lambda folder: (folder / "sessions.json").write_text("{}"), "not of sessions"),
    (lambda folder: (folder / "offsets.npy").unlink(), "offsets.npy is missing"),
    (lambda folder: (folder / "arrays.npz").write_bytes(b""), "arrays.npz is damaged"),
    (lambda folder: (folder / "codes.npy").write_bytes(b""), "no array, or a damaged one"),
    (cut_off, "was cut off"),
    (change, "not as sessions.json has recorded it"),
    (other_dtype, "int64 .*says <i4"),
    (pickled, "holds object"),
    (newer, "upgrade sessionprompt"),
    (edited, "does not match its checksum"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_damaged_folders_are_refused_in_words(
    log: Sessions, tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    log.save(tmp_path / "log")
    damage(tmp_path / "log")
    with pytest.raises(ValueError, match=message):
        Sessions.open(tmp_path / "log", verify=True)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        Sessions.open(tmp_path / "log")


def test_nothing_is_left_of_a_save_that_fails(
    log: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log[:3].save(tmp_path / "log")

    def fail(*arguments: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        log.save(tmp_path / "log")
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert Sessions.open(tmp_path / "log", verify=True) == log[:3]
