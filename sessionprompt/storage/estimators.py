"""Fitted estimators that say themselves what they consist of, written to files and read again.

An estimator of the library has three methods::

    def _pack_params(self) -> dict[str, Any]:
        '''Parameters in terms of JSON; a TypeError if one cannot be stored.'''

    def _pack(self, store: ArrayStore) -> dict[str, Any]:
        '''Description in terms of JSON; the arrays go to the store.'''

    @classmethod
    def _unpack(cls, packed: dict[str, Any], store: ArrayStore) -> Self:
        '''The estimator that was packed; a ValueError if parts are missing or do not fit.'''

A Pipeline consists of its steps, also scikit-learn's own, which has no such methods.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from .archive import read_parts, write_parts
from .arrays import ArrayStore
from .document import PARTS, read_document, write_document
from .json import from_json, to_json

__all__ = ["check_storable", "load", "pack", "pack_params", "save", "unpack", "unpack_params"]

PASSTHROUGH = "passthrough"
PIPELINE = "sklearn.pipeline.Pipeline"
LIBRARY = __name__.partition(".")[0]
OF_PIPELINES = {"memory": None, "verbose": False}  # what a process decides and no file


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator, once it is known that it can be read back.

    Parameters
    ----------
    estimator : estimator with a method ``_pack``, or a Pipeline of such
    path : path
        A file that ends in ``.zip``, else a folder.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator, a parameter or its ids cannot be stored.
    ValueError
        If parameters were changed after fit, or `path` may not be replaced.
    """
    store = ArrayStore({}, {})
    description = pack(estimator, store)
    parts = write_document(description, store.arrays, store.weights)
    try:
        _read_estimator(parts, store.classes)
    except ValueError as error:
        raise ValueError(
            f"the parameters do not go with what was fitted: {error} "
            "Set them back, or fit again, then save."
        ) from error
    write_parts(path, parts, PARTS)


def load(path: str | os.PathLike[str], classes: dict[str, type]) -> Any:
    """Read an estimator of one of these classes.

    Parameters
    ----------
    path : path
    classes : dict of str to type
        The classes that may be made, by their names in the description.

    Returns
    -------
    estimator

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ValueError
        If what is there is no model, is damaged, or was written by a newer version.
    """
    parts = read_parts(path, PARTS)
    try:
        return _read_estimator(parts, classes)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


def _read_estimator(parts: dict[str, bytes], classes: dict[str, type]) -> Any:
    """The estimator of some parts; a ValueError says which part is at fault."""
    try:
        description, arrays, weights = read_document(parts)
        return unpack(description, ArrayStore(arrays, weights, classes=classes))
    except ValueError:
        raise
    except Exception as error:  # whole by its checksums, so made by hand or by another program
        fault = f"{type(error).__name__}: {error}"
        raise ValueError(f"its parts do not make a model ({fault}).") from error


def check_storable(estimator: Any) -> None:
    """Raise a TypeError unless an estimator can be saved once it is fitted.

    Parameters
    ----------
    estimator : estimator
        Fitted or not.
    """
    if _passes_through(estimator):
        return
    _stored_name(estimator)
    if hasattr(estimator, "_pack_params"):
        estimator._pack_params()
        return
    for _, step in estimator.steps:
        check_storable(step)


def _passes_through(step: Any) -> bool:
    """Whether a step of a Pipeline does nothing."""
    return step is None or (isinstance(step, str) and step == PASSTHROUGH)


def pack(estimator: Any, store: ArrayStore) -> dict[str, Any] | None:
    """Description of a fitted estimator in terms of JSON; its arrays go to the store.

    Parameters
    ----------
    estimator : estimator
    store : ArrayStore

    Returns
    -------
    dict, or None for a step that passes everything through
    """
    if _passes_through(estimator):
        return None
    name = _stored_name(estimator)
    store.classes[name] = type(estimator)
    if hasattr(estimator, "_pack"):
        packed = estimator._pack(store)
    else:
        packed = _pack_steps(estimator, store)
    return {"class": name, **packed}


