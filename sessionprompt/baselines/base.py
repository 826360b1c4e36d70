"""Base of the baselines: they learn from item codes, score sparsely, fall back on popularity."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from .._arrays import largest_of_rows
from .._checks import check_fitted
from ..base import SessionRecommenderMixin, known_ranks, leave_out, warn_of_unknown
from ..encoding import EncodedSessions, ItemFilter, NextItemTargets, SessionEncoder
from ..metrics import RankedTargets
from ..sessions import Sessions, as_sessions
from ..storage import ArrayStore, pack_params, save, unpack_params
from .rows import ItemRows, Windows

__all__ = ["Baseline", "Incremental"]

BLOCK = 2**22  # scores, or events of prefixes, held at a time
OFFSET = 1e-3  # added to scores of at most 1 before their logarithm, which is what no score has


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
        self._set_items(self._encoder_of(sessions))
        self._learn(self._rows_of(sessions))
        return self

    def _check_parameters(self) -> None:
        """Raise on a parameter out of bounds."""

    def _encoder_of(self, sessions: Sessions) -> SessionEncoder:
        """Encoder of the items that the model knows."""
        return SessionEncoder.learn(sessions, ())

    def _window(self) -> int:
        """Number of the newest known events of a session that its scores rest on."""
        raise NotImplementedError

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

    # ------------------------------------------------------------------ storage
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model, see :func:`sessionprompt.persistence.save`.

        Parameters
        ----------
        path : path
        """
        save(self, path)

    def _pack(self, store: ArrayStore) -> dict[str, Any]:
        """Description in terms of JSON; ids and what was learned go to the store."""
        check_fitted(self, "encoder_")
        fitted = self.encoder_._pack(store)
        self._put_learned(store)
        return {"params": self._pack_params(), "fitted": fitted}

    def _pack_params(self) -> dict[str, Any]:
        """Parameters in terms of JSON; a TypeError if one cannot be stored."""
        return pack_params(self.get_params(deep=False))

    @classmethod
    def _unpack(cls, packed: dict[str, Any], store: ArrayStore) -> Self:
        """The model that was packed; a ValueError says which part does not fit."""
        model = cls(**unpack_params(packed["params"]))
        model._check_parameters()
        model._set_items(SessionEncoder._unpack(packed["fitted"], store))
        model._take_learned(store)
        return model

    def _put_learned(self, store: ArrayStore) -> None:
        """Store what `_learn` has set, beside the items and their counts."""

    def _take_learned(self, store: ArrayStore) -> None:
        """Set what `_learn` sets, from a store."""

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_")

    # ------------------------------------------------------------------ recommending and scoring
    def _best_items(
        self, sessions: Sessions, k: int, items: ItemFilter | None
    ) -> tuple[np.ndarray, np.ndarray]:
        self._check_parameters()
        encoded = self.encoder_.encode(sessions)
        known = ItemRows.of_known(encoded.items, encoded.offsets)
        prefixes = Windows(known, known.offsets[1:], known.lengths).newest(self._window())
        warn_of_unknown(int((prefixes.lengths == 0).sum()), stacklevel=5)
        best = np.empty((len(prefixes), k), dtype=np.int64)
        values = np.empty((len(prefixes), k), dtype=np.float32)
        for places, scores in self._score_blocks(prefixes):
            leave_out(scores, items, np.arange(places.start, places.stop))
            best[places], values[places] = largest_of_rows(scores, k)
        best[values == -np.inf] = -1
        return best, values

    def _rank_targets(
        self, cut: NextItemTargets, ties: str, top: int, items: ItemFilter | None
    ) -> RankedTargets:
        self._check_parameters()
        places, prefixes = _all_prefixes(cut.encoded)
        prefixes = prefixes.newest(self._window())
        targets = cut.next_items[places]
        ranks = np.empty(len(places))
        best = None
        if top:
            best = np.empty((len(places), top), dtype=np.int64)
        for rows, scores in self._score_blocks(prefixes):
            leave_out(scores, items, places[rows])
            ranks[rows] = known_ranks(scores, targets[rows], ties)
            if best is not None:
                lists, values = largest_of_rows(scores, top)
                best[rows] = np.where(values > -np.inf, lists, -1)
        return RankedTargets.of(cut, self.encoder_, places, ranks, best, items is not None)

    def _score_blocks(self, prefixes: Windows) -> Iterator[tuple[slice, np.ndarray]]:
        """Places and scores of a few prefixes at a time; the next overwrite the scores."""
        size = min(max(BLOCK // self.n_items_, 1), len(prefixes))
        block = np.empty((size, self.n_items_), dtype=np.float32)
        for places in prefixes.slices(size, BLOCK):
            row, item, values = self._relevant(prefixes.rows(places))
            scores = block[: places.stop - places.start]
            scores[:] = self.background_
            scores[row, item] = values
            yield places, scores

    def _log_scores(self, inputs: Sessions) -> np.ndarray:
        self._check_parameters()
        prefixes = _all_prefixes(self.encoder_.encode(inputs))[1].newest(self._window())
        scores = np.empty((len(prefixes), self.n_items_), dtype=np.float32)
        # by popularity, and within 1 of each other
        scores[:] = np.log(OFFSET) - self.background_ / self.background_.min()
        for places in prefixes.slices(len(prefixes), BLOCK):
            row, item, values = self._relevant(prefixes.rows(places))
            highest = np.zeros(places.stop - places.start)
            np.maximum.at(highest, row, values)
            scores[places][row, item] = np.log(values / highest[row] + OFFSET)
        return scores

    def _relevant(self, prefixes: ItemRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Prefix, item and score of all pairs of which the model says anything."""
        relevance = self._relevance(prefixes).tocoo()
        values = self._in_float32(relevance.data)
        row, item = relevance.coords
        if values.min(initial=1) > 0:
            return row, item, values
        above = np.flatnonzero(values)  # a weight that rounds to 0 says nothing
        return row[above], item[above], values[above]

    def _in_float32(self, scores: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            values = scores.astype(np.float32)
        if not values.max(initial=0) < np.inf:  # also of NaN
            raise ValueError(
                f"scores of {self} leave the range of float32, so they have no order; choose "
                "parameters closer to their defaults and fit again."
            )
        return values


class Incremental(Baseline):
    """Baselines that new sessions can be added to."""

    def partial_fit(self, X: Any, y: None = None) -> Self:
        """Learn from further, newer sessions; the result is that of one fit on all of them.

        Parameters
        ----------
        X : Sessions or list of lists
            Without any event, nothing changes.
        y : ignored

        Returns
        -------
        self
        """
        if not self.__sklearn_is_fitted__():
            return self.fit(X)
        self._check_parameters()
        sessions = as_sessions(X)
        if not sessions.n_events:
            return self
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


def _all_prefixes(encoded: EncodedSessions) -> tuple[np.ndarray, Windows]:
    """Every prefix that is asked for: the event at which it ends, and its known items."""
    session = np.repeat(np.arange(len(encoded)), encoded.lengths)
    length = np.arange(len(encoded.items)) - encoded.offsets[session] + 1
    is_asked = length >= encoded.first_prefix[session]
    if encoded.asked is not None:
        is_asked &= encoded.asked
    places = np.flatnonzero(is_asked)
    known = ItemRows.of_known(encoded.items, encoded.offsets)
    ends = np.cumsum(encoded.items >= 0)[places]
    return places, Windows(known, ends, ends - known.offsets[session[places]])
