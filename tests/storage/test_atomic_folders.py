"""Readers and writers of one path at the same time, in processes of which some are killed."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sessionprompt.storage import (
    archive,
    exchange,
    read_parts,
    try_target,
    write_atomically,
    write_parts,
)

KNOWN = ("one", "two", "three")
PROCESSES = multiprocessing.get_context("fork")


def parts_of(number: int) -> dict[str, bytes]:
    """Parts that all tell their number; every other state lacks the last."""
    content = str(number).encode() * 2000
    names = KNOWN[: 2 + number % 2]
    return dict.fromkeys(names, content)


def save_forever(path: Path, first: int) -> None:
    number = first
    while True:
        write_parts(path, parts_of(number), KNOWN)
        number += 2


def check_state(parts: dict[str, bytes]) -> None:
    number = int(parts["one"][:6])
    assert parts == parts_of(number)


@pytest.fixture(params=["exchange", "two steps"])
def way(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """How folders are replaced; processes are forks, so they have what was set here."""
    if request.param == "two steps":
        monkeypatch.setattr(exchange, "_system_call", lambda: (None, None))
    return request.param


@pytest.fixture
def processes() -> Iterator[list[Any]]:
    started: list[Any] = []
    yield started
    for process in started:
        process.kill()
        process.join()


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_readers_find_one_whole_state_while_two_save(
    name: str, way: str, tmp_path: Path, processes: list[Any]
) -> None:
    path = tmp_path / name
    write_parts(path, parts_of(100_001), KNOWN)
    for first in (100_000, 500_001):
        processes.append(PROCESSES.Process(target=save_forever, args=(path, first)))
        processes[-1].start()
    seen = set()
    end = time.monotonic() + 2
    while len(seen) < 20 and time.monotonic() < end:
        parts = read_parts(path, KNOWN)
        check_state(parts)
        seen.add(parts["one"])
    assert len(seen) > 2 and all(process.is_alive() for process in processes)


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_killed_writers_leave_a_whole_state_and_the_next_one_clears_up(
    name: str, way: str, tmp_path: Path, processes: list[Any]
) -> None:
    path = tmp_path / name
    write_parts(path, parts_of(100_001), KNOWN)
    rng = random.Random(0)
    for number in range(10):
        process = PROCESSES.Process(target=save_forever, args=(path, 100_000 + number))
        processes.append(process)
        process.start()
        time.sleep(rng.uniform(0.005, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        check_state(read_parts(path, KNOWN))
    write_parts(path, parts_of(100_002), KNOWN)
    assert read_parts(path, KNOWN) == parts_of(100_002)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_kill_between_two_renames_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_system_call", lambda: (None, None))
    path = tmp_path / "model"
    write_parts(path, parts_of(100_000), KNOWN)
    rename = Path.rename
    with monkeypatch.context() as patch:
        patch.setattr(exchange, "_renamed", dying(exchange._renamed, calls=1))
        patch.setattr(Path, "rename", rename)
        process = PROCESSES.Process(target=write_parts, args=(path, parts_of(100_001), KNOWN))
        process.start()
        process.join()
    assert process.exitcode == 9 and not path.exists()
    assert read_parts(path, KNOWN) == parts_of(100_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "write_file", no_space)
        with pytest.raises(OSError, match="No space"):
            write_parts(path, parts_of(100_001), KNOWN)
    assert read_parts(path, KNOWN) == parts_of(100_000)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def dying(function: Callable[..., Any], calls: int) -> Callable[..., Any]:
    """The function for so many calls; the next ends the process as a kill does."""
    done: list[None] = []

    def wrapped(*args: Any) -> Any:
        if len(done) == calls:
            os._exit(9)
        done.append(None)
        return function(*args)

    return wrapped


def no_space(*args: Any, **kwargs: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_another_process_is_writing_is_no_leftover(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"

    def write(file: Any) -> None:
        file.write(b"outer")
        write_atomically(path, lambda inner: inner.write(b"inner"))
        assert path.read_bytes() == b"inner"

    write_atomically(path, write)
    assert path.read_bytes() == b"outer"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.txt"]


@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_the_longest_names_work(suffix: str, way: str, tmp_path: Path) -> None:
    path = tmp_path / ("é" * 125 + "abc"[: 5 - len(suffix)] + suffix)
    assert 250 < len(os.fsencode(path.name)) <= 255
    for number in (100_000, 100_001):
        try_target(path, KNOWN)
        write_parts(path, parts_of(number), KNOWN)
        assert read_parts(path, KNOWN) == parts_of(number)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    for name in ("model", "model.zip"):
        (tmp_path / "there").mkdir(exist_ok=True)
        target = tmp_path / "there" / name
        write_parts(target, parts_of(100_000), KNOWN)
        link = tmp_path / name
        link.symlink_to(target)
        write_parts(link, parts_of(100_001), KNOWN)
        assert link.is_symlink() and read_parts(target, KNOWN) == parts_of(100_001)


def test_a_device_is_written_and_not_replaced(tmp_path: Path) -> None:
    write_atomically("/dev/null", lambda file: file.write(b"nothing"))
    assert not Path("/dev/null").is_file()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, lambda file: file.write(b"text"))
    assert os.read(reader, 10) == b"text" and pipe.is_fifo()
    os.close(reader)


# ---------------------------------------------------------------------- targets
@pytest.mark.parametrize("name", ["model", "model.zip", "deep/down/model"])
def test_a_trial_leaves_nothing(name: str, tmp_path: Path) -> None:
    try_target(tmp_path / name, KNOWN)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model", "model.zip", "deep/down/model.zip"])
def test_a_trial_on_a_full_disk(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="cannot be written .No space left on device.; make room"):
        try_target(tmp_path / name, KNOWN)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written"):
        try_target(tmp_path / "file" / "model", KNOWN)


def test_a_mount_point_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a disk"
    path.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os.path, "ismount", lambda other: str(other) == str(path))
        with pytest.raises(ValueError, match="is a mount point.*name a folder in it"):
            try_target(path, KNOWN)
    mounts = tmp_path / "mounts"
    escaped = str(path).replace(" ", r"\040")
    mounts.write_text(f"36 35 98:0 /root {escaped} rw,noatime - ext3 /dev/root rw\n")
    monkeypatch.setattr(archive, "MOUNTS", mounts)
    with pytest.raises(ValueError, match="is a mount point"):
        write_parts(path, parts_of(0), KNOWN)
