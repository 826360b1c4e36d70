"""Linear models of sessions in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._checks import check_choice, check_integer, check_number
from .decay import decay
from .item_to_item import ItemToItem
from .longest import LONGEST
from .ridge import sparse_ridge
from .rows import ItemRows

__all__ = ["SLIST"]


class SLIST(ItemToItem):
    """Two ridge regressions solved as one: of sessions on their items, of futures on pasts.

    With inputs and targets of whole sessions (X, Y, rows of X adding up to 1) and of transitions
    (S, T), each row weighted by the recency of its session (W, V), the item-item matrix is::

        B = (alpha X'WX + (1 - alpha) S'VS + reg I)^-1 (alpha X'WY + (1 - alpha) S'VT)

    ``alpha=1`` is SLIS, ``alpha=0`` SLIT. The target of a transition holds all later events, the
    sooner the heavier. The score of an item is the sum of the rows of B of the session's events,
    the later the heavier.

    The inverse would be dense (7 GB in float32 for 43,000 items). Instead B is found by an
    iteration that keeps the `n_neighbors` largest entries of each row throughout, see
    ``sparse_ridge`` in ``baselines/ridge.py``; memory is that of the pairs of items that
    share a session, of three times ``n_items * n_neighbors`` entries, and of one block of rows.

    Parameters
    ----------
    alpha : float, default=0.5
        Weight of whole sessions against transitions, in 0..1.
    reg : float, default=10.0
        Weight of the penalty on B.
    train_decay : float, default=1.0
        Events of a transition's target weigh ``exp(-d / train_decay)``, d = 0 for the next; those
        of its past likewise.
    predict_decay : float, default=1.0
        The event d steps before the last of the running session weighs ``exp(-d / predict_decay)``.
    recency : float, optional
        Training sessions weigh ``exp(-age / recency)``, where age is the share of sessions that are
        newer. None weighs all alike.
    past : {"last", "all"}, default="last"
        Whether transitions start from the last event only, or from all events so far (their weights
        adding up to 1).
    n_neighbors : int, default=200
        Entries that each row of B keeps.
    tol : float, default=0.01
        Part of B that may be missing, apart from the entries left out.
    max_length : int, default=1000
        Newest events of a session that count, in training and later. They bound the memory and the
        time that one long session takes.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int
    rules_ : csr_array of shape (n_items, n_items)
        The entries of B above 0.

    References
    ----------
    Choi, Kim, Lee, Shim, Lee, "Session-aware linear item-item models for session-based
    recommendation", WWW 2021. As in its released code, and unlike its equations, the diagonal of B
    is not bounded.

    Examples
    --------
    >>> model = SLIST().fit([["tea", "cup", "pot"], ["tea", "cup"], ["ink", "pen"]])
    >>> model.predict([["tea"], ["pen"]], k=2)
    array([['cup', 'tea'],
           ['ink', 'pen']], dtype=object)
    """

    def __init__(
        self,
        *,
        alpha: float = 0.5,
        reg: float = 10.0,
        train_decay: float = 1.0,
        predict_decay: float = 1.0,
        recency: float | None = None,
        past: str = "last",
        n_neighbors: int = 200,
        tol: float = 0.01,
        max_length: int = LONGEST,
    ) -> None:
        self.alpha = alpha
        self.reg = reg
        self.train_decay = train_decay
        self.predict_decay = predict_decay
        self.recency = recency
        self.past = past
        self.n_neighbors = n_neighbors
        self.tol = tol
        self.max_length = max_length

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("alpha", self.alpha, lambda value: 0 <= value <= 1, "between 0 and 1")
        for name in ("reg", "train_decay", "predict_decay"):
            check_number(name, getattr(self, name), lambda value: value > 0, "above 0")
        if self.recency is not None:
            check_number("recency", self.recency, lambda value: value > 0, "above 0, or None")
        check_choice("past", self.past, ("last", "all"))
        check_integer("n_neighbors", self.n_neighbors)
        check_number("tol", self.tol, lambda value: 0 < value < 1, "between 0 and 1")

    def _weights(self, steps: np.ndarray) -> np.ndarray:
        return decay(steps - 1, self.predict_decay)

    def _learn(self, rows: ItemRows) -> None:
        gram, moments = self._normal_equations(rows.newest(self.max_length))
        self.rules_ = sparse_ridge(gram, moments, self.n_neighbors, self.tol)
        self.rules_.data = np.maximum(self.rules_.data, 0)
        self.rules_.eliminate_zeros()

    def _normal_equations(self, rows: ItemRows) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Gram matrix and moments of the regression, both of shape (n_items, n_items)."""
        age = np.arange(len(rows))[::-1] / len(rows)
        recency = decay(age, self.recency)
        gram = self.reg * sparse.eye_array(self.n_items_)
        moments = sparse.csr_array(gram.shape)
        for share, part in (
            (self.alpha, self._whole_sessions(rows)),
            (1 - self.alpha, self._transitions(rows)),
        ):
            weights = sparse.diags_array(share * recency[part.session])
            weighted = part.inputs.T @ weights  # (n_items, n_rows of the part)
            gram = gram + weighted @ part.inputs
            moments = moments + weighted @ part.targets
        return gram.tocsr(), moments.tocsr()

    def _whole_sessions(self, rows: ItemRows) -> _Part:
        sessions = rows.incidence(self.n_items_)
        return _Part(_shares(sessions), sessions, np.arange(len(rows)))

    def _transitions(self, rows: ItemRows) -> _Part:
        """Past and future of every event but the last of a session."""
        now = np.flatnonzero(rows.steps > 1)
        n_past = np.ones_like(now)
        if self.past == "all":
            n_past = rows.position[now] + 1
        past = rows.windows(now + 1 - n_past, n_past)
        future = rows.windows(now + 1, rows.steps[now] - 1)
        inputs = past.matrix(decay(past.steps - 1, self.train_decay), self.n_items_)
        targets = future.matrix(decay(future.position, self.train_decay), self.n_items_)
        return _Part(_shares(inputs), targets, rows.row[now])


class _Part(NamedTuple):
    """Rows of a regression: inputs and targets, both (n_rows, n_items), and their sessions."""

    inputs: sparse.csr_array
    targets: sparse.csr_array
    session: np.ndarray


def _shares(matrix: sparse.csr_array) -> sparse.csr_array:
    """Rows divided by their sums."""
    sums = np.maximum(matrix.sum(axis=1), np.finfo(float).tiny)
    return (sparse.diags_array(1 / sums) @ matrix).tocsr()
