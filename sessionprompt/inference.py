"""Ranks of targets and lists of best items, from a trained network, block by block."""

from __future__ import annotations

from collections.abc import Sequence

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
) -> tuple[np.ndarray, ...]:
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
    table, device = network.eval().table(), network.items.device
    columns = []
    for batch, targets in data.batches(batch_size):
        for rows, scores in network.score_blocks(batch.to(device), table):
            best = scores.topk(top, dim=1).indices
            columns.append((*_rank_block(scores, targets[rows].to(device), ties), best))
    return _joined(columns)


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
) -> tuple[np.ndarray, ...]:
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
    columns, first = [], 0
    for batch, _ in data.batches(batch_size):
        for rows, scores in network.score_blocks(batch.to(table.device), table):
            if candidates is not None:
                scores = _only(scores, candidates)
            if hidden is not None:
                _hide(scores, first + rows.start, *hidden)
            values, codes = scores.topk(k, dim=1)
            columns.append((codes, values))
        first += len(batch)
    return _joined(columns)


def _only(scores: Tensor, candidates: np.ndarray) -> Tensor:
    index = torch.from_numpy(candidates).to(scores.device, torch.long)
    return torch.full_like(scores, -torch.inf).index_copy_(1, index, scores[:, index])


def _hide(scores: Tensor, first: int, prefix: np.ndarray, code: np.ndarray) -> None:
    """Take the pairs of the prefixes first, first + 1, ... out of the running."""
    inside = (prefix >= first) & (prefix < first + len(scores))
    place = torch.from_numpy(prefix[inside] - first).to(scores.device)
    scores[place, torch.from_numpy(code[inside]).to(scores.device)] = -torch.inf


def _joined(rows: Sequence[tuple[Tensor, ...]]) -> tuple[np.ndarray, ...]:
    """Blocks of columns as whole columns, on the CPU."""
    return tuple(torch.cat(column).cpu().numpy() for column in zip(*rows, strict=True))