def unpack(
    description: dict[str, Any] | None, store: ArrayStore, nothing: Any = PASSTHROUGH
) -> Any:
    """Make the estimator of a description and the arrays of a store.

    Parameters
    ----------
    description : dict or None
        As returned by :func:`pack`.
    store : ArrayStore
    nothing : object
        Returned where there is no description.

    Returns
    -------
    estimator

    Raises
    ------
    ValueError
        If the class is none of the store's, something is missing, or parts do not fit.
    """
    if description is None:
        return nothing
    name = description["class"]
    if name not in store.classes:
        raise ValueError(
            f"estimator.json names the class {name!r}; known classes are {list(store.classes)}."
        )
    made: Any = store.classes[name]
    if hasattr(made, "_unpack"):
        return made._unpack(description, store)
    return _unpack_steps(made, description, store)


def _stored_name(estimator: Any) -> str:
    """Name of the estimator's class in a description: short for the library's own classes."""
    own = type(estimator)
    full = f"{own.__module__}.{own.__qualname__}"
    if full == PIPELINE:
        return full
    # a class of somebody's own would come back as the class that it inherits from
    storable = hasattr(estimator, "_pack") or hasattr(estimator, "steps")
    if storable and full.startswith(f"{LIBRARY}."):
        return own.__name__
    way_out = f"save an estimator of {LIBRARY}, or a Pipeline of these"
    if hasattr(estimator, "best_estimator_"):
        way_out = "save its best_estimator_"
    if hasattr(estimator, "func"):
        way_out = "a function is code; call it before fit, with 'passthrough' as the step"
    raise TypeError(f"{own.__name__} cannot be stored; {way_out}.")


def _pack_steps(pipeline: Any, store: ArrayStore) -> dict[str, Any]:
    steps = [
        [name, pack(step, store.compartment(number))]
        for number, (name, step) in enumerate(pipeline.steps)
    ]
    params = pipeline.get_params(deep=False)
    del params["steps"]
    return {"params": pack_params(params, OF_PIPELINES), "steps": steps}


def _unpack_steps(made: Any, packed: dict[str, Any], store: ArrayStore) -> Any:
    names = [name for name, _ in packed["steps"]]
    if len(set(names)) < len(names) or any("__" in name for name in names) or not names:
        raise ValueError(f"estimator.json: {names} cannot be the names of steps.")
    steps = [
        (name, unpack(step, store.compartment(number)))
        for number, (name, step) in enumerate(packed["steps"])
    ]
    return made(steps, **unpack_params(packed["params"], OF_PIPELINES))


def pack_params(
    params: Mapping[str, Any], of_process: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Parameters in terms of JSON; a random state that is a generator becomes None.

    Parameters
    ----------
    params : mapping of str to object
        As returned by an estimator's ``get_params(deep=False)``.
    of_process : mapping of str to object, optional
        Parameters that say how a process works and nothing about the model, with their defaults.
        They are left out.

    Returns
    -------
    dict of str to object

    Raises
    ------
    TypeError
        If a value cannot be stored, such as a class.

    Examples
    --------
    >>> pack_params({"resolution": (0.5, 2.0), "random_state": np.random.default_rng(0)})
    {'resolution': {'tuple': [0.5, 2.0]}, 'random_state': None}
    """
    packed = {}
    for name, value in params.items():
        if of_process is not None and name in of_process:
            continue
        if isinstance(value, np.random.Generator | np.random.RandomState):
            value = None  # it has been drawn from, and would not give the same again
        packed[name] = to_json(value, name)
    return packed


def unpack_params(
    packed: Mapping[str, Any], of_process: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The parameters that :func:`pack_params` was given.

    Parameters
    ----------
    packed : mapping of str to object
    of_process : mapping of str to object, optional
        Parameters that no file decides, with their defaults. Others that a file has are not taken
        over, and a warning names them.

    Returns
    -------
    dict of str to object

    Examples
    --------
    >>> unpack_params({"resolution": {"tuple": [0.5, 2.0]}, "random_state": None})
    {'resolution': (0.5, 2.0), 'random_state': None}
    """
    left_out = of_process or {}
    odd = [name for name in packed if name in left_out and packed[name] != left_out[name]]
    if odd:
        warnings.warn(
            f"the file sets {', '.join(odd)}: no part of a model, but of how a process works, so "
            "that stays at its default; use set_params to change it.",
            stacklevel=2,
        )
    return {name: from_json(value) for name, value in packed.items() if name not in left_out}
