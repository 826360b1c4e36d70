"""Popular items, of everybody or of the running session."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .base import Incremental
from .longest import LONGEST, NewestEvents
from .rows import ItemRows

__all__ = ["Popularity", "SessionPopularity"]


class Popularity(Incremental):
    """Items that occurred most often in training, the same for everybody.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int
    background_ : ndarray of shape (n_items,)
        Score of each item: minus its place by the number of its training events.

    Examples
    --------
    >>> Popularity().fit([["tea", "cup"], ["tea"]]).predict([["cup"]], k=2)
    array([['tea', 'cup']], dtype=object)
    """

    def _window(self) -> int:
        return 1

    def _relevance(self, prefixes: ItemRows) -> sparse.csr_array:
        return sparse.csr_array((len(prefixes), self.n_items_))


class SessionPopularity(NewestEvents, Incremental):
    """Items of the running session, then popular ones.

    Those of the session come by their number of events, the later one first among equals. Also
    called S-POP; in shops and on news sites a repeated click is often a fifth of all clicks.

    Parameters
    ----------
    max_length : int, default=1000
        Newest known events of the running session that count.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int
    background_ : ndarray of shape (n_items,)
        Score of items outside the session: minus their place by popularity.

    References
    ----------
    Hidasi et al., "Session-based recommendations with recurrent neural networks", ICLR 2016 (the
    baseline S-POP).

    Examples
    --------
    >>> model = SessionPopularity().fit([["tea", "cup", "pot"], ["tea"]])
    >>> model.predict([["pot", "cup", "pot", "cup"]], k=3)
    array([['cup', 'pot', 'tea']], dtype=object)
    """

    def __init__(self, *, max_length: int = LONGEST) -> None:
        self.max_length = max_length

    def _relevance(self, prefixes: ItemRows) -> sparse.csr_array:
        clicks = prefixes.last_clicks(self.n_items_)
        # below 1, so that recency decides between equal counts only
        recency = (clicks.positions + 1) / (prefixes.lengths[clicks.rows] + 1)
        counts = prefixes.matrix(np.ones(len(prefixes.items)), self.n_items_)
        places = (clicks.rows, clicks.items)
        return counts + sparse.csr_array((recency, places), shape=counts.shape)
