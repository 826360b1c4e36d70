"""Arrays in files of their own, from which a process maps what it reads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from .archive import write_folder
from .files import file_digest, write_file, write_hashed
from .head import Head
from .npz import read_arrays, read_header, write_arrays

__all__ = ["open_columns", "read_head", "write_columns"]

HEAD = Head("sessions.json", "sessionprompt sessions", "sessions")
ARRAYS = "arrays.npz"
KINDS = "biufM"  # booleans, numbers and times


def write_columns(
    path: str | os.PathLike[str],
    description: Mapping[str, Any],
    columns: Mapping[str, np.ndarray],
    arrays: dict[str, np.ndarray],
    known: Collection[str],
) -> None:
    """Write a folder of columns, one npy file each, beside a head in JSON and small arrays.

    What was at `path` stays whole until the new folder is complete on disk.

    Parameters
    ----------
    path : path
    description : mapping of str to objects in terms of JSON
    columns : mapping of str to ndarray
    arrays : dict of str to ndarray
        Read as a whole when the folder is opened.
    known : collection of str
        All names that columns can have. A folder that holds anything else is not replaced.

    Raises
    ------
    ValueError
        If `path` is there and may not be replaced.
    OSError
        If the disk is full or may not be written.
    """

    def write(folder: Path) -> None:
        digests = {}
        for name, column in columns.items():
            digests[f"{name}.npy"] = write_hashed(
                folder / f"{name}.npy", partial(npy.write_array, array=column, allow_pickle=False)
            )
        content = write_arrays(arrays)
        write_file(folder / ARRAYS, content)
        digests[ARRAYS] = hashlib.sha256(content).hexdigest()
        layout = {name: [column.dtype.str, column.shape] for name, column in columns.items()}
        HEAD.write(folder, {"description": description, "columns": layout, "sha256": digests})

    write_folder(path, write, [HEAD.file, ARRAYS, *(f"{name}.npy" for name in known)])


def read_head(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Head of a folder that :func:`write_columns` has written.

    Raises
    ------
    FileNotFoundError
        If there is no folder.
    ValueError
        If it has no head, as one that was never finished, the head is damaged, or a newer version
        has written it.
    """
    return HEAD.read(path)


def open_columns(
    path: str | os.PathLike[str], head: Mapping[str, Any], *, verify: bool
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Columns of a folder, mapped from their files, and its small arrays, read.

    Parameters
    ----------
    path : path
    head : dict
        From :func:`read_head`.
    verify : bool
        Whether all files are read once to compare their digests.

    Returns
    -------
    columns, arrays : dict of str to ndarray

    Raises
    ------
    ValueError
        If a file is missing, of another size than the head says, or damaged.
    """
    path = Path(path)
    digests = head["sha256"]
    content = _content(path / ARRAYS)
    if hashlib.sha256(content).hexdigest() != digests[ARRAYS]:
        raise ValueError(f"{path / ARRAYS} is damaged: it is not as {HEAD.file} has recorded it.")
    columns = {}
    for name, (dtype, shape) in head["columns"].items():
        file = path / f"{name}.npy"
        columns[name] = _mapped(file, dtype, tuple(shape))
        if verify and file_digest(file) != digests[file.name]:
            raise ValueError(f"{file} is damaged: it is not as {HEAD.file} has recorded it.")
    return columns, read_arrays(content, ARRAYS)


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"{path} is missing; save the sessions again.")
    return path.read_bytes()


def _mapped(path: Path, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Array in an npy file, of which nothing but the beginning is read."""
    if not path.is_file():
        raise ValueError(f"{path} is missing; save the sessions again.")
    with path.open("rb") as file:
        try:
            found, in_fortran_order, kind = read_header(file)
        except Exception as error:  # a header is parsed as Python's literals are
            raise ValueError(f"{path} is no array, or a damaged one ({error}).") from error
        start = file.tell()
        size = file.seek(0, os.SEEK_END)
    count = int(np.prod(found, dtype=object))
    if (kind.str, found) != (dtype, shape) or in_fortran_order or kind.kind not in KINDS:
        raise ValueError(
            f"{path} holds {kind} of shape {found}; {HEAD.file} says {dtype}, {shape}."
        )
    if size - start != count * kind.itemsize:
        raise ValueError(
            f"{path} has {size - start} bytes of values, and shape {shape} of {dtype} takes "
            f"{count * kind.itemsize}; it was cut off, save the sessions again."
        )
    if count == 0:  # there is nothing to map
        return np.empty(shape, kind)
    return np.asarray(np.memmap(path, kind, mode="r", offset=start, shape=shape))
