"""Heads of folders: JSON that names a format and its version, and holds its own digest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from .files import write_file
from .json import parse_json

__all__ = ["Head"]


@dataclass(frozen=True)
class Head:
    """File that says what the others of its folder hold.

    Attributes
    ----------
    file : str
        Name of the file.
    format : str
    what : str
        Noun, in the plural, for what the folder holds.
    version : int
    """

    file: str
    format: str
    what: str
    version: int = 1

    def write(self, folder: Path, entries: Mapping[str, Any]) -> None:
        """Write the file into a new folder; `entries` are in terms of JSON."""
        head = {
            "format": self.format,
            "format_version": self.version,
            "written_by": f"sessionprompt {__version__}",
            **entries,
        }
        content = json.dumps({**head, "checksum": _checksum(head)}, indent=1)
        write_file(folder / self.file, content.encode())

    def read(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Entries of the file in a folder, with those on its format.

        Raises
        ------
        FileNotFoundError
            If there is no folder.
        ValueError
            If it has no such file, as one that was never finished, the file is damaged, or a newer
            version has written it.
        """
        path = Path(path)
        if not path.is_dir():
            raise FileNotFoundError(f"{path}: there is no such folder.")
        file = path / self.file
        if not file.is_file():
            raise ValueError(
                f"{path} holds no {self.file}: it is no folder of {self.what}, or one that was "
                f"never finished; save the {self.what} again."
            )
        try:
            head = parse_json(file.read_bytes())
        except ValueError as error:
            raise ValueError(f"{file} is damaged or cut off ({error}).") from error
        if not isinstance(head, dict) or head.get("format") != self.format:
            raise ValueError(f"{file} is not of {self.what} that were saved by sessionprompt.")
        if head.get("format_version") != self.version:
            raise ValueError(
                f"{file} has format version {head.get('format_version')!r}, written by "
                f"{head.get('written_by')}; this version reads {self.version}: upgrade "
                "sessionprompt."
            )
        if head.pop("checksum", None) != _checksum(head):
            raise ValueError(f"{file} is damaged: it does not match its checksum.")
        return head


def _checksum(head: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()
