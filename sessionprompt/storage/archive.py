"""A few named files kept together, as a folder or in one zip file, and replaced as a whole."""

from __future__ import annotations

import errno
import os
import stat
import time
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .beside import (
    file_beside,
    folder_beside,
    remove_leftovers,
    set_aside,
    sync_folder,
)
from .exchange import put_in_place
from .files import sync_file, write_atomically, write_file
from .members import read_members

__all__ = ["check_replaceable", "read_parts", "try_target", "write_folder", "write_parts"]

TRIAL = 2**20  # bytes that must find room before the work for a model starts
TRIES = 1000  # each fails only if the folder was replaced while it was read
LOOKS = 20  # at a path, before nothing is said to be there
PAUSE = 0.001  # seconds
MOUNTS = Path("/proc/self/mountinfo")


def write_parts(
    path: str | os.PathLike[str], parts: Mapping[str, bytes], known: Collection[str]
) -> None:
    """Write named parts to one zip file if `path` ends in ``.zip``, else to a folder.

    What was at `path` stays whole until the new parts are complete on disk; readers find the one or
    the other, also while several processes write.

    Parameters
    ----------
    path : path
    parts : mapping of str to bytes
    known : collection of str
        All names that parts can have. A folder that holds anything else is not replaced.

    Raises
    ------
    ValueError
        If `path` is there and may not be replaced.
    OSError
        If the disk is full or may not be written.
    """
    check_replaceable(path, known)
    if _is_zip(path):
        write_atomically(path, lambda file: _write_zip(file, parts))
    else:

        def write(folder: Path) -> None:
            for name, content in parts.items():
                write_file(folder / name, content)

        write_folder(path, write, known)


def check_replaceable(path: str | os.PathLike[str], known: Collection[str]) -> None:
    """Raise a ValueError if what is at `path` is neither nothing nor parts with these names."""
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(mode):
        _check_folder(path, known)
    elif not _is_zip(path):
        raise ValueError(f"{path} is a file; name a folder, or a file that ends in .zip.")


def _check_folder(path: Path, known: Collection[str]) -> None:
    if _is_zip(path):
        raise ValueError(f"{path} is a folder; name a folder, or a file that ends in .zip.")
    others = sorted(_names_in(path) - set(known))
    if others:
        raise ValueError(
            f"{path} holds {others[0]!r} ({len(others)} entries that are no part of a model) "
            "and would be replaced as a whole; name a new or empty folder."
        )
    if _is_mount_point(path.resolve()):
        raise ValueError(
            f"{path} is a mount point, which cannot be replaced as a whole; "
            f"name a folder in it, such as {path / 'model'}."
        )


def _names_in(folder: Path) -> set[str]:
    """Names in a folder; there are none where it is being replaced right now."""
    try:
        return {entry.name for entry in folder.iterdir()}
    except FileNotFoundError:
        return set()


def _is_mount_point(path: Path) -> bool:
    """Whether another file system, or another folder of the same, is mounted at a path."""
    if os.path.ismount(path):
        return True
    if not MOUNTS.exists():
        return False
    escaped = str(path).replace("\\", r"\134").replace(" ", r"\040").replace("\t", r"\011")
    lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    return any(line.split()[4] == escaped for line in lines)


def try_target(path: str | os.PathLike[str], known: Collection[str]) -> None:
    """Raise unless parts could be written to `path` now; nothing of the trial is left.

    Parameters
    ----------
    path : path
    known : collection of str
        All names that parts can have.

    Raises
    ------
    ValueError
        If `path` is there and may not be replaced.
    OSError
        If the disk is full or may not be written.
    """
    check_replaceable(path, known)
    target = Path(path).resolve()
    try:
        with _folders_for(target):
            _write_trial(target, known)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} cannot be written ({error.strerror}); make room or name another place",
        ) from error


