"""Ranks of targets and lists of best items, from a trained network, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ..batches import SessionBatch, batches_of
from ..blending import Blend, HeldOut, OwnItems
from ..encoding import ItemFilter, NextItemTargets, PrefixData, SessionEncoder, prefix_data
from ..metrics import RankedTargets
from ..scoring import (
    BlendedScores,
    Candidates,
    DenseScores,
    KnownOrPopular,
    Scores,
    own_scores,
    scores_against,
)
from ..sessions import Sessions
from .cold_scale import scaled_candidates
from .modes import exact
from .network import SessionNetwork

__all__ = [
    "held_out_scores",
    "item_vectors",
    "prefix_scores",
    "rank_sessions",
    "rank_targets",
    "top_items",
]

N_BEST = 100  # items outside a prefix that stand for all of them where a blend is learned


@torch.no_grad()
@exact()
def item_vectors(network: SessionNetwork, cold_scale: float = 1.0) -> tuple[Tensor | None, Tensor]:
    """All items as inputs, where nothing else decides on them, and as candidates.

    Parameters
    ----------
    network : SessionNetwork
    cold_scale : float, default=1
        Length of cold items as candidates, see :func:`best_cold_scale`.

    Returns
    -------
    inputs : Tensor of shape (n_items, d), or None
    candidates : Tensor of shape (n_items, d)

    Raises
    ------
    ValueError
        If a number of them is not finite.
    """
    network.eval()
    inputs = network.input_vectors()
    candidates = scaled_candidates(network, network.candidate_vectors(), cold_scale)
    odd = (~torch.isfinite(candidates)).any(dim=1)  # (n_items,)
    if odd.any():
        raise ValueError(
            f"the vectors of {int(odd.sum()):,} of {len(odd):,} items are not finite, so nothing "
            "can be ranked; fit again, with a lower lr."
        )
    return inputs, candidates


@torch.no_grad()
@exact()
def rank_targets(
    network: SessionNetwork,
    data: PrefixData,
    batch_size: int,
    ties: str = "pessimistic",
    top: int = 0,
    losses: bool = True,
    items: ItemFilter | None = None,
    candidate_vectors: Tensor | None = None,
    blend: Blend | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exact ranks of all targets among all items, or among those that a filter leaves.

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
        Whether losses are wanted, over all items; they cost more than the ranks.
    items : ItemFilter, optional
        With a row for each prefix.
    candidate_vectors : Tensor of shape (n_items, d), optional
        The network's, to use instead of making them.
    blend : Blend, optional
        Weighs the items of the prefixes themselves.

    Returns
    -------
    ranks : ndarray of shape (n_prefixes,), float
        1 is best; infinite where the target is unknown or left out.
    losses : ndarray of shape (n_prefixes,), float
        Cross-entropy of the target; NaN where it is unknown or not wanted.
    best : ndarray of shape (n_prefixes, top)
        Codes of the best items, best first; -1 where the filter leaves no more.
    """
    network.eval()
    if candidate_vectors is None:
        candidate_vectors = network.candidate_vectors()
    answers = _Answers(network, candidate_vectors, network.popularity, items is None, blend=blend)
    ranks = np.full(len(data), np.inf)
    lost = np.full(len(data), np.nan)
    best = np.empty((len(data), top), dtype=np.int64)
    for places, targets, scores in answers.blocks(data, batch_size):
        known = (targets >= 0).cpu().numpy()  # (rows,)
        codes = targets.clamp(min=0)  # (rows,)
        if losses:
            lost[places[known]] = scores.losses(codes).cpu().numpy()[known]
        if items is not None:
            hidden = items.take(places).hidden(len(places))  # (rows, N)
            known &= ~hidden[np.arange(len(places)), codes.cpu().numpy()]
            scores = _without(scores, hidden)
        ranks[places[known]] = scores.ranks(codes, ties).cpu().numpy()[known]
        if top:
            best[places] = _best_of(scores, top)[0]
    return ranks, lost, best


def _without(scores: Scores, hidden: np.ndarray) -> DenseScores:
    """Scores in which some candidates, (rows, N), have minus infinity."""
    values = scores.matrix()  # (rows, N)
    return DenseScores(values.masked_fill(torch.from_numpy(hidden).to(values.device), -torch.inf))


