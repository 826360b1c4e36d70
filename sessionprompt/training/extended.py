"""Trained networks with other items: cold ones added or taken away, without training."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..batches import SeededDraws
from ..encoding import SessionEncoder, rows_between, warm_encoder, with_cold_items
from ..network import SessionNetwork, build_network
from .loop import TrainingPlan, build_net

__all__ = ["describing", "without_cold_items"]


def describing(estimator: Any, describers: Sequence[Any]) -> tuple[SessionEncoder, Any]:
    """Encoder and net of a trained recommender that also knows the items of attribute tables.

    Parameters
    ----------
    estimator : PromptedSessionRecommender
        Fitted; it is not changed.
    describers : sequence of ItemAttributes

    Returns
    -------
    encoder : SessionEncoder
    net : SessionNet
    """
    encoder = with_cold_items(estimator.encoder_, describers)
    return encoder, _net_of(estimator, encoder)


def without_cold_items(estimator: Any) -> Any:
    """A trained recommender as training left it; itself where it knows no cold items.

    Parameters
    ----------
    estimator : PromptedSessionRecommender
        Fitted or not.
    """
    if not hasattr(estimator, "net_"):
        return estimator
    encoder = warm_encoder(estimator.encoder_)
    if encoder is estimator.encoder_:
        return estimator
    warm = copy.copy(estimator)
    warm._set_learned(encoder, {"net_": _net_of(estimator, encoder)})
    return warm


def _net_of(estimator: Any, encoder: SessionEncoder) -> Any:
    """Net of a network that has the weights of another for the items of an encoder."""
    other: SessionNetwork = estimator.network_
    with SeededDraws(0), torch.no_grad():  # what is drawn is not kept
        network = build_network(estimator, encoder)
        network.to(other.items.dtype)
        nothing = np.empty(0, np.int32)
        network.backbone.precompute(nothing, np.zeros(1, np.int64), encoder.n_items)
        network.copy_weights_from(other, rows_between(encoder, estimator.encoder_))
        cold = torch.from_numpy(encoder.item_counts == 0)  # (N,)
        network.items[cold] = 0
    network.to(other.items.device)
    return build_net(network, TrainingPlan.of(estimator))
