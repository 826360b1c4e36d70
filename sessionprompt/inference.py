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

ROWS = 32  # of a block that are searched at a time on the CPU: what is made of them on the way stays in cache
SLICE = 64  # items whose highest score stands for all of them while the best are searched


@torch.no_grad()
def rank_targets(
    network: SessionNetwork,
    data: PrefixData,
    batch_size: int,
    ties: str = "pessimistic",
    top: int = 0,
    losses: bool = True,
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
    losses : bool
        Whether losses are wanted; they cost more than the ranks.

    Returns
    -------
    ranks : ndarray of shape (n_prefixes,), float
        1 is best; infinite where the target is unknown.
    losses : ndarray of shape (n_prefixes,), float
        Cross-entropy of the target; NaN where it is unknown or not wanted.
    best : ndarray of shape (n_prefixes, top)
        Codes of the best items, best first.
    """
    table = network.eval().table()
    ranks, lost = np.empty(len(data)), np.full(len(data), np.nan)
    best = np.empty((len(data), top), dtype=np.int64)
    for places, targets, scores in _blocks(network, data, table, batch_size):
        ranks[places] = _ranks(scores, targets, ties)
        if top:
            best[places] = _highest(scores, top)[0]
        if losses:
            lost[places] = _losses(scores, targets).cpu().numpy()
    return ranks, lost, best


def _blocks(
    network: SessionNetwork, data: PrefixData, table: Tensor, batch_size: int, inputs: Tensor | None = None
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield (places, targets, scores) of a few prefixes at a time.

    What is kept of a block belongs into an array made beforehand: small tensors kept among the large ones that come
    and go would break the heap into pieces that no block fits into again.
    """
    first = 0
    for batch, targets in data.batches(batch_size):
        for rows, scores in network.score_blocks(batch.to(table.device), table, inputs):
            yield slice(first + rows.start, first + rows.stop), targets[rows].to(table.device), scores
        first += len(batch)


def _ranks(scores: Tensor, targets: Tensor, ties: str) -> np.ndarray:
    """Rank of each row's target, infinite where it is unknown."""
    known, places = targets >= 0, targets.clamp(min=0)
    if scores.device.type == "cpu":  # NumPy compares and counts several times faster
        rows, columns = scores.numpy(), places.numpy()
        ranks = np.concatenate([target_ranks(rows[part], columns[part], ties=ties) for part in _parts(scores)])
    else:
        ranks = target_ranks(scores, places, ties=ties).cpu().numpy()
    return np.where(known.cpu().numpy(), ranks, np.inf)


def _losses(scores: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each row's target, NaN where it is unknown; uses the scores up."""
    own = scores.gather(1, targets.clamp(min=0)[:, None])
    highest = scores.amax(dim=1, keepdim=True)
    losses = scores.sub_(highest).exp_().sum(dim=1, keepdim=True).log_() + highest - own
    return torch.where(targets >= 0, losses.squeeze(1), torch.nan)


def _highest(scores: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and values of the `k` highest scores of each row, highest first."""
    found = [_top(scores[part], k) for part in _parts(scores)]
    places, values = (torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True))
    return places, values


def _top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the highest scores in the slices with the highest maxima, since no other slice can hold one of them."""
    n = scores.shape[1]
    n_slices, whole = n // SLICE, n - n % SLICE
    if n_slices < 4 * k or len(scores) == 1:  # too few slices, or too few rows, to save anything
        values, places = scores.topk(k, dim=1)
        return places, values
    chosen = scores[:, :whole].unflatten(1, (n_slices, SLICE)).amax(dim=2).topk(k, dim=1, sorted=False).indices
    inside = (chosen[:, :, None] * SLICE + torch.arange(SLICE, device=chosen.device)).flatten(1)
    rest = torch.arange(whole, n, device=chosen.device).expand(len(scores), -1)
    among = torch.cat([inside, rest], dim=1)
    values, order = scores.gather(1, among).topk(k, dim=1)
    return among.gather(1, order), values


def _parts(scores: Tensor) -> list[slice]:
    step = ROWS if scores.device.type == "cpu" else len(scores)
    return [slice(start, start + step) for start in range(0, len(scores), step)]


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
    inputs: Tensor | None = None,
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
    inputs : Tensor of shape (n_items, d), optional
        The network's input vectors, to look up instead of making them.

    Returns
    -------
    codes : ndarray of shape (n_prefixes, k)
    scores : ndarray of shape (n_prefixes, k)
    """
    if network.training:
        network.eval()
    best = np.empty((len(data), k), dtype=np.int64)
    values = np.empty((len(data), k), dtype=np.float32)
    for places, _, scores in _blocks(network, data, table, batch_size, inputs):
        if candidates is not None:
            scores = _only(scores, candidates)
        if hidden is not None:
            _hide(scores, places.start, *hidden)
        best[places], values[places] = _highest(scores, k)
    return best, values


def _only(scores: Tensor, candidates: np.ndarray) -> Tensor:
    index = torch.from_numpy(candidates).to(scores.device, torch.long)
    return torch.full_like(scores, -torch.inf).index_copy_(1, index, scores[:, index])


def _hide(scores: Tensor, first: int, prefix: np.ndarray, code: np.ndarray) -> None:
    """Take the pairs of the prefixes first, first + 1, ... out of the running."""
    inside = (prefix >= first) & (prefix < first + len(scores))
    place = torch.from_numpy(prefix[inside] - first).to(scores.device)
    scores[place, torch.from_numpy(code[inside]).to(scores.device)] = -torch.inf