def _best_of(scores: Scores, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and scores (rows, k) of the best candidates; place -1 where there are no more."""
    n_rows, n_candidates = scores.shape
    places = np.full((n_rows, k), -1)
    values = np.full((n_rows, k), -np.inf, dtype=np.float32)
    found, value = (part.cpu().numpy() for part in scores.topk(min(k, n_candidates)))
    places[:, : found.shape[1]] = np.where(value > -np.inf, found, -1)
    values[:, : found.shape[1]] = value
    return places, values


class _Answers:
    """Scores that a network gives to prefixes, and popularity to those of which it knows nothing.

    Parameters
    ----------
    network : SessionNetwork
    candidate_vectors : Tensor of shape (N, d)
    popularity : Tensor of shape (N,)
    kernels : bool
        Whether kernels may rank; a filter by prefix asks for scores that exist, which they do not
        make.
    input_vectors : Tensor of shape (n_items, d), optional
        The network's input vectors, to look up instead of making them.
    blend : Blend, optional
    """

    def __init__(
        self,
        network: SessionNetwork,
        candidate_vectors: Tensor,
        popularity: Tensor,
        kernels: bool,
        input_vectors: Tensor | None = None,
        blend: Blend | None = None,
    ) -> None:
        self.network = network
        self.candidates = Candidates(candidate_vectors, kernels)
        self.popularity = popularity
        self.input_vectors = input_vectors
        self.blend = blend

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
            scores: Scores = scores_against(states, self.candidates)  # (B, N)
            if self.blend is not None:
                scores = BlendedScores(scores, own_items(batch), self.blend)
            answers = KnownOrPopular(scores, batch.known.cpu(), self.popularity)
            places = torch.arange(first, first + len(batch))  # (B,)
            for rows, part in answers.blocks():
                yield places[rows].numpy(), targets[rows].to(device), part
            first += len(batch)


@torch.no_grad()
@exact()
def top_items(
    network: SessionNetwork,
    data: PrefixData,
    candidate_vectors: Tensor,
    k: int,
    *,
    batch_size: int,
    items: ItemFilter | None = None,
    input_vectors: Tensor | None = None,
    blend: Blend | None = None,
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
    items : ItemFilter, optional
        Items that may be recommended, with a row for each prefix.
    input_vectors : Tensor of shape (n_items, d), optional
        The network's input vectors, to look up instead of making them.
    blend : Blend, optional
        Weighs the items of the prefixes themselves; it reads the scores of all items, so all of
        them are computed, however few are candidates.

    Returns
    -------
    codes : ndarray of shape (n_prefixes, k)
        -1 where the filter leaves no more items.
    scores : ndarray of shape (n_prefixes, k)
    """
    if network.training:
        network.eval()
    popularity = network.popularity
    candidates = None
    if items is not None and items.candidates is not None and blend is None:
        candidates = items.candidates
        index = torch.from_numpy(candidates).to(candidate_vectors.device, torch.long)
        candidate_vectors = candidate_vectors[index]
        popularity = popularity[index]
    answers = _Answers(network, candidate_vectors, popularity, items is None, input_vectors, blend)
    best = np.empty((len(data), k), dtype=np.int64)
    values = np.empty((len(data), k), dtype=np.float32)
    for places, _, scores in answers.blocks(data, batch_size):
        if items is not None and (items.by_row or blend is not None):
            hidden = items.take(places).hidden(len(places))  # (rows, n_items)
            if candidates is not None:
                hidden = hidden[:, candidates]  # (rows, N)
            scores = _without(scores, hidden)
        found, values[places] = _best_of(scores, k)
        if candidates is not None:
            found = np.where(found >= 0, candidates[found], -1)
        best[places] = found
    return best, values


def own_items(batch: SessionBatch) -> OwnItems:
    """Items of the prefixes of a batch."""
    items = batch.items.cpu().numpy()  # (T,)
    ends = batch.ends.cpu().numpy()  # (P,)
    lengths = batch.lengths.cpu().numpy()  # (B,)
    if batch.asks_at_ends:
        row = np.repeat(np.arange(len(lengths)), lengths)  # (T,)
        return OwnItems.of(row, items, ends[row] - np.arange(len(items)), lengths)
    row = batch.prefix_pairs.rows.cpu().numpy()  # (M,)
    event = batch.prefix_pairs.columns.cpu().numpy()  # (M,)
    return OwnItems.of(row, items[event], ends[row] - event, np.bincount(row))


@torch.no_grad()
@exact()
def held_out_scores(network: SessionNetwork, data: PrefixData, batch_size: int) -> HeldOut:
    """Scores of the held-out prefixes that a blend can learn from.

    Parameters
    ----------
    network : SessionNetwork
    data : PrefixData
    batch_size : int
        Prefixes encoded at a time.
    """
    network.eval()
    candidates = Candidates(network.candidate_vectors())
    parts = []
    for batch, targets in batches_of(data, batch_size):
        batch = batch.to(candidates.vectors.device)
        scores = scores_against(network.states(batch), candidates)  # (B, N)
        own = own_items(batch)
        for rows, part in scores.blocks():
            some = own.take(np.arange(len(targets))[rows])
            parts.append(_held_out(part, some, targets[rows]).usable())
    return HeldOut.join(parts)


def _held_out(scores: Scores, own: OwnItems, targets: Tensor) -> HeldOut:
    """Scores of some held-out prefixes, counted from the best of each."""
    pairs, owns, best = own_scores(scores, own)
    wanted = targets.clamp(min=0).unsqueeze(1).to(scores.device)  # (rows, 1)
    target_scores = scores.of(wanted).squeeze(1).cpu().numpy() - best  # (rows,)
    left_out = torch.full(pairs[0].shape, -torch.inf, dtype=scores.dtype, device=scores.device)
    values = _best_of(scores.replaced(*pairs, left_out), N_BEST)[1]  # (rows, N_BEST)
    return HeldOut(
        own, owns - best[own.row], values - best[:, None], targets.numpy(), target_scores
    )


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
    items: ItemFilter | None = None,
    candidate_vectors: Tensor | None = None,
    blend: Blend | None = None,
) -> RankedTargets:
    """Ranks of the targets of all prefixes of some cut sessions, in the order of the sessions."""
    data, places = prefix_data(cut, encoder, max_length, one_pass)
    if items is not None:
        items = items.take(places)
    ranks, _, best = rank_targets(
        network,
        data,
        batch_size,
        ties,
        top,
        losses=False,
        items=items,
        candidate_vectors=candidate_vectors,
        blend=blend,
    )
    lists = None
    if top:
        lists = best
    return RankedTargets.of(cut, encoder, places, ranks, lists, filtered=items is not None)


