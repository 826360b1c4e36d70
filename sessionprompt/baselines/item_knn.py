"""Items that are clicked in the same sessions."""

from __future__ import annotations

import numpy as np

from .._checks import check_integer, check_number
from .item_to_item import LastItems
from .longest import LONGEST
from .per_row import largest_per_row
from .rows import ItemRows

__all__ = ["ItemKNN"]


class ItemKNN(LastItems):
    """Items whose sessions are most like those of the last item, by cosine.

    The similarity of two items is the number of sessions that hold both, over
    ``(n_a + shrinkage) ** alpha * (n_b + shrinkage) ** (1 - alpha)`` with the sessions n_a, n_b of
    each. An item is no neighbour of its own.

    Parameters
    ----------
    n_neighbors : int, default=100
        Neighbours that each item keeps.
    shrinkage : float, default=20.0
        Takes weight from items of few sessions.
    alpha : float, default=0.5
        Share of the clicked item in the normalisation, in 0..1: 0.5 is the cosine, 1 the confidence
        of a rule.
    last_n : int or None, default=1
        Events of the running session that count, each with weight 1 / steps back; None for all.
    max_length : int, default=1000
        Newest events of a session that count, in training and later. They bound the memory and the
        time that one long session takes.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int
    rules_ : csr_array of shape (n_items, n_items)
        Similarity of the row's item to its nearest ones.

    References
    ----------
    Hidasi et al., "Session-based recommendations with recurrent neural networks", ICLR 2016 (the
    baseline Item-KNN).

    Examples
    --------
    >>> model = ItemKNN(shrinkage=0).fit([["tea", "cup"], ["tea", "pot"], ["cup", "tea"], ["ink"]])
    >>> model.predict_topk([["cup"]], k=1, return_scores=True)
    (array([['tea']], dtype=object), array([[0.8164966]], dtype=float32))
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 100,
        shrinkage: float = 20.0,
        alpha: float = 0.5,
        last_n: int | None = 1,
        max_length: int = LONGEST,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.shrinkage = shrinkage
        self.alpha = alpha
        self.last_n = last_n
        self.max_length = max_length

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_integer("n_neighbors", self.n_neighbors)
        check_number("shrinkage", self.shrinkage, lambda value: value >= 0, "0 or more")
        check_number("alpha", self.alpha, lambda value: 0 <= value <= 1, "between 0 and 1")

    def _learn(self, rows: ItemRows) -> None:
        sessions = rows.newest(self.max_length).incidence(self.n_items_)  # (n_sessions, n_items)
        together = (sessions.T @ sessions).tocsr()  # (n_items, n_items)
        support = together.diagonal() + self.shrinkage
        together.setdiag(0)
        left = support**-self.alpha
        right = support ** (self.alpha - 1)
        together.data *= np.repeat(left, np.diff(together.indptr)) * right[together.indices]
        self.rules_ = largest_per_row(together, self.n_neighbors)
