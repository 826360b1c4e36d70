"""Storage of named parts in files: whole or not there, nothing to execute, no estimator known."""

from __future__ import annotations

from .archive import check_replaceable, read_parts, write_parts
from .arrays import ArrayStore
from .files import fingerprint, write_atomically
from .json import from_json, to_json

__all__ = [
    "ArrayStore",
    "check_replaceable",
    "fingerprint",
    "from_json",
    "read_parts",
    "to_json",
    "write_atomically",
    "write_parts",
]
