"""Base of the baselines: they learn from item codes, score sparsely, fall back on popularity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from .._arrays import ragged_range
from ..base import SessionRecommenderMixin, warn_of_unknown
from ..encoding import EncodedSessions, NextItemTargets, SessionEncoder
from ..metrics import RankedTargets, target_ranks
from ..sessions import Sessions, as_sessions
from .rows import ItemRows

__all__ = ["Baseline", "Incremental"]

BLOCK = 2**22  # scores held at a time


class Baseline(SessionRecommenderMixin, BaseEstimator):
    """Base of the recommenders without a network: `fit`, and scores from what a subclass learned.

    An item that the model says nothing of has a score below 0, minus its place by popularity; so
    every item has a rank, and lists are always full.
    """

    def fit(self, X: Any, y: None = None) -> Self:
        """Learn from sessions.

        Parameters
        ----------
        X : Sessions or list of lists
            Training sessions; where the model minds how old they are, in the order of their times,
            or without times in the order given.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of bounds or X holds no event.
        """
        self._check_parameters()
        sessions = _with_events(as_sessions(X))
        self._set_items(SessionEncoder.learn(sessions, ()))
        self._learn(self._rows_of(sessions))
        return self

    def _check_parameters(self) -> None:
        """Raise on a parameter out of bounds."""

    def _learn(self, rows: ItemRows) -> None:
        """Learn from training sessions, oldest first."""

    def _relevance(self, prefixes: ItemRows) -> sparse.csr_array:
        """Scores above 0, by prefix and item."""
        raise NotImplementedError

    def _set_items(self, encoder: SessionEncoder) -> None:
        self.encoder_ = encoder
        self.items_ = encoder.vocabulary.ids
        self.n_items_ = encoder.n_items
        place = np.unique(-encoder.item_counts, return_inverse=True)[1]
        self.background_ = (-1 - place).astype(np.float32)

    def _rows_of(self, sessions: Sessions) -> ItemRows:
        rows = ItemRows(self.encoder_.item_codes(sessions), sessions.offsets)
        if sessions.times is None:
            return rows
        return rows.take(np.argsort(sessions.times, kind="stable"))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_")

    # ------------------------------------------------------------------ recommending and scoring
    def _best_items(
        self,
        encoded: EncodedSessions,
        k: int,
        allowed: np.ndarray | None,
        excluded: tuple[np.ndarray, np.ndarray] | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        prefixes = ItemRows.of_known(encoded.items, encoded.offsets)
        warn_of_unknown(int((prefixes.lengths == 0).sum()), stacklevel=4)
        best = np.empty((len(prefixes), k), dtype=np.int64)
        values = np.empty((len(prefixes), k), dtype=np.float32)
        for places, scores in self._score_blocks(prefixes):
            if allowed is not None:
                scores[:, np.isin(np.arange(self.n_items_), allowed, invert=True)] = -np.inf
            if excluded is not None:
                prefix, code = excluded
                inside = slice(*np.searchsorted(prefix, (places.start, places.stop)))
                scores[prefix[inside] - places.start, code[inside]] = -np.inf
            best[places], values[places] = _largest(scores, k)
        return best, values

    def _rank_targets(self, cut: NextItemTargets, ties: str, top: int) -> RankedTargets:
        places, prefixes = _all_prefixes(cut.encoded)
        targets = cut.next_items[places]
        ranks = np.empty(len(places))
        best = None
        if top:
            best = np.empty((len(places), top), dtype=np.int64)
        for rows, scores in self._score_blocks(prefixes):
            codes = np.maximum(targets[rows], 0)
            found = target_ranks(scores, codes, ties=ties)
            ranks[rows] = np.where(targets[rows] >= 0, found, np.inf)
            if best is not None:
                best[rows] = _largest(scores, top)[0]
        return RankedTargets.of(cut, self.encoder_, places, ranks, best)

    def _score_blocks(self, prefixes: ItemRows) -> Iterator[tuple[slice, np.ndarray]]:
        """Places and scores of a few prefixes at a time; the next overwrite the scores."""
        size = min(max(BLOCK // self.n_items_, 1), len(prefixes))
        block = np.empty((size, self.n_items_), dtype=np.float32)
        for first in range(0, len(prefixes), size):
            places = slice(first, min(first + size, len(prefixes)))
            relevance = self._relevance(prefixes.take(np.arange(places.start, places.stop))).tocoo()
            scores = block[: places.stop - places.start]
            scores[:] = self.background_
            scores[relevance.coords] = relevance.data
            yield places, scores


class Incremental(Baseline):
    """Baselines that new sessions can be added to."""

    def partial_fit(self, X: Any, y: None = None) -> Self:
        """Learn from further, newer sessions; the result is that of one fit on all of them.

        Parameters
        ----------
        X : Sessions or list of lists
        y : ignored

        Returns
        -------
        self
        """
        if not self.__sklearn_is_fitted__():
            return self.fit(X)
        self._check_parameters()
        sessions = _with_events(as_sessions(X))
        before = self.encoder_.vocabulary
        self._set_items(self.encoder_.grow(sessions, ()))
        moved = self.encoder_.vocabulary.translate(before).astype(np.int64)
        self._extend(moved, self._rows_of(sessions))
        return self

    def _extend(self, moved: np.ndarray, rows: ItemRows) -> None:
        """Add new sessions; `moved` is the new code of each item known before."""


def _with_events(sessions: Sessions) -> Sessions:
    if not sessions.n_events:
        raise ValueError(f"the {len(sessions)} sessions of X hold no event; give at least one.")
    return sessions


def _all_prefixes(encoded: EncodedSessions) -> tuple[np.ndarray, ItemRows]:
    """Every prefix that is asked for: the event at which it ends, and its known items."""
    session = np.repeat(np.arange(len(encoded)), encoded.lengths)
    length = np.arange(len(encoded.items)) - encoded.offsets[session] + 1
    places = np.flatnonzero(length >= encoded.first_prefix[session])
    lengths = length[places]
    events = ragged_range(places - lengths + 1, lengths)
    return places, ItemRows.of_known(encoded.items[events], np.append(0, np.cumsum(lengths)))


def _largest(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of the `k` largest scores of each row, best first, then by column."""
    n_rows, n = scores.shape
    peaks = np.maximum.reduceat(scores, np.arange(0, n, max(n // (8 * k), 1)), axis=1)
    # at least k scores reach the k-th highest peak
    bound = np.partition(peaks, -k, axis=1)[:, [-k]]
    row, column = np.divmod(np.flatnonzero(scores >= bound), n)
    value = scores[row, column]
    order = np.lexsort((column, -value, row))
    best = order[np.searchsorted(row, np.arange(n_rows))[:, None] + np.arange(k)]
    return column[best], value[best]
