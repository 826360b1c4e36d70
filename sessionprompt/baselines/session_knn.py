"""Nearest neighbours among the sessions of the past."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .._arrays import ragged_range
from .._checks import check_integer, check_number
from ..storage import ArrayStore
from .base import Incremental
from .decay import decay
from .longest import LONGEST, NewestEvents
from .per_row import first_per_row, largest_per_row
from .rows import ItemRows, LastClicks

__all__ = ["STAN", "VSKNN"]

NOT_CLICKED = np.iinfo(np.int32).max  # steps back to an item that the session has not clicked
CLICKS = 2**23  # clicks of neighbours held at a time


class SessionKNN(NewestEvents, Incremental):
    """Base of the session neighbours: nearest sessions, and scores of their items.

    Sessions are numbered from the newest on.
    """

    n_neighbors: int
    sample_size: int | None

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_integer("n_neighbors", self.n_neighbors)
        if self.sample_size is not None:
            check_integer("sample_size", self.sample_size)

    def _similarity_weights(self, steps: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Weight of a common item that the running session has clicked so many steps back."""
        raise NotImplementedError

    def _session_weights(self, n_items: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Factor of sessions of so many items, and of an age from 0 (newest) to 1 (oldest)."""
        return np.ones(len(age))

    def _item_weights(self, steps: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Weight of an item so far from the last common one, which was so many steps back."""
        raise NotImplementedError

    def _learn(self, rows: ItemRows) -> None:
        rows = rows.newest(self.max_length)
        self._sessions = rows
        n_sessions = len(rows)
        newest_first = rows.take(np.arange(n_sessions)[::-1])
        clicks = newest_first.last_clicks(self.n_items_)
        n_clicks = np.bincount(clicks.rows, minlength=n_sessions)
        self._items = clicks.items
        self._positions = clicks.positions
        self._offsets = np.append(0, np.cumsum(n_clicks))
        age = np.arange(n_sessions) / n_sessions
        self._factors = self._session_weights(np.maximum(n_clicks, 1), age)
        self._holders = self._sessions_of_items(clicks, n_sessions)

    def _sessions_of_items(self, clicks: LastClicks, n_sessions: int) -> sparse.csr_array:
        """1 where a session holds an item; shape (n_items, n_sessions)."""
        ones = np.ones(len(clicks.items))
        places = (clicks.items, clicks.rows)
        holders = sparse.coo_array((ones, places), (self.n_items_, n_sessions)).tocsr()
        if self.sample_size:
            # the newest sessions of a session's items are among the newest of each item
            holders = first_per_row(holders, self.sample_size)
        return holders

    def _put_learned(self, store: ArrayStore) -> None:
        store.put("session_items", self._sessions.items)
        store.put("session_offsets", self._sessions.offsets)

    def _take_learned(self, store: ArrayStore) -> None:
        items = store.take("session_items", "i", None)
        offsets = store.take("session_offsets", "i", None)
        self._learn(ItemRows.checked(items, offsets, self.n_items_))

    def _extend(self, moved: np.ndarray, rows: ItemRows) -> None:
        before = self._sessions
        items = np.concatenate([moved[before.items], rows.items])
        offsets = np.concatenate([before.offsets, before.offsets[-1] + rows.offsets[1:]])
        self._learn(ItemRows(items, offsets))

    def _relevance(self, prefixes: ItemRows) -> sparse.csr_array:
        clicks = prefixes.last_clicks(self.n_items_)
        steps = prefixes.lengths[clicks.rows] - clicks.positions
        neighbors = self._neighbors(prefixes, clicks, steps)
        steps_of = np.full((len(prefixes), self.n_items_), NOT_CLICKED, dtype=np.int32)
        steps_of[clicks.rows, clicks.items] = steps
        return self._score_items(neighbors, steps_of)

    def _neighbors(
        self, prefixes: ItemRows, clicks: LastClicks, steps: np.ndarray
    ) -> sparse.csr_array:
        """Similarity to the nearest sessions; shape (n_prefixes, n_sessions)."""
        weights = self._similarity_weights(steps, prefixes.lengths[clicks.rows])
        places = (clicks.rows, clicks.items)
        clicked = sparse.csr_array((weights, places), shape=(len(prefixes), self.n_items_))
        candidates = (clicked @ self._holders).tocsr()
        if self.sample_size:
            candidates = first_per_row(candidates, self.sample_size)
        candidates.data *= self._factors[candidates.indices]
        return largest_per_row(candidates, self.n_neighbors)

    def _score_items(self, neighbors: sparse.csr_array, steps_of: np.ndarray) -> sparse.csr_array:
        """Scores of the neighbours' items, added up; shape (n_prefixes, n_items)."""
        if neighbors.nnz == 0:
            return sparse.csr_array(steps_of.shape)
        # a pair is a prefix and one of its neighbours
        row = np.repeat(np.arange(neighbors.shape[0]), np.diff(neighbors.indptr))  # (n_pairs,)
        starts = self._offsets[neighbors.indices]
        counts = self._offsets[neighbors.indices + 1] - starts
        if counts.sum() > CLICKS and neighbors.shape[0] > 1:
            return self._score_in_halves(neighbors, steps_of)
        first = np.cumsum(counts) - counts
        # and every pair has the clicks of its neighbour
        pair = np.repeat(np.arange(len(row)), counts)  # (n_clicks,)
        clicks = ragged_range(starts, counts)
        items = self._items[clicks]
        positions = self._positions[clicks]
        steps = steps_of[row[pair], items]
        latest = np.minimum.reduceat(steps, first)  # (n_pairs,)
        is_latest = steps == latest[pair]
        common = np.maximum.reduceat(np.where(is_latest, positions, 0), first)  # (n_pairs,)
        distance = np.abs(positions - common[pair])
        weights = self._item_weights(latest[pair], distance)
        values = neighbors.data[pair] * weights
        return sparse.coo_array((values, (row[pair], items)), shape=steps_of.shape).tocsr()

    def _score_in_halves(
        self, neighbors: sparse.csr_array, steps_of: np.ndarray
    ) -> sparse.csr_array:
        middle = neighbors.shape[0] // 2
        upper = self._score_items(neighbors[:middle], steps_of[:middle])
        lower = self._score_items(neighbors[middle:], steps_of[middle:])
        return sparse.vstack([upper, lower], format="csr")


class VSKNN(SessionKNN):
    """Items of the sessions that are nearest to the running one, later clicks counting more.

    Of the sessions that share an item with the running one, the `sample_size` newest are looked at.
    The similarity of one is the sum over the common items of their place in the running session (1
    for the first, and so on; of repeated items the last) over its length. Each of the `n_neighbors`
    most similar ones, newer ones first among equals, adds to the score of its items its similarity,
    divided by the steps back to the last common item.

    Parameters
    ----------
    n_neighbors : int, default=100
    sample_size : int or None, default=1000
        None looks at all sessions.
    max_length : int, default=1000
        Newest events of a session that count, in training and later. They bound the memory and the
        time that one long session takes.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int

    References
    ----------
    Ludewig, Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018.

    Examples
    --------
    >>> model = VSKNN().fit([["tea", "cup"], ["tea", "pot"], ["ink", "pen"]])
    >>> model.predict_topk([["pot", "cup"]], k=2, return_scores=True)
    (array([['tea', 'cup']], dtype=object), array([[1.25, 1.  ]], dtype=float32))
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 100,
        sample_size: int | None = 1000,
        max_length: int = LONGEST,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.sample_size = sample_size
        self.max_length = max_length

    def _similarity_weights(self, steps: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return (lengths - steps + 1) / lengths

    def _item_weights(self, steps: np.ndarray, distance: np.ndarray) -> np.ndarray:
        return 1 / steps


class STAN(SessionKNN):
    """Items of the nearest sessions, with decays over both sessions and over time.

    The similarity of a past session is the sum over the common items of ``exp(-d / lambda1)``,
    where d counts the events after the item in the running session, over the root of the session's
    number of items, times ``exp(-age / lambda2)``. Each of the `n_neighbors` most similar ones adds
    to the score of its items its similarity times ``exp(-d / lambda3)``, where d is the distance in
    that session to the common item that was clicked last in the running one. Of repeated items the
    last event counts.

    Parameters
    ----------
    n_neighbors : int, default=500
    sample_size : int or None, default=None
        Look at this many sessions that share an item, the newest; None looks at all.
    lambda1 : float or None, default=1.0
        Scale of the decay over the running session, in events. None is no decay, also below.
    lambda2 : float or None, default=None
        Scale of the decay over time. The age of a session is the share of training sessions that
        are newer, in 0..1; the paper measures days.
    lambda3 : float or None, default=2.0
        Scale of the decay over the past session, in events.
    max_length : int, default=1000
        Newest events of a session that count, in training and later. They bound the memory and the
        time that one long session takes.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int

    References
    ----------
    Garg, Gupta, Malhotra, Vig, Shroff, "Sequence and time aware neighborhood for session-based
    recommendations: STAN", SIGIR 2019.

    Examples
    --------
    >>> model = STAN().fit([["tea", "cup", "pot"], ["ink", "pen"]])
    >>> model.predict([["cup"]], k=3)
    array([['cup', 'pot', 'tea']], dtype=object)
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 500,
        sample_size: int | None = None,
        lambda1: float | None = 1.0,
        lambda2: float | None = None,
        lambda3: float | None = 2.0,
        max_length: int = LONGEST,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.sample_size = sample_size
        self.lambda1 = lambda1
        self.lambda2 = lambda2
        self.lambda3 = lambda3
        self.max_length = max_length

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("lambda1", "lambda2", "lambda3"):
            scale = getattr(self, name)
            if scale is not None:
                check_number(name, scale, lambda value: value > 0, "above 0, or None")

    def _similarity_weights(self, steps: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return decay(steps - 1, self.lambda1)

    def _session_weights(self, n_items: np.ndarray, age: np.ndarray) -> np.ndarray:
        return decay(age, self.lambda2) / np.sqrt(n_items)

    def _item_weights(self, steps: np.ndarray, distance: np.ndarray) -> np.ndarray:
        return decay(distance, self.lambda3)