@contextmanager
def _folders_for(target: Path) -> Iterator[None]:
    """Folders above a target, which are there for as long as the trial takes."""
    missing = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for folder in missing:  # the deepest first
            with suppress(OSError):
                folder.rmdir()


def _write_trial(target: Path, known: Collection[str]) -> None:
    if _is_zip(target):
        with file_beside(target) as (_, file):
            file.write(bytes(TRIAL))
            sync_file(file)
        return
    name = next(iter(known))
    with folder_beside(target, known) as folder:
        write_file(folder / name, bytes(TRIAL))


def _is_zip(path: str | os.PathLike[str]) -> bool:
    return Path(path).suffix == ".zip"


def _write_zip(file: IO[bytes], parts: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            # without the time, so equal models are equal files
            archive.writestr(zipfile.ZipInfo(name), content)


def write_folder(
    path: str | os.PathLike[str], write: Callable[[Path], None], known: Collection[str]
) -> None:
    """Write a folder beside `path` and put it there in one step, as :func:`write_parts` does.

    Parameters
    ----------
    path : path
    write : callable
        Gets a new folder and makes the files in it.
    known : collection of str
        All names that files can have. A folder that holds anything else is not replaced.

    Raises
    ------
    ValueError
        If `path` is there and may not be replaced.
    OSError
        If the disk is full or may not be written.
    """
    check_replaceable(path, known)
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path, known)
    with folder_beside(path, known) as new:
        write(new)
        sync_folder(new)
        put_in_place(new, path, known)
    sync_folder(path.parent)


def read_parts(path: str | os.PathLike[str], known: Collection[str]) -> dict[str, bytes]:
    """Read the parts that are there of a folder or a zip file.

    Parameters
    ----------
    path : path
    known : collection of str
        Names of the parts to read; nothing else is opened.

    Returns
    -------
    dict of str to bytes
        All from one state, also while others replace it.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If `path` is a file, but no whole zip file, or one whose members are compressed.
    """
    path = Path(path)
    for _ in range(TRIES):
        try:
            parts = _read_state(path, known)
        except FileNotFoundError:
            if not _is_there(path):
                raise FileNotFoundError(f"{path}: there is no such file or folder.") from None
            parts = None
        if parts is not None:
            return parts
        time.sleep(PAUSE)
    raise OSError(errno.EBUSY, f"{path} is being replaced all the time; read a copy of it")


def _read_state(path: Path, known: Collection[str]) -> dict[str, bytes] | None:
    """Parts of a folder or a zip file, None if the folder was replaced meanwhile."""
    if path.is_file():
        return _read_zip(path, known)
    found = path
    if not path.exists():
        found = _instead_of(path) or path
    with _held_open(found) as before:
        parts = {name: (found / name).read_bytes() for name in known if (found / name).is_file()}
        after = found.stat()
        if os.path.samestat(before, after):
            return parts
    return None


def _is_there(path: Path) -> bool:
    """Whether something is at a path, or on its way there.

    Where folders are replaced in two steps, a new one may arrive between a look at its place and
    one at the folder that was set aside, and be replaced again before the next look.
    """
    for _ in range(LOOKS):
        if path.exists() or _instead_of(path) is not None:
            return True
        time.sleep(PAUSE)
    return False


def _instead_of(path: Path) -> Path | None:
    """The folder that was set aside for a new one, where the new one is not there yet."""
    target = path.resolve()
    if not target.parent.is_dir():
        return None
    return set_aside(target)


@contextmanager
def _held_open(folder: Path) -> Iterator[os.stat_result]:
    """State of a folder, whose number no other folder gets as long as it is open."""
    if os.open not in os.supports_dir_fd:
        yield folder.stat()
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _read_zip(path: Path, known: Collection[str]) -> dict[str, bytes]:
    content = path.read_bytes()
    try:
        return read_members(content, known)
    # of a damaged file, zipfile raises whatever its bytes make it stumble over
    except Exception as error:
        raise ValueError(f"{path} is no zip file, or a damaged one ({error}).") from error
