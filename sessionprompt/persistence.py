"""Fitted models as files without pickle: weights, arrays and JSON, with nothing to execute."""

from __future__ import annotations

import os
from typing import Any

from sklearn.pipeline import Pipeline as SklearnPipeline

from . import baselines, storage
from .clustering import ItemAttributes, ItemClusterer, PrecomputedClusters
from .metrics import last_step
from .pipeline import Pipeline
from .recommender import PromptedSessionRecommender
from .sessions import as_sessions
from .stacking import StackedSessionRecommender
from .vocabulary import Vocabulary

__all__ = ["check_storable", "load", "save"]

# nothing else is made, whatever a file names
CLASSES: dict[str, type] = {
    "PromptedSessionRecommender": PromptedSessionRecommender,
    "ItemAttributes": ItemAttributes,
    "ItemClusterer": ItemClusterer,
    "PrecomputedClusters": PrecomputedClusters,
    "StackedSessionRecommender": StackedSessionRecommender,
    "Pipeline": Pipeline,
    "sklearn.pipeline.Pipeline": SklearnPipeline,
    **{name: getattr(baselines, name) for name in baselines.__all__},
}


def check_storable(estimator: Any, X: Any = None) -> None:
    """Raise unless :func:`save` could write an estimator once it is fitted: before the work for it.

    Parameters
    ----------
    estimator : estimator
        Fitted or not.
    X : Sessions or list of lists, optional
        Sessions on which it is to be fitted; their ids are checked too.

    Raises
    ------
    TypeError
        If the class, a parameter or an id is of a kind that cannot be stored.

    Examples
    --------
    >>> from sessionprompt import ItemClusterer
    >>> check_storable(ItemClusterer(), [["tea", "cup"], ["pen", "ink"]])
    >>> check_storable(ItemClusterer(), [[frozenset({"tea"})]])
    Traceback (most recent call last):
    TypeError: the item ids are of type frozenset (first frozenset({'tea'})) and cannot be stored...
    """
    storage.check_storable(estimator)
    if X is None:
        return
    sessions = as_sessions(X)
    ids = {"item": sessions.vocabulary}
    prompts = {kind for last in _last_steps(estimator) for kind in getattr(last, "prompts", ())}
    for kind, owners in {"user": sessions.users, "session": sessions.ids}.items():
        if kind in prompts and owners is not None:
            ids[kind] = Vocabulary.from_values(owners, name=kind)[0]
    store = storage.ArrayStore({}, {})
    for kind, vocabulary in ids.items():
        store.put_ids(kind, vocabulary)


def _last_steps(estimator: Any) -> list[Any]:
    """Recommenders of which an estimator consists: those in which its pipelines and stacks end."""
    last = last_step(estimator)
    if last is not estimator:
        return _last_steps(last)
    if isinstance(last, StackedSessionRecommender):
        return [inner for _, member in last.estimators for inner in _last_steps(member)]
    return [last]


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator to a folder, or to one file if `path` ends in ``.zip``.

    The parts are ``estimator.json`` (classes, parameters, history, checksums), ``arrays.npz`` (ids,
    clusters, item graph) and ``model.safetensors`` (weights). What is at `path` stays whole until
    the new model is complete, and nothing is written that :func:`load` could not read back.

    Parameters
    ----------
    estimator : estimator of this library, or Pipeline
        A recommender, a clusterer, a baseline, or a Pipeline of these and ``"passthrough"``, which
        may be scikit-learn's own. A `random_state` that is a generator is stored as None. What a
        process decides and no model is not stored: `net_params`, `device`, `checkpoint_dir`,
        `verbose` and a Pipeline's `memory`.
    path : path
        A folder that is there must be empty or hold a model. While it is replaced, readers find the
        old model or the new one, and of several writers the last one's stays.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If something about the estimator cannot be stored: its class, a parameter (such as a
        backbone that has no name in ``BACKBONES``), or ids of a kind that has no form in a file.
        :func:`check_storable` tells before the work.
    ValueError
        If parameters were changed after fit so that they do not go with the weights, weights are
        not finite, or `path` is something else.

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
        Fitted, on the CPU; it predicts, trains on and saves like the one that was saved. A file
        decides nothing but the model, and parameters are checked as `fit` checks them.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ValueError
        If what is there is no model, is damaged, was written by a newer version, or asks for more
        than it holds: members are stored without compression, and weights have the shapes that the
        parameters name.
    """
    return storage.load(path, CLASSES)
