"""Arrays in files of their own, from which a process maps what it reads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from .. import __version__
from .archive import write_folder
from .files import HashedFile, sync_file, write_file
from .json import parse_json
from .npz import read_arrays, read_header, write_arrays

__all__ = ["open_columns", "read_head", "write_columns"]

HEAD = "sessions.json"
ARRAYS = "arrays.npz"
FORMAT = "sessionprompt sessions"
FORMAT_VERSION = 1
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
            with (folder / f"{name}.npy").open("xb") as file:
                hashed = HashedFile(file)
                npy.write_array(hashed, column, allow_pickle=False)
                sync_file(file)
            digests[f"{name}.npy"] = hashed.digest.hexdigest()
        content = write_arrays(arrays)
        write_file(folder / ARRAYS, content)
        digests[ARRAYS] = hashlib.sha256(content).hexdigest()
        layout = {name: [column.dtype.str, column.shape] for name, column in columns.items()}
        write_file(folder / HEAD, _head(description, layout, digests))

    write_folder(path, write, [HEAD, ARRAYS, *(f"{name}.npy" for name in known)])


def _head(
    description: Mapping[str, Any], layout: Mapping[str, Any], digests: Mapping[str, str]
) -> bytes:
    """Text of the head, which ends in its own digest."""
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "written_by": f"sessionprompt {__version__}",
        "description": description,
        "columns": layout,
        "sha256": digests,
    }
    return json.dumps({**head, "checksum": _checksum(head)}, indent=1).encode()


def _checksum(head: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()


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
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: there is no such folder.")
    file = path / HEAD
    if not file.is_file():
        raise ValueError(
            f"{path} holds no {HEAD}: it is no folder of sessions, or one that was never finished; "
            "save the sessions again."
        )
    try:
        head = parse_json(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file} is damaged or cut off ({error}).") from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ValueError(f"{file} is not of sessions that were saved by sessionprompt.")
    if head.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{file} has format version {head.get('format_version')!r}, written by "
            f"{head.get('written_by')}; this version reads {FORMAT_VERSION}: upgrade sessionprompt."
        )
    if head.pop("checksum", None) != _checksum(head):
        raise ValueError(f"{file} is damaged: it does not match its checksum.")
    return head


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
        raise ValueError(f"{path / ARRAYS} is damaged: it is not as {HEAD} has recorded it.")
    columns = {}
    for name, (dtype, shape) in head["columns"].items():
        file = path / f"{name}.npy"
        columns[name] = _mapped(file, dtype, tuple(shape))
        if verify and _digest(file) != digests[file.name]:
            raise ValueError(f"{file} is damaged: it is not as {HEAD} has recorded it.")
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
        raise ValueError(f"{path} holds {kind} of shape {found}; {HEAD} says {dtype}, {shape}.")
    if size - start != count * kind.itemsize:
        raise ValueError(
            f"{path} has {size - start} bytes of values, and shape {shape} of {dtype} takes "
            f"{count * kind.itemsize}; it was cut off, save the sessions again."
        )
    if count == 0:  # there is nothing to map
        return np.empty(shape, kind)
    return np.asarray(np.memmap(path, kind, mode="r", offset=start, shape=shape))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
