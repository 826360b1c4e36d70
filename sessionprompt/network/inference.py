"""Ranks of targets and lists of best items, from a trained network, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ..batches import batches_of
from ..encoding import NextItemTargets, PrefixData, SessionEncoder, prefix_data
from ..metrics import RankedTargets
from ..scoring import Candidates, KnownOrPopular, Scores, scores_against
from .network import SessionNetwork

__all__ = ["rank_sessions", "rank_targets", "top_items"]


@torch.no_grad()
def rank_targets(
    network: SessionNetwork,
    data: PrefixData,
    batch_size: int,
    ties: str = "pessimistic",
    top: int = 0,
    losses: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exact ranks of all targets among all items.

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
    network.eval()
    answers = _Answers(network, network.candidate_vectors(), network.popularity)
    ranks = np.full(len(data), np.inf)
    lost = np.full(len(data), np.nan)
    best = np.empty((len(data), top), dtype=np.int64)
    for places, targets, scores in answers.blocks(data, batch_size):
        known = (targets >= 0).cpu().numpy()  # (rows,)
        codes = targets.clamp(min=0)  # (rows,)
        ranks[places[known]] = scores.ranks(codes, ties).cpu().numpy()[known]
        if top:
            best[places] = scores.topk(top)[0].cpu().numpy()
        if losses:
            lost[places[known]] = scores.losses(codes).cpu().numpy()[known]
    return ranks, lost, best


class _Answers:
    """Scores that a network gives to prefixes, and popularity to those of which it knows nothing.

    Parameters
    ----------
    network : SessionNetwork
    candidate_vectors : Tensor of shape (N, d)
    popularity : Tensor of shape (N,)
    input_vectors : Tensor of shape (n_items, d), optional
        The network's input vectors, to look up instead of making them.
    """

    def __init__(
        self,
        network: SessionNetwork,
        candidate_vectors: Tensor,
        popularity: Tensor,
        input_vectors: Tensor | None = None,
    ) -> None:
        self.network = network
        self.candidates = Candidates(candidate_vectors)
        self.popularity = popularity
        self.input_vectors = input_vectors

    def blocks(
        self, data: PrefixData, batch_size: int
    ) -> Iterator[tuple[np.ndarray, Tensor, Scores]]:
        """Yield (places, targets, scores) of a few prefixes at a time.

        What is kept of a block belongs into an array made beforehand: small tensors kept among the
        large ones that come and go would break the heap into pieces that no block fits into again.
        """
        device = self.candidates.vectors.device
        first = 0
        for batch, targets in batches_of(data, batch_size):
            batch = batch.to(device)
            states = self.network.states(batch, self.input_vectors)  # (B, d)
            scores = scores_against(states, self.candidates)  # (B, N)
            answers = KnownOrPopular(scores, batch.known.cpu(), self.popularity)
            places = torch.arange(first, first + len(batch))  # (B,)
            for rows, part in answers.blocks():
                yield places[rows].numpy(), targets[rows].to(device), part
            first += len(batch)


@torch.no_grad()
def top_items(
    network: SessionNetwork,
    data: PrefixData,
    candidate_vectors: Tensor,
    k: int,
    *,
    batch_size: int,
    candidates: np.ndarray | None = None,
    excluded: tuple[np.ndarray, np.ndarray] | None = None,
    input_vectors: Tensor | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Best `k` item codes of each prefix and their scores, best first.

    Parameters
    ----------
    network : SessionNetwork
    data : PrefixData
    candidate_vectors : Tensor of shape (n_items, d)
        The network's candidate vectors.
    k : int
    batch_size : int
        Prefixes encoded at a time.
    candidates : ndarray of codes, optional
        Items that may be recommended.
    excluded : pair of ndarrays (prefix, code), optional
        Items that may not be recommended for a prefix.
    input_vectors : Tensor of shape (n_items, d), optional
        The network's input vectors, to look up instead of making them.

    Returns
    -------
    codes : ndarray of shape (n_prefixes, k)
    scores : ndarray of shape (n_prefixes, k)
    """
    if network.training:
        network.eval()
    exclusions = _Exclusions(excluded, candidates, len(candidate_vectors))
    popularity = network.popularity
    if candidates is not None:
        index = torch.from_numpy(candidates).to(candidate_vectors.device, torch.long)
        candidate_vectors = candidate_vectors[index]
        popularity = popularity[index]
    answers = _Answers(network, candidate_vectors, popularity, input_vectors)
    best = np.empty((len(data), k), dtype=np.int64)
    values = np.empty((len(data), k), dtype=np.float32)
    for places, _, scores in answers.blocks(data, batch_size):
        found, value = (part.cpu().numpy() for part in scores.topk(k + exclusions.most))
        if candidates is not None:
            found = candidates[found]
        best[places], values[places] = exclusions.leave_out(places, found, value, k)
    return best, values


class _Exclusions:
    """Pairs (prefix, code) that may not be recommended.

    Attributes
    ----------
    most : int
        Largest number of candidates that are excluded for one prefix.
    """

    def __init__(
        self,
        excluded: tuple[np.ndarray, np.ndarray] | None,
        candidates: np.ndarray | None,
        n_items: int,
    ) -> None:
        self.n_items = n_items
        self.most = 0
        if excluded is None:
            return
        prefix, code = excluded
        self.pairs = prefix * n_items + code
        if candidates is not None:
            prefix = prefix[np.isin(code, candidates)]
        self.most = int(np.bincount(prefix, minlength=1).max())

    def leave_out(
        self, places: np.ndarray, codes: np.ndarray, values: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """First `k` of each row of codes and values that are not excluded for its prefix."""
        if not self.most:
            return codes, values
        pairs = places[:, None] * self.n_items + codes
        excluded = np.isin(pairs, self.pairs)
        first = np.argsort(excluded, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(codes, first, 1), np.take_along_axis(values, first, 1)


def rank_sessions(
    network: SessionNetwork,
    encoder: SessionEncoder,
    cut: NextItemTargets,
    *,
    max_length: int,
    one_pass: bool | str,
    batch_size: int,
    ties: str = "pessimistic",
    top: int = 0,
) -> RankedTargets:
    """Ranks of the targets of all prefixes of some cut sessions, in the order of the sessions."""
    data, places = prefix_data(cut, encoder, max_length, one_pass)
    ranks, _, best = rank_targets(network, data, batch_size, ties, top, losses=False)
    if not top:
        return RankedTargets.of(cut, encoder, places, ranks)
    return RankedTargets.of(cut, encoder, places, ranks, best)