@torch.no_grad()
@exact()
def prefix_scores(
    network: SessionNetwork,
    encoder: SessionEncoder,
    inputs: Sessions,
    *,
    max_length: int,
    one_pass: bool | str,
    batch_size: int,
    input_vectors: Tensor | None,
    candidate_vectors: Tensor,
) -> np.ndarray:
    """Scores of all items for all prefixes of some sessions, in memory.

    A prefix of which nothing is known gets the logarithms of how often items occurred.

    Parameters
    ----------
    network : SessionNetwork
    encoder : SessionEncoder
    inputs : Sessions
        Their `target_start` is the shortest prefix that counts.
    max_length, one_pass
        As in :func:`~sessionprompt.encoding.prefix_data`.
    batch_size : int
        Prefixes encoded at a time.
    input_vectors : Tensor of shape (n_items, d), or None
    candidate_vectors : Tensor of shape (n_items, d)

    Returns
    -------
    ndarray of shape (n_prefixes, n_items), float32
        In the order of the events at which prefixes end.
    """
    network.eval()
    nothing = np.full(inputs.n_events, -1)  # no prefix is asked what follows it
    rows = np.arange(len(inputs))
    cut = NextItemTargets(inputs, encoder.encode(inputs), nothing, nothing >= 0, rows)
    data, events = prefix_data(cut, encoder, max_length, one_pass)
    place_of = np.empty(len(data), dtype=np.int64)
    place_of[np.argsort(events)] = np.arange(len(data))
    popularity = torch.log1p(network.popularity)  # (n_items,)
    answers = _Answers(network, candidate_vectors, popularity, False, input_vectors)
    values = np.empty((len(data), len(candidate_vectors)), dtype=np.float32)
    for places, _, scores in answers.blocks(data, batch_size):
        values[place_of[places]] = scores.matrix().cpu().numpy()
    return values
