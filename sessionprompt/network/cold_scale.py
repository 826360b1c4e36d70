"""Length of the vectors of cold items: how they stand beside items that were trained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..batches import batches_of
from ..encoding import PrefixData
from ..scoring import Candidates, scores_against
from .modes import exact
from .network import SessionNetwork

__all__ = ["COLD_SCALES", "best_cold_scale", "scaled_candidates"]

COLD_SCALES = (1.0, 0.95, 1.05, 0.9, 1.1, 0.85, 1.15, 0.8, 0.7, 0.6, 0.5, 0.25)
"""Lengths to choose among, the nearest to 1 first; with .25 cold items hardly enter a list."""

K = 20  # items of the lists that are compared
COLD_WEIGHT = 3
"""Warm targets that one cold target is worth: new items were asked for."""


@torch.no_grad()
@exact()
def best_cold_scale(network: SessionNetwork, data: PrefixData, batch_size: int) -> float:
    """Length of cold candidates with which lists find the targets of held-out prefixes.

    Training never sees a cold item, so nothing tells it how many there are and how seldom they are
    chosen: their scores may push better known items out of the lists. Of the lengths whose recall,
    in which a cold target counts for `COLD_WEIGHT`, is within one standard error of the best, the
    one nearest to 1 is taken.

    Parameters
    ----------
    network : SessionNetwork
        Knows the cold items: those of no training event.
    data : PrefixData
        Prefixes with a target.
    batch_size : int
        Prefixes encoded at a time.

    Returns
    -------
    float
        One of `COLD_SCALES`; 1 where there are no cold items, or no target is one: then nothing is
        known of how often they will be chosen.

    References
    ----------
    Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984, section 3.4.3:
    the rule of one standard error.
    """
    network.eval()
    cold = network.popularity == 0  # (N,)
    if not cold.any():
        return 1.0
    candidates = Candidates(network.candidate_vectors())
    parts = [np.zeros((len(COLD_SCALES), 0), dtype=bool)]
    of_cold = [np.zeros(0, dtype=bool)]
    for batch, targets in batches_of(data, batch_size):
        batch = batch.to(cold.device)
        usable = (targets >= 0) & batch.known.cpu()  # (B,)
        codes = targets.clamp(min=0).to(cold.device)  # (B,)
        scores = scores_against(network.states(batch), candidates)  # (B, N)
        for rows, part in scores.blocks():
            hits = _hits(part.matrix(), codes[rows], cold)  # (n_scales, rows)
            chosen = usable[rows].to(cold.device)  # (rows,)
            parts.append(hits[:, chosen].cpu().numpy())
            of_cold.append(cold[codes[rows]][chosen].cpu().numpy())
    return _nearest_of_the_best(np.concatenate(parts, axis=1), np.concatenate(of_cold))


def _hits(scores: Tensor, targets: Tensor, cold: Tensor) -> Tensor:
    """Whether each target is among the `K` best, at each length of cold items, (n_scales, rows)."""
    of_target = scores.gather(1, targets.unsqueeze(1))  # (rows, 1)
    of_warm = _highest(scores[:, ~cold])  # (rows, at most K + 1)
    of_cold = _highest(scores[:, cold])  # (rows, at most K + 1)
    is_cold = cold[targets].unsqueeze(1)  # (rows, 1)
    hits = []
    for scale in COLD_SCALES:
        bound = torch.where(is_cold, scale * of_target, of_target)  # (rows, 1)
        n_above = (of_warm >= bound).sum(dim=1) + (scale * of_cold >= bound).sum(dim=1)  # (rows,)
        hits.append(n_above <= K)  # the target is one of them
    return torch.stack(hits)


def _highest(scores: Tensor) -> Tensor:
    """Highest scores of each row: more than are in a list need not be counted."""
    return scores.topk(min(K + 1, scores.shape[1]), dim=1, sorted=False).values


def _nearest_of_the_best(hits: np.ndarray, of_cold: np.ndarray) -> float:
    """First length whose weighted hits (n_scales, n) are within a standard error of the most."""
    if not of_cold.any():
        return 1.0
    weights = np.where(of_cold, COLD_WEIGHT, 1)  # (n,)
    most = hits[(hits @ weights).argmax()]  # (n,)
    lost = (most & ~hits) @ weights  # (n_scales,)
    gained = (hits & ~most) @ weights  # (n_scales,)
    variance = (most ^ hits) @ weights**2  # (n_scales,), of the difference
    return COLD_SCALES[int(((lost - gained) ** 2 <= variance).argmax())]


def scaled_candidates(
    network: SessionNetwork, vectors: Tensor, scale: float, items: Tensor | None = None
) -> Tensor:
    """Candidate vectors (N, d) in which those of cold items have another length.

    Parameters
    ----------
    network : SessionNetwork
    vectors : Tensor of shape (N, d)
        The network's, of all items or of some.
    scale : float
    items : LongTensor of shape (N,), optional
        Codes of these.
    """
    if scale == 1:
        return vectors
    counts = network.popularity  # (n_items,)
    if items is not None:
        counts = counts[items]  # (N,)
    lengths = torch.where(counts == 0, scale, 1.0).to(vectors.dtype)  # (N,)
    return vectors * lengths.unsqueeze(1)
