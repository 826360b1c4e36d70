"""Files and folders that are written under a passing name beside the one they will replace.

The process that writes one holds a lock on it, which ends with the process. So whoever writes to
the same target next can tell what a killed process has left from what is still being written.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "SET_ASIDE",
    "file_beside",
    "folder_beside",
    "remove_flat_folder",
    "remove_leftovers",
    "set_aside",
    "sync_folder",
]

SET_ASIDE = ".old"  # ends the passing name of what a new folder replaces in two steps
STALE = 86_400.0  # seconds after which a file that cannot be locked is taken as left behind


def _stem(path: Path) -> str:
    """Beginning of the passing names beside a target: short, however long its own name is."""
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return f".sessionprompt-{name[:12]}-"


def _passing_name(path: Path) -> Path:
    return path.with_name(_stem(path) + uuid4().hex[:12])


@contextmanager
def file_beside(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Path of a new file beside a target, and the file, open for writing.

    What is still under the passing name at the end is removed.
    """
    while True:
        beside = _passing_name(path)
        file = beside.open("xb")
        if _own(file.fileno(), beside):
            break
        file.close()
    try:
        with file:
            yield beside, file
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def folder_beside(path: Path, known: Collection[str]) -> Iterator[Path]:
    """New folder beside a target.

    What is under the passing name at the end is removed: the files with names in `known`, and the
    folder, unless it holds anything else.
    """
    beside, descriptor = _new_folder(path)
    try:
        yield beside
    finally:
        if descriptor is not None:
            os.close(descriptor)
        remove_flat_folder(beside, known)


def _new_folder(path: Path) -> tuple[Path, int | None]:
    """New folder under a passing name, and the descriptor that holds its lock."""
    while True:
        beside = _passing_name(path)
        beside.mkdir()
        try:
            descriptor = _opened(beside)
        except FileNotFoundError:  # another process took it for a leftover before it was locked
            continue
        if descriptor is None or _own(descriptor, beside):
            return beside, descriptor
        os.close(descriptor)


def _opened(path: Path) -> int | None:
    """Descriptor of a file or folder, None where the system has no locks."""
    if fcntl is None:
        return None
    return os.open(path, os.O_RDONLY)


def _own(descriptor: int, path: Path) -> bool:
    """Whether what was just made is locked; somebody else who locked it is about to remove it."""
    if _locked(descriptor) is False:
        return False
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _locked(descriptor: int) -> bool | None:
    """Whether the lock could be taken; None where files have no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network drives
        return None
    return True


def remove_leftovers(path: Path, known: Collection[str] = ()) -> None:
    """Remove what killed processes have left beside a target; what cannot be removed stays.

    Parameters
    ----------
    path : Path
        If nothing is there and a folder was set aside, that is put back.
    known : collection of str
        Names of the files that such a folder can hold.
    """
    old = set_aside(path)
    if old is not None and not path.exists():
        with suppress(OSError):
            old.rename(path)
    for leftover in _passing(path):
        with suppress(OSError):
            _remove_if_left(leftover, known)


def set_aside(path: Path) -> Path | None:
    """The newest folder that was set aside for a new one to take its place, if there is any."""
    ages = {}
    for beside in _passing(path):
        if beside.suffix == SET_ASIDE:
            with suppress(FileNotFoundError):  # removed meanwhile
                ages[beside] = beside.stat().st_mtime_ns
    return max(ages, key=lambda beside: ages[beside], default=None)


def _passing(path: Path) -> list[Path]:
    """What stands beside a target under a passing name; nothing where that may not be read."""
    stem = _stem(path)
    try:
        names = os.listdir(path.parent)
    except PermissionError:
        return []
    return [path.with_name(name) for name in names if name.startswith(stem)]


def _remove_if_left(leftover: Path, known: Collection[str]) -> None:
    descriptor = _opened(leftover)
    try:
        if _is_left(leftover, descriptor):
            _remove(leftover, known)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _is_left(leftover: Path, descriptor: int | None) -> bool:
    """Whether no process writes a file or folder any more: by its lock, else by its age."""
    locked = None
    if descriptor is not None:
        locked = _locked(descriptor)
    if locked is None:
        return time.time() - leftover.stat().st_mtime > STALE
    return locked


def _remove(leftover: Path, known: Collection[str]) -> None:
    if leftover.is_dir():
        remove_flat_folder(leftover, known)
    else:
        leftover.unlink(missing_ok=True)


def remove_flat_folder(folder: Path, known: Collection[str]) -> None:
    """Remove files with these names from a folder, and the folder if nothing else is in it."""
    if folder.suffix == SET_ASIDE:  # readers take no folder that is half removed
        with suppress(OSError):
            folder = folder.rename(folder.with_suffix(""))
    for name in known:
        with suppress(OSError):
            (folder / name).unlink()
    with suppress(OSError):
        folder.rmdir()


def sync_folder(folder: Path) -> None:
    """Have the names in a folder written to disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
