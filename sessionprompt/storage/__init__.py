"""Storage of named parts in files: whole or not there, nothing to execute, no estimator known."""

from __future__ import annotations

from .archive import check_replaceable, read_parts, try_target, write_folder, write_parts
from .arrays import ArrayStore
from .columns import open_columns, read_head, write_columns
from .document import PARTS, read_document, write_document
from .estimators import check_storable, load, pack, pack_params, save, unpack, unpack_params
from .files import (
    file_digest,
    fingerprint,
    read_with_digest,
    write_atomically,
    write_hashed,
    write_with_digest,
)
from .head import Head
from .json import from_json, parse_json, to_json

__all__ = [
    "PARTS",
    "ArrayStore",
    "Head",
    "check_replaceable",
    "check_storable",
    "file_digest",
    "fingerprint",
    "from_json",
    "load",
    "open_columns",
    "pack",
    "pack_params",
    "parse_json",
    "read_document",
    "read_head",
    "read_parts",
    "read_with_digest",
    "save",
    "to_json",
    "try_target",
    "unpack",
    "unpack_params",
    "write_atomically",
    "write_columns",
    "write_document",
    "write_folder",
    "write_hashed",
    "write_parts",
    "write_with_digest",
]
