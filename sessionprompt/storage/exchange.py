"""A folder that takes the place of another: in one step where the system has such a step."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from .beside import SET_ASIDE, remove_flat_folder

__all__ = ["exchange", "put_in_place"]

HERE = -100  # AT_FDCWD of Linux: paths start at the working directory
SWAP = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
NO_SUCH_STEP = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
IN_THE_WAY = {errno.ENOTEMPTY, errno.EEXIST}
TRIES = 1000  # each fails only if another process has put a folder there just now


def exchange(one: Path, other: Path) -> None:
    """Swap the names of two files or folders in one step.

    Raises
    ------
    OSError
        Of the number ``ENOSYS`` or ``EINVAL`` where system or file system know no such step.
    """
    swap, arguments = _system_call()
    if swap is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    first = os.fsencode(one)
    second = os.fsencode(other)
    if swap(*arguments(first, second)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fspath(one), None, os.fspath(other))


@cache
def _system_call() -> tuple[Any, Any]:
    """Function of the C library that swaps two names, and its arguments; None without one."""
    if sys.platform.startswith("linux"):
        library = ctypes.CDLL(None, use_errno=True)
        swap = getattr(library, "renameat2", None)
        return swap, lambda one, other: (HERE, one, HERE, other, SWAP)
    if sys.platform == "darwin":
        library = ctypes.CDLL(None, use_errno=True)
        swap = getattr(library, "renamex_np", None)
        return swap, lambda one, other: (one, other, SWAP)
    return None, None


def put_in_place(new: Path, path: Path, known: Collection[str]) -> None:
    """Give a new folder the name `path`; what was there has the passing name of `new` afterwards.

    Where the system cannot swap names, what was there is set aside first, under that name with
    ``SET_ASIDE``, and removed at the end.

    Parameters
    ----------
    new : Path
    path : Path
        Folder, or nothing.
    known : collection of str
        Names of the files in what was there.
    """
    for _ in range(TRIES):
        try:
            exchange(new, path)
            return
        except FileNotFoundError:
            if _renamed(new, path):
                return
        except OSError as error:
            if error.errno not in NO_SUCH_STEP:
                raise
            _put_in_two_steps(new, path, known)
            return
    raise OSError(errno.EBUSY, f"{path} is being replaced by others all the time; save elsewhere")


def _renamed(new: Path, path: Path) -> bool:
    """Whether a folder could be renamed, False if another one is at that place."""
    try:
        new.rename(path)
    except OSError as error:
        if error.errno not in IN_THE_WAY:
            raise
        return False
    return True


def _put_in_two_steps(new: Path, path: Path, known: Collection[str]) -> None:
    old = [new.with_name(f"{new.name}{number}{SET_ASIDE}") for number in range(TRIES)]
    moved: list[Path] = []
    try:
        while not _renamed(new, path):
            beside = old[len(moved)]
            with suppress(FileNotFoundError):  # others have just set it aside
                path.rename(beside)
                moved.append(beside)
    except BaseException:
        if moved and not path.exists():
            moved[-1].rename(path)
        raise
    for beside in moved:
        remove_flat_folder(beside, known)
