"""The parts of a stored model: a description in JSON, arrays and weights, with checksums.

The description holds the SHA-256 of the other parts, and of itself without that entry.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from .json import parse_json
from .npz import read_arrays, write_arrays

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PARTS", "read_document", "write_document"]

FORMAT = "sessionprompt"
FORMAT_VERSION = 1
DESCRIPTION = "estimator.json"
ARRAYS = "arrays.npz"
WEIGHTS = "model.safetensors"
PARTS = (DESCRIPTION, ARRAYS, WEIGHTS)


def write_document(
    description: Any, arrays: dict[str, np.ndarray], weights: dict[str, Tensor]
) -> dict[str, bytes]:
    """Contents of the parts by name; without weights there is no part for them.

    Parameters
    ----------
    description : object in terms of JSON
    arrays : dict of str to ndarray
    weights : dict of str to Tensor

    Returns
    -------
    dict of str to bytes
    """
    parts = {ARRAYS: write_arrays(arrays)}
    if weights:
        parts[WEIGHTS] = _write_weights(weights)
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "written_by": f"sessionprompt {__version__}",
        "estimator": description,
        "sha256": {name: _sha256(content) for name, content in parts.items()},
    }
    document["checksum"] = _checksum(document)
    return {DESCRIPTION: json.dumps(document, indent=1).encode(), **parts}


def read_document(
    parts: dict[str, bytes],
) -> tuple[Any, dict[str, np.ndarray], dict[str, Tensor]]:
    """Description, arrays and weights of a stored model.

    Parameters
    ----------
    parts : dict of str to bytes

    Returns
    -------
    description : object in terms of JSON
    arrays : dict of str to ndarray
    weights : dict of str to Tensor

    Raises
    ------
    ValueError
        If a part is missing or damaged, or was written by a newer version.
    """
    document = _read_description(parts)
    digests = document.get("sha256")
    if not isinstance(digests, dict) or ARRAYS not in digests:
        raise ValueError(f"{DESCRIPTION} names no digest of {ARRAYS}, so its parts are unknown.")
    _check_digests(digests, parts)
    weights = {}
    if WEIGHTS in digests:
        weights = _read_weights(parts[WEIGHTS])
    return document["estimator"], read_arrays(parts[ARRAYS], ARRAYS), weights


def _write_weights(weights: dict[str, Tensor]) -> bytes:
    from safetensors import torch as safetensors  # only models with weights need torch

    return safetensors.save(weights)


def _read_weights(content: bytes) -> dict[str, Tensor]:
    from safetensors import torch as safetensors  # only models with weights need torch

    return safetensors.load(content)


def _read_description(parts: dict[str, bytes]) -> dict[str, Any]:
    """The document, known to be whole."""
    if DESCRIPTION not in parts:
        raise ValueError(f"holds no {DESCRIPTION}, so it is no model written by sessionprompt.")
    try:
        document = parse_json(parts[DESCRIPTION])
    except ValueError as error:
        raise ValueError(f"{DESCRIPTION} is damaged or cut off ({error}).") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"{DESCRIPTION} is not of a model written by sessionprompt.")
    _check_version(document)
    if document.pop("checksum", None) != _checksum(document):
        raise ValueError(f"{DESCRIPTION} is damaged: it does not match its checksum.")
    return document


def _check_version(document: dict[str, Any]) -> None:
    version = document.get("format_version")
    if type(version) is not int or version < 1:
        raise ValueError(
            f"{DESCRIPTION} has format version {version!r}; versions are numbered from 1, so "
            "sessionprompt has not written it."
        )
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{DESCRIPTION} has format version {version!r}, written by "
            f"{document.get('written_by')}; this version reads up to {FORMAT_VERSION}: "
            "upgrade sessionprompt."
        )


def _check_digests(expected: dict[str, str], parts: dict[str, bytes]) -> None:
    for name, digest in expected.items():
        if name not in parts:
            raise ValueError(f"{name} is missing.")
        if _sha256(parts[name]) != digest:
            raise ValueError(f"{name} is damaged: it is not as {DESCRIPTION} has recorded it.")


def _checksum(document: dict[str, Any]) -> str:
    return _sha256(json.dumps(document, sort_keys=True).encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
