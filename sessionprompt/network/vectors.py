"""Vectors of a trained network: sessions to be searched with, and items close to others."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from ..backbones import unit
from ..batches import batches_of
from ..encoding import PrefixData
from ..scoring import Candidates, InnerProduct, TargetAttention, scores_against
from .cold_scale import scaled_candidates
from .modes import exact
from .network import SessionNetwork

__all__ = ["close_items", "score_without", "session_vectors"]


@torch.no_grad()
@exact()
def session_vectors(
    network: SessionNetwork, data: PrefixData, batch_size: int, input_vectors: Tensor | None
) -> np.ndarray:
    """Vectors of prefixes, whose inner products with the candidate vectors are the scores.

    Parameters
    ----------
    network : SessionNetwork
    data : PrefixData
    batch_size : int
        Prefixes encoded at a time.
    input_vectors : Tensor of shape (n_items, d), or None

    Returns
    -------
    ndarray of shape (n_prefixes, d), float32

    Raises
    ------
    ValueError
        If the backbone has no vector of a prefix alone.
    """
    network.eval()
    vectors = np.empty((len(data), network.backbone.dim), dtype=np.float32)  # (n_prefixes, d)
    first = 0
    for batch, _ in batches_of(data, batch_size):
        states = network.states(batch.to(network.items.device), input_vectors)  # (B, d)
        if isinstance(states, TargetAttention):
            raise ValueError(
                f"{type(network.backbone).__name__} attends to each candidate, so a session has no "
                "vector of its own; take another backbone, such as 'srgnn'."
            )
        vectors[first : first + len(batch)] = states.cpu().numpy()
        first += len(batch)
    return vectors


@torch.no_grad()
@exact()
def close_items(vectors: Tensor, codes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes and cosines (n, k) of the items closest to each of some others, closest first.

    Parameters
    ----------
    vectors : Tensor of shape (n_items, d)
    codes : ndarray of shape (n,)
    k : int
        Less than the number of items.
    """
    directions = unit(vectors)  # (n_items, d)
    index = torch.from_numpy(codes).to(vectors.device, torch.long)  # (n,)
    found, cosines = InnerProduct(directions[index], Candidates(directions)).topk(k + 1)
    itself = found == index.unsqueeze(1)  # (n, k + 1)
    itself[:, k] |= ~itself.any(dim=1)  # as many others are as close
    others = ~itself  # (n, k + 1)
    shape = (len(codes), k)
    return found[others].view(shape).cpu().numpy(), cosines[others].view(shape).cpu().numpy()


@torch.no_grad()
@exact()
def score_without(
    network: SessionNetwork,
    data: PrefixData,
    code: int,
    kinds: Iterable[str],
    cold_scale: float = 1.0,
) -> float:
    """Score of an item for one prefix if prompts of some kinds were absent.

    Parameters
    ----------
    network : SessionNetwork
    data : PrefixData
        Of one prefix.
    code : int
        Code of the item.
    kinds : iterable of str
    cold_scale : float, default=1
        Length of cold items as candidates.
    """
    reduced = deepcopy(network).eval()
    if reduced.blend is not None:
        for kind in kinds:
            reduced.blend.table_of(kind).zero_()  # an absent prompt is a zero vector
    [(batch, _)] = batches_of(data, 1)
    states = reduced.states(batch.to(reduced.items.device))  # (1, d)
    item = torch.tensor([code], device=reduced.items.device)  # (1,)
    vectors = scaled_candidates(reduced, reduced.candidate_vectors(item), cold_scale, item)
    candidates = Candidates(vectors, False)
    return float(scores_against(states, candidates).matrix())
