"""Rules of the form "who clicked this clicks that", counted over all sessions."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .._checks import check_integer, check_number
from ..storage import ArrayStore
from .base import Incremental
from .item_to_item import LastItems
from .longest import LONGEST
from .rows import ItemRows

__all__ = ["AssociationRules", "SequentialRules"]


class _Rules(LastItems, Incremental):
    """Base of the two kinds of rules, which differ in what they count."""

    def _count(self, rows: ItemRows) -> sparse.csr_array:
        """Counts of pairs of items; shape (n_items, n_items)."""
        raise NotImplementedError

    def _weighed(self, counts: sparse.csr_array) -> sparse.csr_array:
        """Rules that follow from counts."""
        return counts

    def _learn(self, rows: ItemRows) -> None:
        self._counts = self._count(rows)
        self.rules_ = self._weighed(self._counts)

    def _put_learned(self, store: ArrayStore) -> None:
        store.put_graph("counts", self._counts)

    def _take_learned(self, store: ArrayStore) -> None:
        self._counts = store.take_graph("counts", self.n_items_)
        self.rules_ = self._weighed(self._counts)

    def _extend(self, moved: np.ndarray, rows: ItemRows) -> None:
        new = self._count(rows)
        before = self._counts.tocoo()
        row, column = before.coords
        places = (moved[row], moved[column])
        before = sparse.coo_array((before.data, places), shape=new.shape)
        self._counts = (before + new).tocsr()
        self.rules_ = self._weighed(self._counts)


class AssociationRules(_Rules):
    """Items that share most sessions with the last one.

    Every two events of a session count, once in each direction.

    Parameters
    ----------
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
        Pairs of events of the two items in the same session.

    References
    ----------
    Kamehkhosh, Jannach, Ludewig, "A comparison of frequent pattern techniques and a deep learning
    method for session-based recommendation", TempRec 2017.

    Examples
    --------
    >>> model = AssociationRules().fit([["tea", "cup"], ["pot", "cup", "tea"], ["ink"]])
    >>> model.predict_topk([["cup"]], k=2, return_scores=True)
    (array([['tea', 'pot']], dtype=object), array([[2., 1.]], dtype=float32))
    """

    def __init__(self, *, last_n: int | None = 1, max_length: int = LONGEST) -> None:
        self.last_n = last_n
        self.max_length = max_length

    def _count(self, rows: ItemRows) -> sparse.csr_array:
        rows = rows.newest(self.max_length)
        counts = rows.matrix(np.ones(len(rows.items)), self.n_items_)
        with_themselves = np.bincount(rows.items, minlength=self.n_items_).astype(float)
        return (counts.T @ counts - sparse.diags_array(with_themselves)).tocsr()


class SequentialRules(_Rules):
    """Items that followed the last one, the sooner the better.

    The rule "after a comes b" gains 1 / d for every b that stands d events after an a. With the
    defaults this is the published model; the last three parameters are additions that together are
    worth a lot where items repeat.

    Parameters
    ----------
    steps : int, default=10
        Largest distance that counts.
    last_n : int or None, default=1
        Events of the running session that count, each with weight 1 / steps back; None for all.
    backward : float, default=0.0
        Weight of "before a came b" beside "after a comes b".
    shrinkage : float, optional
        Divide the weights of an item's rules by its training events plus this, so that rules of
        rare items weigh as much as those of frequent ones.
    repeats : float, default=0.0
        Weight of "after a comes a", added to the repeats that were counted.
    max_length : int, default=1000
        Newest known events of the running session that count.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int
    rules_ : csr_array of shape (n_items, n_items)
        Weight of the rule "after the row's item comes the column's".

    References
    ----------
    Kamehkhosh, Jannach, Ludewig, "A comparison of frequent pattern techniques and a deep learning
    method for session-based recommendation", TempRec 2017; Ludewig, Jannach, "Evaluation of
    session-based recommendation algorithms", UMUAI 2018.

    Examples
    --------
    >>> model = SequentialRules().fit([["tea", "cup", "pot"], ["tea", "pot"]])
    >>> model.predict_topk([["tea"]], k=2, return_scores=True)
    (array([['pot', 'cup']], dtype=object), array([[1.5, 1. ]], dtype=float32))
    """

    def __init__(
        self,
        *,
        steps: int = 10,
        last_n: int | None = 1,
        backward: float = 0.0,
        shrinkage: float | None = None,
        repeats: float = 0.0,
        max_length: int = LONGEST,
    ) -> None:
        self.steps = steps
        self.last_n = last_n
        self.backward = backward
        self.shrinkage = shrinkage
        self.repeats = repeats
        self.max_length = max_length

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_integer("steps", self.steps)
        for name in ("backward", "shrinkage", "repeats"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), lambda value: value >= 0, "0 or more")

    def _count(self, rows: ItemRows) -> sparse.csr_array:
        longest = int(rows.lengths.max())
        left = [np.empty(0, dtype=np.int64)]  # events, by distance
        right = [np.empty(0, dtype=np.int64)]
        for distance in range(1, min(self.steps + 1, longest)):
            first = np.flatnonzero(rows.steps > distance)
            left.append(first)
            right.append(first + distance)
        before = np.concatenate(left)
        after = np.concatenate(right)
        places = (rows.items[before], rows.items[after])
        shape = (self.n_items_, self.n_items_)
        return sparse.coo_array((1 / (after - before), places), shape=shape).tocsr()

    def _weighed(self, counts: sparse.csr_array) -> sparse.csr_array:
        rules = counts
        if self.backward:
            rules = rules + self.backward * counts.T
        if self.shrinkage is not None:
            rules = sparse.diags_array(1 / (self.encoder_.item_counts + self.shrinkage)) @ rules
        if self.repeats:
            rules = rules + self.repeats * sparse.eye_array(self.n_items_)
        return rules.tocsr()
