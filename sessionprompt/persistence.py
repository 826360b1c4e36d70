"""Fitted models as files without pickle: weights, arrays and JSON, with nothing to execute."""

from __future__ import annotations

import os
from typing import Any

from sklearn.pipeline import Pipeline as SklearnPipeline

from . import storage
from .clustering import ItemClusterer, PrecomputedClusters
from .pipeline import Pipeline
from .recommender import PromptedSessionRecommender

__all__ = ["load", "save"]

# nothing else is made, whatever a file names
CLASSES: dict[str, type] = {
    "PromptedSessionRecommender": PromptedSessionRecommender,
    "ItemClusterer": ItemClusterer,
    "PrecomputedClusters": PrecomputedClusters,
    "Pipeline": Pipeline,
    "sklearn.pipeline.Pipeline": SklearnPipeline,
}


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
    storage.save(estimator, path)


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
    return storage.load(path, CLASSES)
