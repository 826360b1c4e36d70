"""Parts of stored models, taken apart and put together again by hand, with right checksums."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load as parse_weights
from safetensors.torch import save as write_weights


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def checksum(document: dict[str, Any]) -> str:
    return sha256(json.dumps(document, sort_keys=True).encode())


def parts_of(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        return {entry.name: entry.read_bytes() for entry in path.iterdir()}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, parts: dict[str, bytes]) -> None:
    if path.is_dir():
        for entry in path.iterdir():
            entry.unlink()
        for name, content in parts.items():
            (path / name).write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)


def signed(document: dict[str, Any], parts: dict[str, bytes]) -> dict[str, bytes]:
    """Parts with checksums as they should be, as somebody could make them by hand."""
    others = {name: content for name, content in parts.items() if name != "estimator.json"}
    document = {
        **document,
        "sha256": {name: sha256(content) for name, content in others.items()},
    }
    document.pop("checksum", None)
    document["checksum"] = checksum(document)
    return {**others, "estimator.json": json.dumps(document).encode()}


def with_arrays(
    parts: dict[str, bytes], change: Callable[[dict[str, Any]], None]
) -> dict[str, bytes]:
    arrays = dict(np.load(BytesIO(parts["arrays.npz"])))
    change(arrays)
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return {**parts, "arrays.npz": buffer.getvalue()}


def with_weights(
    parts: dict[str, bytes], change: Callable[[dict[str, Any]], None]
) -> dict[str, bytes]:
    weights = parse_weights(parts["model.safetensors"])
    change(weights)
    return {**parts, "model.safetensors": write_weights(weights)}


def replacing(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    return lambda stored: stored.update({name: change(stored[name])})
