"""Fitted models as files without pickle: weights, arrays, and a description in JSON that holds nothing to execute."""

from __future__ import annotations

import hashlib
import json
import os
from io import BytesIO
from typing import Any

import numpy as np
from safetensors import torch as safetensors

from ._records import describe, restore
from .storage import ArrayStore, read_parts, write_parts

__all__ = ["load", "save"]

FORMAT, FORMAT_VERSION = "sessionprompt", 1
DESCRIPTION, ARRAYS, WEIGHTS = "estimator.json", "arrays.npz", "model.safetensors"
PARTS = (DESCRIPTION, ARRAYS, WEIGHTS)


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator to a folder, or to one file if `path` ends in ``.zip``.

    The parts are ``estimator.json`` (classes, parameters, history, checksums), ``arrays.npz`` (ids,
    clusters, item graph) and ``model.safetensors`` (weights). What is at `path` stays whole until
    the new model is complete, and nothing is written that :func:`load` could not read back.

    Parameters
    ----------
    estimator : PromptedSessionRecommender, ItemClusterer, PrecomputedClusters or Pipeline
        A Pipeline of these steps may be scikit-learn's own. A `random_state` that is a generator is
        stored as None, a path as a string.
    path : path
        A folder that is there must be empty or hold a model.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If something about the estimator cannot be stored: its class, a parameter (such as a
        backbone that has no name in ``BACKBONES``), or ids that are neither numbers nor strings.
    ValueError
        If parameters were changed after fit so that they do not go with the weights, or `path` is
        something else.

    Examples
    --------
    >>> import tempfile
    >>> from sessionprompt import ItemClusterer
    >>> clusterer = ItemClusterer(random_state=0).fit([["tea", "cup"], ["pen", "ink"]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(clusterer, f"{folder}/clusters.zip")
    ...     load(f"{folder}/clusters.zip").labels_
    array([0, 1, 1, 0], dtype=int32)
    """
    parts = _disassemble(estimator)
    try:
        _assemble(parts)
    except ValueError as error:
        raise ValueError(
            f"the parameters do not go with what was fitted: {error} Set them back, or fit again, then save."
        ) from error
    write_parts(path, parts, PARTS)


def load(path: str | os.PathLike[str]) -> Any:
    """Read an estimator that :func:`save` has written; no code is taken from the file.

    Parameters
    ----------
    path : path
        Folder or zip file.

    Returns
    -------
    estimator
        Fitted, on the CPU; it predicts, trains on and saves like the one that was saved.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ValueError
        If what is there is no model, is damaged, or was written by a newer version.
    """
    parts = read_parts(path, PARTS)
    try:
        return _assemble(parts)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


def _disassemble(estimator: Any) -> dict[str, bytes]:
    from . import __version__

    shelf = ArrayStore({}, {})
    description = describe(estimator, shelf)
    arrays = BytesIO()
    np.savez(arrays, allow_pickle=False, **shelf.arrays)
    parts = {ARRAYS: arrays.getvalue()}
    if shelf.weights:
        parts[WEIGHTS] = safetensors.save(shelf.weights)
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "written_by": f"sessionprompt {__version__}",
        "estimator": description,
        "sha256": {name: _sha256(content) for name, content in parts.items()},
    }
    document["checksum"] = _checksum(document)
    return {DESCRIPTION: json.dumps(document, indent=1).encode(), **parts}


def _assemble(parts: dict[str, bytes]) -> Any:
    """Make the estimator of its parts, or raise a ValueError that says which part is at fault."""
    document = _read_description(parts)
    try:
        _check_digests(document["sha256"], parts)
        with np.load(BytesIO(parts[ARRAYS]), allow_pickle=False) as stored:
            arrays = dict(stored)
        weights = safetensors.load(parts[WEIGHTS]) if WEIGHTS in document["sha256"] else {}
        return restore(document["estimator"], ArrayStore(arrays, weights))
    except ValueError:
        raise
    except Exception as error:  # whole by its checksums, so made by hand or by another program
        raise ValueError(
            f"its parts do not make a model ({type(error).__name__}: {error})."
        ) from error


def _read_description(parts: dict[str, bytes]) -> dict[str, Any]:
    if DESCRIPTION not in parts:
        raise ValueError(f"holds no {DESCRIPTION}, so it is no model written by sessionprompt.")
    try:
        document = json.loads(parts[DESCRIPTION])
    except ValueError as error:
        raise ValueError(f"{DESCRIPTION} is damaged or cut off ({error}).") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"{DESCRIPTION} is not of a model written by sessionprompt.")
    version = document.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ValueError(
            f"{DESCRIPTION} has format version {version!r}, written by {document.get('written_by')}; this version "
            f"reads up to {FORMAT_VERSION}: upgrade sessionprompt."
        )
    if document.pop("checksum", None) != _checksum(document):
        raise ValueError(f"{DESCRIPTION} is damaged: it does not match its checksum.")
    return document


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
