"""How far cold items are trusted beside trained ones, learned on validation sessions."""

from __future__ import annotations

import copy
from typing import Any

from ..encoding import NextItemTargets, SessionEncoder, prefix_data
from ..network import best_cold_scale, one_pass_of
from ..sessions import Sessions
from .extended import describing
from .sampling import sampled_prefixes

__all__ = ["learned_cold_scale"]

N_PREFIXES = 2000  # recall of .3 has a standard error of .01 there, its changes a smaller one


def learned_cold_scale(
    estimator: Any, encoder: SessionEncoder, net: Any, valid: Sessions | None, seed: int
) -> float:
    """Length of cold items as candidates with which lists find the targets of validation.

    Parameters
    ----------
    estimator : PromptedSessionRecommender
        Its parameters are read, it is not changed.
    encoder : SessionEncoder
    net : SessionNet
        Trained on other sessions; to its items, those of the attribute tables are added.
    valid : Sessions or None
    seed : int
        Draws prefixes, where there are many.

    Returns
    -------
    float
        1 where nothing is to be learned.
    """
    if estimator.cold_items is None or valid is None or not valid.item_attributes:
        return 1.0
    trained = copy.copy(estimator)
    trained._set_learned(encoder, {"net_": net})
    encoder, net = describing(trained, valid.item_attributes)
    targets = NextItemTargets.of(valid, encoder)
    one_pass = one_pass_of(estimator, net.network)
    data = prefix_data(targets, encoder, estimator.max_length, one_pass)[0]
    data = sampled_prefixes(data, N_PREFIXES, seed)
    return best_cold_scale(net.network, data, estimator.batch_size)
