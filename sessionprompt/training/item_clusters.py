"""Clusters of the items of a training run, for the loss that takes its candidates from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clustering import ItemClusterer
from ..encoding import SessionEncoder, item_labels
from ..losses import loss_name
from ..sessions import Sessions

__all__ = ["clusters_of_items"]


def clusters_of_items(
    estimator: Any, encoder: SessionEncoder, backbone: Any, sessions: Sessions, seed: int
) -> np.ndarray | None:
    """Cluster of each item, or None where the loss reads none.

    Those that the model or its sessions are labelled with, of several resolutions the finest; else
    Leiden's of the sessions, at resolution 1.

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
    if loss_name(estimator.loss, estimator.n_negatives, encoder.n_items) != "clusters":
        return None
    if estimator.loss == "auto" and not _suits(estimator, backbone):
        return None
    if encoder.cluster_sizes:
        return encoder.item_labels[:, np.argmax(encoder.cluster_sizes)]
    if sessions.labels is not None:
        columns = item_labels(sessions)  # (n_items of the sessions, n_columns)
        labels = columns[:, columns.max(axis=0).argmax()]
        vocabulary = sessions.vocabulary
    else:
        clusterer = ItemClusterer(random_state=seed % 2**32).fit(sessions)
        labels = clusterer.labels_
        vocabulary = clusterer.vocabulary_
    places = encoder.vocabulary.translate(vocabulary)
    known = places >= 0
    clusters = np.full(encoder.n_items, -1, dtype=np.int64)
    clusters[places[known]] = labels[known]
    return clusters


def _suits(estimator: Any, backbone: Any) -> bool:
    """Whether the loss over clusters can stand for the full softmax."""
    own_criterion = "criterion" in (estimator.net_params or {})
    attends = getattr(backbone, "attends_to_candidates", False)
    return not own_criterion and not attends and estimator.precision != "bfloat16"
