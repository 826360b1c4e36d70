"""Ranks of targets and lists of best items, from a trained network, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from .batches import PrefixData
from .metrics import target_ranks
from .network import SessionNetwork

__all__ = ["rank_targets", "top_items"]


@torch.no_grad()
def rank_targets(
    network: SessionNetwork, data: PrefixData, batch_size: int, ties: str = "pessimistic", top: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exact rank of every target among all items.

    Parameters
    ----------
    network : SessionNetwork
    data : PrefixData
    batch_size : int
        Prefixes encoded at a time.
    ties : {"pessimistic", "midpoint", "optimistic"}
    top : int
        Length of the lists of best items to return as well.

    Returns
    -------
    ranks : ndarray of shape (n_prefixes,), float
        1 is best; infinite where the target is unknown.
    losses : ndarray of shape (n_prefixes,), float
        Cross-entropy of the target; NaN where it is unknown.
    best : ndarray of shape (n_prefixes, top)
        Codes of the best items, best first.
    """
    table = network.eval().table()
    ranks, losses = np.empty(len(data)), np.empty(len(data))
    best = np.empty((len(data), top), dtype=np.int64)
    for places, targets, scores in _blocks(network, data, table, batch_size):
        ranks[places], losses[places] = (column.cpu().numpy() for column in _rank_block(scores, targets, ties))
        if top:
            best[places] = scores.topk(top, dim=1).indices.cpu().numpy()
    return ranks, losses, best


def _blocks(
    network: SessionNetwork, data: PrefixData, table: Tensor, batch_size: int
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield (places, targets, scores) of a few prefixes at a time.

    What is kept of a block belongs into an array made beforehand: small tensors kept among the large ones that come
    and go would break the heap into pieces that no block fits into again.
    """
    first = 0
    for batch, targets in data.batches(batch_size):
        for rows, scores in network.score_blocks(batch.to(table.device), table):
            yield slice(first + rows.start, first + rows.stop), targets[rows].to(table.device), scores
        first += len(batch)


def _rank_block(scores: Tensor, targets: Tensor, ties: str) -> tuple[Tensor, Tensor]:
    known, places = targets >= 0, targets.clamp(min=0)
    ranks = torch.where(known, target_ranks(scores, places, ties=ties).double(), torch.inf)
    losses = scores.logsumexp(dim=1) - scores.gather(1, places[:, None]).squeeze(1)
    return ranks, torch.where(known, losses, torch.nan)


@torch.no_grad()
def top_items(
    network: SessionNetwork,
    data: PrefixData,
    table: Tensor,
    k: int,
    *,
    batch_size: int,
    candidates: np.ndarray | None = None,
    hidden: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Best `k` item codes of each prefix and their scores, best first.

    Parameters
    ----------
    network : SessionNetwork
    data : PrefixData
    table : Tensor of shape (n_items, d)
        The network's candidate table.
    k : int
    batch_size : int
        Prefixes encoded at a time.
    candidates : ndarray of codes, optional
        Items that may be recommended.
    hidden : pair of ndarrays (prefix, code), optional
        Items that may not be recommended for a prefix.

    Returns
    -------
    codes : ndarray of shape (n_prefixes, k)
    scores : ndarray of shape (n_prefixes, k)
    """
    network.eval()
    best = np.empty((len(data), k), dtype=np.int64)
    values = np.empty((len(data), k), dtype=np.float32)
    for places, _, scores in _blocks(network, data, table, batch_size):
        if candidates is not None:
            scores = _only(scores, candidates)
        if hidden is not None:
            _hide(scores, places.start, *hidden)
        highest = scores.topk(k, dim=1)
        best[places], values[places] = highest.indices.cpu().numpy(), highest.values.cpu().numpy()
    return best, values


def _only(scores: Tensor, candidates: np.ndarray) -> Tensor:
    index = torch.from_numpy(candidates).to(scores.device, torch.long)
    return torch.full_like(scores, -torch.inf).index_copy_(1, index, scores[:, index])


def _hide(scores: Tensor, first: int, prefix: np.ndarray, code: np.ndarray) -> None:
    """Take the pairs of the prefixes first, first + 1, ... out of the running."""
    inside = (prefix >= first) & (prefix < first + len(scores))
    place = torch.from_numpy(prefix[inside] - first).to(scores.device)
    scores[place, torch.from_numpy(code[inside]).to(scores.device)] = -torch.inf
