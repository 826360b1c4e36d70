"""A few named files kept together, as a folder or in one zip file, and replaced as a whole."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Collection, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO
from uuid import uuid4

from .files import write_atomically

__all__ = ["check_replaceable", "read_parts", "write_parts"]


def write_parts(
    path: str | os.PathLike[str], parts: Mapping[str, bytes], known: Collection[str]
) -> None:
    """Write named parts to one zip file if `path` ends in ``.zip``, else to a folder.

    What was at `path` stays whole until the new parts are complete on disk.

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
        _write_folder(Path(path).resolve(), parts)


def check_replaceable(path: str | os.PathLike[str], known: Collection[str]) -> None:
    """Raise a ValueError if what is at `path` is neither nothing nor parts with these names."""
    path = Path(path)
    if not path.exists():
        return
    if path.is_dir():
        _check_folder(path, known)
    elif not _is_zip(path):
        raise ValueError(f"{path} is a file; name a folder, or a file that ends in .zip.")


def _check_folder(path: Path, known: Collection[str]) -> None:
    if _is_zip(path):
        raise ValueError(f"{path} is a folder; name a folder, or a file that ends in .zip.")
    others = sorted({entry.name for entry in path.iterdir()} - set(known))
    if others:
        raise ValueError(
            f"{path} holds {others[0]!r} ({len(others)} entries that are no part of a model) "
            "and would be replaced as a whole; name a new or empty folder."
        )


def _is_zip(path: str | os.PathLike[str]) -> bool:
    return Path(path).suffix == ".zip"


def _write_zip(file: IO[bytes], parts: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            # without the time, so equal models are equal files
            archive.writestr(zipfile.ZipInfo(name), content)


def _write_folder(path: Path, parts: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = f".{path.name}.{uuid4().hex}"
    new = path.with_name(f"{beside}.new")
    old = path.with_name(f"{beside}.old")
    try:
        new.mkdir()
        for name, content in parts.items():
            _write_file(new / name, content)
        _swap(new, path, old)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _write_file(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _swap(new: Path, path: Path, old: Path) -> None:
    """Put `new` in the place of `path`, or leave all as it was."""
    if not path.exists():
        new.rename(path)
        return
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


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

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If `path` is a file, but no whole zip file.
    """
    path = Path(path)
    if path.is_dir():
        return {name: (path / name).read_bytes() for name in known if (path / name).is_file()}
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder.")
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return {name: archive.read(name) for name in known if name in archive.namelist()}
    # of a damaged file, zipfile raises whatever its bytes make it stumble over
    except Exception as error:
        raise ValueError(f"{path} is no zip file, or a damaged one ({error}).") from error
