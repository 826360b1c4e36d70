"""Clusters of the items of a training run, for the loss that takes its candidates from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clustering import ItemClusterer
from ..encoding import SessionEncoder, item_labels
from ..losses import MOST_OWN, loss_name
from ..network import resolve_device
from ..sessions import Sessions
from ..vocabulary import Vocabulary

__all__ = ["clusters_of_items", "loss_of"]

OWN_ITEMS = 724
"""Items of a cluster that are best: those of resolution 1 on Diginetica, see the documentation."""


def loss_of(estimator: Any, n_items: int) -> str:
    """Name of the loss with which an estimator learns so many items on its device."""
    device = resolve_device(estimator.device)
    return loss_name(estimator.loss, estimator.n_negatives, n_items, device)


def clusters_of_items(
    estimator: Any, encoder: SessionEncoder, backbone: Any, sessions: Sessions, seed: int
) -> np.ndarray | None:
    """Cluster of each item, or None where the loss reads none.

    Those that the sessions are labelled with, of several resolutions the one whose clusters hold
    nearest to `OWN_ITEMS` items; Leiden's of the sessions, at resolution 1, where there are none or
    all are so coarse that the loss would leave most of a cluster out.

    Parameters
    ----------
    estimator : PromptedSessionRecommender
    encoder : SessionEncoder
    backbone : Backbone
    sessions : Sessions
        Training sessions.
    seed : int

    Returns
    -------
    ndarray of shape (n_items,), int64, or None
        -1 for items that the sessions do not hold and nothing labels.
    """
    if loss_of(estimator, encoder.n_items) != "clusters":
        return None
    if estimator.loss == "auto" and not _suits(estimator, backbone):
        return None
    labels = encoder.item_labels  # (n_items, n_columns)
    if not encoder.cluster_sizes and sessions.labels is not None:
        labels = _moved(item_labels(sessions), sessions.vocabulary, encoder)
    column = _best_column(labels, encoder.item_counts)
    if column is not None:
        return labels[:, column]
    clusterer = ItemClusterer(random_state=seed % 2**32).fit(sessions)
    return _moved(clusterer.labels_[:, np.newaxis], clusterer.vocabulary_, encoder)[:, 0]


def _moved(labels: np.ndarray, vocabulary: Vocabulary, encoder: SessionEncoder) -> np.ndarray:
    """Labels (n, n_columns) of the items of a vocabulary as those of an encoder's items."""
    places = encoder.vocabulary.translate(vocabulary)
    known = places >= 0
    moved = np.full((encoder.n_items, labels.shape[1]), -1, dtype=np.int64)
    moved[places[known]] = labels[known]
    return moved


def _best_column(labels: np.ndarray, counts: np.ndarray) -> int | None:
    """Column of labels (n_items, n_columns) with clusters of the right size, if there is one."""
    n_columns = labels.shape[1]
    sizes = np.array([_mean_size(labels[:, column], counts) for column in range(n_columns)])
    sizes[sizes > MOST_OWN] = 0
    if not sizes.any():
        return None
    distance = np.abs(np.log(np.maximum(sizes, 1e-9) / OWN_ITEMS))
    return int(distance.argmin())


def _mean_size(labels: np.ndarray, counts: np.ndarray) -> float:
    """Items in the cluster of an event's item, the mean over all events; none counts as 0."""
    sizes = np.bincount(labels + 1)
    sizes[0] = 0
    return float(np.average(sizes[labels + 1], weights=counts))


def _suits(estimator: Any, backbone: Any) -> bool:
    """Whether the loss over clusters can stand for the full softmax."""
    own_criterion = "criterion" in (estimator.net_params or {})
    attends = getattr(backbone, "attends_to_candidates", False)
    return not own_criterion and not attends and estimator.precision != "bfloat16"
