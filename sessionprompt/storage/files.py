"""Files that are whole or not there, and digests of what they stand for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import numpy as np

__all__ = ["fingerprint", "write_atomically"]


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file beside `path` and put it there in one step: `path` is never half written.

    Parameters
    ----------
    path : path
        An existing file stays whole until the new one is complete; missing folders are made.
    write : callable
        Gets the open binary file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with beside.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


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
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(_text_of(part).encode())
    return digest.hexdigest()


def _text_of(part: np.ndarray | str | None) -> str:
    if isinstance(part, np.ndarray):
        return repr(part.tolist())
    return repr(part)
