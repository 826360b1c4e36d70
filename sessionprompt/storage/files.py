"""Files that are whole or not there, and digests of what they stand for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from .beside import file_beside, remove_leftovers, sync_folder

__all__ = [
    "file_digest",
    "fingerprint",
    "read_with_digest",
    "sync_file",
    "write_atomically",
    "write_file",
    "write_hashed",
    "write_with_digest",
]

MARK = b"sha256:"
LENGTH = len(MARK) + 64  # of the mark and the digest at the end of a file


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file beside `path` and put it there in one step: `path` is never half written.

    Parameters
    ----------
    path : path
        An existing file stays whole until the new one is complete; missing folders are made. What
        killed processes have left beside it is removed. A device or a pipe is written directly.
    write : callable
        Gets the open binary file.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a device or a pipe is no file to be replaced
        with path.open("wb") as file:
            write(file)
        return
    path = path.resolve()  # a link stays, and what it names is replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    with file_beside(path) as (beside, file):
        write(file)
        sync_file(file)
        if os.name == "nt":
            file.close()  # an open file has no other name there
        os.replace(beside, path)
    sync_folder(path.parent)


def write_file(path: Path, content: bytes) -> None:
    """Write a file that is not there yet; it has reached the disk on return."""
    with path.open("xb") as file:
        file.write(content)
        sync_file(file)


def sync_file(file: IO[bytes]) -> None:
    """Have everything written to a file reach the disk."""
    file.flush()
    os.fsync(file.fileno())


class HashedFile:
    """File that takes the digest of what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, content: Any) -> int:
        """Write some bytes; what goes wrong is kept, for writers that make another error of it."""
        self.digest.update(content)
        try:
            return self.file.write(content)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Have everything written so far reach the system."""
        self.file.flush()


def write_with_digest(path: str | os.PathLike[str], write: Callable[[Any], Any]) -> None:
    """Write a file that ends in the digest of its content, as :func:`write_atomically` does.

    Parameters
    ----------
    path : path
    write : callable
        Gets an object with the methods ``write`` and ``flush``.

    Raises
    ------
    OSError
        If the disk is full or may not be written.
    """
    write_atomically(path, lambda file: file.write(MARK + _written(file, write).encode()))


def write_hashed(path: Path, write: Callable[[Any], Any]) -> str:
    """Write a file that is not there yet, and return its digest; it has reached the disk then.

    Parameters
    ----------
    path : Path
    write : callable
        As for :func:`write_with_digest`.

    Raises
    ------
    OSError
        If the disk is full or may not be written.
    """
    with path.open("xb") as file:
        digest = _written(file, write)
        sync_file(file)
    return digest


def _written(file: IO[bytes], write: Callable[[Any], Any]) -> str:
    """Digest of what a function has written to a file."""
    hashed = HashedFile(file)
    try:
        write(hashed)
    except Exception:
        if hashed.error is not None:
            raise hashed.error from None
        raise
    return hashed.digest.hexdigest()


def file_digest(path: Path) -> str:
    """Digest of the content of a file, as :func:`write_hashed` returns it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_with_digest(path: str | os.PathLike[str]) -> bytes:
    """Content of a file that :func:`write_with_digest` has written.

    Parameters
    ----------
    path : path

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the content is not that of its digest.
    """
    content = Path(path).read_bytes()
    digest = MARK + hashlib.sha256(memoryview(content)[:-LENGTH]).hexdigest().encode()
    if content[-LENGTH:] != digest:
        raise ValueError("its content does not match its digest")
    return content[:-LENGTH]


def fingerprint(*parts: np.ndarray | str | None) -> str:
    """Digest of arrays and texts, in order.

    Examples
    --------
    >>> fingerprint("a", None) == fingerprint("a", None), fingerprint("a") == fingerprint("b")
    (True, False)
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype != object:
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        else:
            digest.update(_text_of(part).encode())
    return digest.hexdigest()


def _text_of(part: np.ndarray | str | None) -> str:
    if isinstance(part, np.ndarray):
        return repr(part.tolist())
    return repr(part)
