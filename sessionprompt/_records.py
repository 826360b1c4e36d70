"""Fitted estimators as a description in plain values, named arrays and weights; and estimators made of these again."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.pipeline import Pipeline as SklearnPipeline
from sklearn.utils.validation import check_is_fitted

from .backbones import BACKBONES
from .clustering import GraphClusterer, ItemClusterer, PrecomputedClusters
from .encoding import SessionEncoder, check_prompts
from .network import SessionNetwork
from .pipeline import Pipeline
from .recommender import PromptedSessionRecommender
from .storage import ArrayStore, from_json, to_json
from .training import TrainingPlan, build_net

__all__ = ["describe", "restore"]

CLASSES: dict[str, type] = {
    "PromptedSessionRecommender": PromptedSessionRecommender,
    "ItemClusterer": ItemClusterer,
    "PrecomputedClusters": PrecomputedClusters,
    "Pipeline": Pipeline,
    "sklearn.pipeline.Pipeline": SklearnPipeline,
}
LEARNED = ("history_", "n_epochs_", "best_epoch_", "best_score_", "stop_reason_")


def describe(estimator: Any, shelf: ArrayStore) -> dict[str, Any] | None:
    """Put the arrays of a fitted estimator on the shelf, and return all else about it in terms of JSON.

    Parameters
    ----------
    estimator : PromptedSessionRecommender, ItemClusterer, PrecomputedClusters or Pipeline
    shelf : ArrayStore

    Returns
    -------
    dict, or None for a step that passes everything through

    Raises
    ------
    TypeError
        If the estimator, one of its parameters or its ids cannot be stored.
    NotFittedError
    """
    if estimator is None or (isinstance(estimator, str) and estimator == "passthrough"):
        return None
    description: dict[str, Any] = {"class": _class_name(estimator)}
    if isinstance(estimator, SklearnPipeline):
        steps = [
            [name, describe(step, shelf.compartment(i))]
            for i, (name, step) in enumerate(estimator.steps)
        ]
        return {**description, "params": _plain_params(estimator), "steps": steps}
    check_is_fitted(estimator)
    put = _put_clusters if isinstance(estimator, GraphClusterer) else _put_model
    return {**description, "params": _plain_params(estimator), "fitted": put(estimator, shelf)}


def _class_name(estimator: Any) -> str:
    for name, known in CLASSES.items():
        if type(estimator) is known:
            return name
    way_out = (
        "its best_estimator_"
        if hasattr(estimator, "best_estimator_")
        else f"one of {list(CLASSES)}"
    )
    raise TypeError(f"{type(estimator).__name__} cannot be stored; save {way_out}.")


def _plain_params(estimator: Any) -> dict[str, Any]:
    params = estimator.get_params(deep=False)
    return {
        name: to_json(_storable(name, value), name)
        for name, value in params.items()
        if name != "steps"
    }


def _storable(name: str, value: Any) -> Any:
    if name == "random_state" and isinstance(value, np.random.Generator | np.random.RandomState):
        return None
    if name == "backbone" and not isinstance(value, str):
        return _registered_name(value)
    return value


def _registered_name(backbone: Any) -> str:
    for name, known in BACKBONES.items():
        if backbone is known:
            return name
    raise TypeError(
        f"backbone={backbone!r} is code, and code cannot be stored; name it in sessionprompt.backbones.BACKBONES, here "
        "and where the model is loaded, or keep the state_dict() of network_ instead."
    )


def _put_clusters(clusterer: Any, shelf: ArrayStore) -> dict[str, Any]:
    graph, labels = clusterer.graph_, clusterer.labels_
    shelf.put_ids("items", clusterer.vocabulary_)
    shelf.put("labels", labels.reshape(len(labels), -1))
    shelf.put("graph_weights", graph.data)
    shelf.put("graph_neighbours", graph.indices)
    shelf.put("graph_starts", graph.indptr)
    return {}


def _put_model(model: PromptedSessionRecommender, shelf: ArrayStore) -> dict[str, Any]:
    encoder = model.encoder_
    shelf.put_ids("items", encoder.vocabulary)
    shelf.put("item_counts", encoder.item_counts)
    shelf.put("item_labels", encoder.item_labels)
    for kind, owners in encoder.owners.items():
        shelf.put_ids(kind, owners)
    shelf.put_weights(model.network_.state_dict())
    learned = {name: getattr(model, name) for name in LEARNED}
    return {
        "prompts": list(encoder.prompts),
        "cluster_sizes": to_json(list(encoder.cluster_sizes), "cluster_sizes"),
        **{name: to_json(value, name) for name, value in learned.items()},
    }


def restore(description: dict[str, Any] | None, shelf: ArrayStore) -> Any:
    """Make the estimator of a description and the arrays on the shelf.

    Parameters
    ----------
    description : dict or None
        As returned by `describe`.
    shelf : ArrayStore

    Returns
    -------
    estimator

    Raises
    ------
    ValueError
        If something is missing, or parts do not fit each other.
    """
    if description is None:
        return "passthrough"
    name = description["class"]
    if name not in CLASSES:
        raise ValueError(
            f"estimator.json names the class {name!r}; known classes are {list(CLASSES)}."
        )
    params = {key: from_json(value) for key, value in description["params"].items()}
    if issubclass(CLASSES[name], SklearnPipeline):
        steps = [
            (step, restore(part, shelf.compartment(i)))
            for i, (step, part) in enumerate(description["steps"])
        ]
        return CLASSES[name](steps, **params)
    estimator = CLASSES[name](**params)
    take = _take_clusters if isinstance(estimator, GraphClusterer) else _take_model
    take(estimator, description["fitted"], shelf)
    return estimator


def _take_clusters(clusterer: Any, fitted: dict[str, Any], shelf: ArrayStore) -> None:
    """All else that a clusterer learns follows from graph and labels."""
    clusterer.vocabulary_ = shelf.take_ids("items")
    n = len(clusterer.vocabulary_)
    clusterer.graph_ = _take_graph(n, shelf)
    labels = shelf.take("labels", "i", n, None)
    if ((labels < 0) | (labels >= n)).any():
        raise ValueError(f"arrays.npz: 'labels' must lie in 0..{n - 1}.")
    resolutions = clusterer._resolutions()
    if isinstance(resolutions, tuple) and len(resolutions) != labels.shape[1]:
        raise ValueError(
            f"'labels' has {labels.shape[1]} columns, but the parameters ask for {len(resolutions)}."
        )
    clusterer._learn(list(labels.T))


def _take_graph(n: int, shelf: ArrayStore) -> sparse.csr_array:
    weights, neighbours = (
        shelf.take("graph_weights", "if", None),
        shelf.take("graph_neighbours", "i", None),
    )
    graph = sparse.csr_array(
        (weights, neighbours, shelf.take("graph_starts", "i", n + 1)), shape=(n, n)
    )
    graph.check_format(full_check=True)
    return graph


def _take_model(
    model: PromptedSessionRecommender, fitted: dict[str, Any], shelf: ArrayStore
) -> None:
    model.encoder_ = _take_encoder(fitted, shelf)
    model.items_, model.n_items_ = model.encoder_.vocabulary.ids, model.encoder_.n_items
    for name in LEARNED:
        setattr(model, name, from_json(fitted[name]))
    if model.backbone not in BACKBONES:
        raise ValueError(
            f"the backbone {model.backbone!r} is not known here; name its class in sessionprompt.backbones.BACKBONES "
            "before loading."
        )
    network = _empty_network(model)
    _load_weights(network, shelf.take_weights())
    model.net_, model._table = build_net(network, TrainingPlan.of(model)), None


def _empty_network(model: PromptedSessionRecommender) -> SessionNetwork:
    """A network with room for the weights, drawn without touching the global random state."""
    with torch.random.fork_rng(devices=[]):
        network = model._build_network(model.encoder_)
    # no session: room only
    network.backbone.precompute(np.empty(0, np.int32), np.zeros(1, np.int64), model.n_items_)
    return network


def _take_encoder(fitted: dict[str, Any], shelf: ArrayStore) -> SessionEncoder:
    vocabulary, prompts, sizes = (
        shelf.take_ids("items"),
        check_prompts(fitted["prompts"]),
        fitted["cluster_sizes"],
    )
    labels = shelf.take("item_labels", "i", len(vocabulary), len(sizes))
    if ((labels < -1) | (labels >= np.array(sizes, dtype=np.int64))).any():
        raise ValueError(
            "arrays.npz: 'item_labels' names clusters that estimator.json does not count."
        )
    owners = {kind: shelf.take_ids(kind) for kind in prompts if kind != "cluster"}
    counts = shelf.take("item_counts", "i", len(vocabulary))
    return SessionEncoder(vocabulary, prompts, counts, labels, tuple(sizes), owners)


def _load_weights(network: SessionNetwork, state: dict[str, torch.Tensor]) -> None:
    """Fill a network, once every tensor is known to be there and to fit."""
    expected = network.state_dict()
    if odd := sorted(expected.keys() ^ state.keys()):
        raise ValueError(
            f"model.safetensors: {odd[0]!r} is {'missing' if odd[0] in expected else 'of another model'}."
        )
    for name, value in expected.items():
        found = state[name]
        if found.shape != value.shape or found.is_floating_point() != value.is_floating_point():
            raise ValueError(
                f"model.safetensors: {name!r} is {found.dtype} of shape {tuple(found.shape)}; the parameters ask for "
                f"{value.dtype} of shape {tuple(value.shape)}."
            )
    network.to(state["items"].dtype).load_state_dict(state)
