"""Ranks of targets and lists of best items, from a trained network, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..batches import batches_of
from ..encoding import NextItemTargets, PrefixData, SessionEncoder, prefix_data
from ..metrics import RankedTargets, target_ranks
from ..scoring import LEAST, Screened, can_screen_rows, can_screen_table, score_blocks
from .network import SessionNetwork

__all__ = ["rank_sessions", "rank_targets", "top_items"]

# of a block that are searched at a time on the CPU: what is made of them on the way stays in cache
ROWS = 32
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
    ranks, lost = np.empty(len(data)), np.empty(len(data))
    best = np.empty((len(data), top), dtype=np.int64)
    for places, targets, scored in _scored(network, data, table, network.popularity, batch_size):
        unknown, codes = (targets < 0).cpu().numpy(), targets.clamp(min=0)
        ranks[places] = np.where(unknown, np.inf, scored.ranks(codes, ties))
        if top:
            best[places] = scored.highest(top)[0]
        lost[places] = np.where(unknown, np.nan, scored.losses(codes)) if losses else np.nan
    return ranks, lost, best


def _scored(
    network: SessionNetwork,
    data: PrefixData,
    table: Tensor,
    popularity: Tensor,
    batch_size: int,
    inputs: Tensor | None = None,
) -> Iterator[tuple[np.ndarray, Tensor, Screened | _Scores]]:
    """Yield (places, targets, their scores) of a few prefixes at a time; popularity where nothing is known of one.

    What is kept of a block belongs into an array made beforehand: small tensors kept among the
    large ones that come and go would break the heap into pieces that no block fits into again.
    """
    first, screens = 0, len(data) >= LEAST and can_screen_table(table)
    for batch, targets in batches_of(data, batch_size):
        batch, targets, places = (
            batch.to(table.device),
            targets.to(table.device),
            first + np.arange(len(batch)),
        )
        states, known = network.states(batch, inputs), batch.known
        if screens and can_screen_rows(states) and known.any():
            yield places[known.numpy()], targets[known], Screened(states[known], table)
            places, targets, states, known = (
                places[~known.numpy()],
                targets[~known],
                states[~known],
                known[~known],
            )
        for rows, scores in score_blocks(states, table):
            if not known.all():
                scores[~known[rows]] = popularity
            yield places[rows], targets[rows], _Scores(scores)
        first += len(batch)


@dataclass(frozen=True)
class _Scores:
    """Rows of scores (n, n_items), and what :class:`~sessionprompt._screening.Screened` gives without them."""

    scores: Tensor

    def ranks(self, targets: Tensor, ties: str) -> np.ndarray:
        """Rank of each row's target."""
        if self.scores.device.type != "cpu":
            return target_ranks(self.scores, targets, ties=ties).cpu().numpy()
        # NumPy compares and counts several times faster
        scores, columns = self.scores.numpy(), targets.numpy()
        return np.concatenate(
            [target_ranks(scores[part], columns[part], ties=ties) for part in _parts(self.scores)]
        )

    def losses(self, targets: Tensor) -> np.ndarray:
        """Cross-entropy of each row's target; uses the scores up."""
        own = self.scores.gather(1, targets[:, None])
        highest = self.scores.amax(dim=1, keepdim=True)
        losses = self.scores.sub_(highest).exp_().sum(dim=1, keepdim=True).log_() + highest - own
        return losses.squeeze(1).cpu().numpy()

    def highest(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Places and values of the `k` highest scores of each row, highest first."""
        found = [_top(self.scores[part], k) for part in _parts(self.scores)]
        places, values = (torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True))
        return places, values


def _top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the highest scores in the slices with the highest maxima, since no other slice can hold one of them."""
    n = scores.shape[1]
    n_slices, whole = n // SLICE, n - n % SLICE
    if n_slices < 4 * k or len(scores) == 1:  # too few slices, or too few rows, to save anything
        values, places = scores.topk(k, dim=1)
        return places, values
    chosen = (
        scores[:, :whole]
        .unflatten(1, (n_slices, SLICE))
        .amax(dim=2)
        .topk(k, dim=1, sorted=False)
        .indices
    )
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
    popularity, veil = network.popularity, _Exclusions(hidden, candidates, len(table))
    if candidates is not None:
        index = torch.from_numpy(candidates).to(table.device, torch.long)
        table, popularity = table[index], popularity[index]
    best = np.empty((len(data), k), dtype=np.int64)
    values = np.empty((len(data), k), dtype=np.float32)
    for places, _, scored in _scored(network, data, table, popularity, batch_size, inputs):
        found, value = scored.highest(k + veil.most)
        codes = found if candidates is None else candidates[found]
        best[places], values[places] = veil.leave_out(places, codes, value, k)
    return best, values


class _Exclusions:
    """Pairs (prefix, code) that may not be recommended; of a prefix at most `most` among the candidates."""

    def __init__(
        self,
        hidden: tuple[np.ndarray, np.ndarray] | None,
        candidates: np.ndarray | None,
        n_items: int,
    ) -> None:
        self.n_items, self.most = n_items, 0
        if hidden is not None:
            prefix, code = hidden
            self.pairs = prefix * n_items + code
            counted = prefix if candidates is None else prefix[np.isin(code, candidates)]
            self.most = int(np.bincount(counted, minlength=1).max())

    def leave_out(
        self, places: np.ndarray, codes: np.ndarray, values: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The first `k` of each row of codes and values, without what is hidden from its prefix."""
        if not self.most:
            return codes, values
        hidden = np.isin(places[:, None] * self.n_items + codes, self.pairs)
        first = np.argsort(hidden, axis=1, kind="stable")[:, :k]
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
    """Rank the target of every prefix of some cut sessions, in the order of the sessions."""
    data, places = prefix_data(cut, encoder, max_length, one_pass)
    ranks, _, best = rank_targets(network, data, batch_size, ties, top, losses=False)
    return RankedTargets.of(cut, encoder, places, ranks, best if top else None)
