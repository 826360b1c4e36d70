"""Baselines that know items by their attributes, those too that nobody has clicked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import sparse

from .._checks import check_flag
from ..clustering import Features
from ..encoding import SessionEncoder, attribute_kinds, check_prompts, with_cold_items
from ..sessions import Sessions
from ..storage import ArrayStore
from .base import Baseline
from .longest import LONGEST, NewestEvents
from .rows import ItemRows

__all__ = ["AttributeKNN", "AttributeRules"]

MASS = 100.0  # transitions as they are everywhere, beside those of a value; as good as 10 or better


class _ByAttributes(Baseline):
    """Base of both: the items of the attribute table are known, clicked or not."""

    cold_items: bool

    def _kinds(self) -> tuple[str, ...]:
        """Attributes that are read, once it is sure that they are some."""
        raise NotImplementedError

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_flag("cold_items", self.cold_items)
        self._kinds()

    def _encoder_of(self, sessions: Sessions) -> SessionEncoder:
        encoder = SessionEncoder.learn(sessions, self._kinds())
        if not self.cold_items:
            return encoder
        return with_cold_items(encoder, sessions.item_attributes)

    def _features(self, kind: str) -> Features:
        """Features (n_items, n_rows) of all known items."""
        return self.encoder_.attributes.features[kind]


class AttributeRules(_ByAttributes):
    """Transitions between values of attributes, and popularity among the items of like values.

    Let T count how often a value b followed a value a, from one event to the next. With n_j the
    training events of item j and s_j in (0, 1] the share of the training that was over when it
    came up, 1 for an item that never did, ::

        score(j | i) = (n_j + s_j) * product over kinds of the mean over a of i, b of j of
                       (T(a, b) T(., .) / T(., b) + m) / (T(a, .) + m)

    Each factor is how many times as often as elsewhere b follows a, drawn to 1 by m = `MASS`
    transitions; it is 1 where an item has no value. Of equally popular items the newest comes
    first. Items that never came up share as many events as there are items with a single one: the
    estimate of Good and Turing for what was not seen.

    Parameters
    ----------
    kinds : str or iterable of str
        Columns of an :class:`~sessionprompt.ItemAttributes` that stands before this in a Pipeline;
        none of vectors.
    cold_items : bool, default=True
        Whether items of its table that no training session holds are recommended.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int
    transitions_ : dict of str to csr_array of shape (n_values, n_values)
        T of each kind.

    References
    ----------
    Good, The population frequencies of species and the estimation of population parameters,
    Biometrika 1953.

    Examples
    --------
    >>> from sessionprompt import ItemAttributes
    >>> items = {"item": ["tea", "milk", "jam", "pen"], "aisle": ["drink", "drink", "food", "desk"]}
    >>> attributes = ItemAttributes(items, min_support=1)
    >>> sessions = [["tea", "jam"], ["tea", "pen"], ["pen", "tea"], ["tea", "jam"]] * 50
    >>> model = AttributeRules("aisle").fit(attributes.fit_transform(sessions))
    >>> model.predict([["milk"]], k=3)
    array([['pen', 'jam', 'tea']], dtype=object)
    """

    transitions_: dict[str, sparse.csr_array]

    def __init__(self, kinds: str | Iterable[str], *, cold_items: bool = True) -> None:
        self.kinds = kinds
        self.cold_items = cold_items

    def _kinds(self) -> tuple[str, ...]:
        kinds = attribute_kinds(check_prompts(self.kinds))
        if not kinds:
            raise ValueError(
                f"kinds={self.kinds!r} names no attribute; name columns of an ItemAttributes."
            )
        return kinds

    def _window(self) -> int:
        return 1

    def _learn(self, rows: ItemRows) -> None:
        before = np.flatnonzero(rows.steps > 1)
        pairs = (rows.items[before], rows.items[before + 1])
        shape = (self.n_items_, self.n_items_)
        counts = sparse.coo_array((np.ones(len(before)), pairs), shape=shape).tocsr()
        self.transitions_ = {}
        for kind in self._kinds():
            values = self._values(kind)
            self.transitions_[kind] = sparse.csr_array(values.T @ counts @ values)
        first = np.full(self.n_items_, len(rows.items), dtype=np.float64)
        np.minimum.at(first, rows.items, np.arange(len(rows.items)))
        self.newness_ = (first + 1) / (len(rows.items) + 1)  # (n_items,), 1 for cold ones
        self._set_factors()

    def _values(self, kind: str) -> sparse.csr_array:
        features = self._features(kind)
        if isinstance(features, np.ndarray):
            raise ValueError(
                f"kinds names {kind!r}, a column of vectors, which have no values to count; "
                "leave it out, or use AttributeKNN."
            )
        return features

    def _set_factors(self) -> None:
        """Popularity (n_items,); by kind, shares of values in items and lifts of transitions."""
        counts = self.encoder_.item_counts
        n_once = np.count_nonzero(counts == 1)
        unseen = counts == 0
        self._popularity = np.where(unseen, n_once / max(unseen.sum(), 1), counts) + self.newness_
        self._mixed = {kind: _divided(self._values(kind)) for kind in self._kinds()}
        self._lifts = {kind: _lifts(counts) for kind, counts in self.transitions_.items()}

    def _relevance(self, prefixes: ItemRows) -> sparse.csr_array:
        last = prefixes.matrix(np.ones(len(prefixes.items)), self.n_items_)
        scores = np.tile(self._popularity, (len(prefixes), 1))  # (n_prefixes, n_items)
        for kind, (lifts, least) in self._lifts.items():
            mixed = self._mixed[kind]  # (n_items, n_values)
            of_last = last @ mixed  # (n_prefixes, n_values)
            factors = (of_last @ lifts @ mixed.T).toarray()  # (n_prefixes, n_items)
            factors += (of_last @ least)[:, None]
            factors[_are_empty(of_last)] = 1
            factors[:, _are_empty(mixed)] = 1
            scores *= factors
        scores[_are_empty(last)] = 0
        return sparse.csr_array(scores)

    def _put_learned(self, store: ArrayStore) -> None:
        store.put("newness", self.newness_)
        for number, counts in enumerate(self.transitions_.values()):
            store.put_graph(f"transitions_{number}", counts)

    def _take_learned(self, store: ArrayStore) -> None:
        self.newness_ = store.take("newness", "f", self.n_items_)
        sizes = self.encoder_.attributes.sizes
        self.transitions_ = {}
        for number, kind in enumerate(self._kinds()):
            self.transitions_[kind] = store.take_graph(f"transitions_{number}", sizes[kind])
        self._set_factors()


class AttributeKNN(NewestEvents, _ByAttributes):
    """Items nearest to those of the session by one attribute, such as vectors of their texts.

    The score of an item is (1 + c) / 2 with c the cosine between its features and the session's:
    the sum of those of its events, each scaled to length one and divided by the steps back.

    Parameters
    ----------
    kinds : str
        One column of an :class:`~sessionprompt.ItemAttributes` that stands before this in a
        Pipeline.
    max_length : int, default=1000
        Newest known events of the running session that count.
    cold_items : bool, default=True
        Whether items of its table that no training session holds are recommended.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int

    Examples
    --------
    >>> from sessionprompt import ItemAttributes
    >>> items = {"item": ["tea", "milk", "pen"], "text": [[1.0, 0.1], [0.9, 0.2], [0.0, 1.0]]}
    >>> sessions = ItemAttributes(items).fit_transform([["tea", "pen"], ["pen", "tea"]])
    >>> AttributeKNN("text").fit(sessions).predict([["tea"]], k=3)
    array([['tea', 'milk', 'pen']], dtype=object)
    """

    def __init__(self, kinds: str, *, max_length: int = LONGEST, cold_items: bool = True) -> None:
        self.kinds = kinds
        self.max_length = max_length
        self.cold_items = cold_items

    def _kinds(self) -> tuple[str, ...]:
        kinds = attribute_kinds(check_prompts(self.kinds))
        if len(kinds) != 1:
            raise ValueError(f"kinds={self.kinds!r} must name one column of an ItemAttributes.")
        return kinds

    def _set_items(self, encoder: SessionEncoder) -> None:
        super()._set_items(encoder)
        self._unit = _unit_rows(self._features(self._kinds()[0]))

    def _relevance(self, prefixes: ItemRows) -> sparse.csr_array:
        weights = prefixes.matrix(1 / prefixes.steps, self.n_items_)
        queries = _unit_rows(weights @ self._unit)  # (n_prefixes, n_rows)
        cosines: Any = queries @ self._unit.T
        if isinstance(cosines, sparse.csr_array):
            return cosines
        described = self._unit.any(axis=1) & queries.any(axis=1)[:, None]
        return sparse.csr_array(np.where(described, (1 + cosines) / 2, 0))


def _divided(counts: sparse.csr_array) -> sparse.csr_array:
    """Rows that add up to 1, or are empty."""
    totals = np.asarray(counts.sum(axis=1)).ravel()
    return sparse.csr_array(sparse.diags_array(1 / np.maximum(totals, 1e-12)) @ counts)


def _lifts(counts: sparse.csr_array) -> tuple[sparse.csr_array, np.ndarray]:
    """Lift of each transition, (n_values, n_values), above that of any that never was, (n_values,).

    The latter depends on the first value alone.
    """
    of_first = np.asarray(counts.sum(axis=1)).ravel() + MASS
    of_second = np.maximum(np.asarray(counts.sum(axis=0)).ravel(), 1e-12)
    scaled = sparse.diags_array(1 / of_first) @ counts @ sparse.diags_array(1 / of_second)
    return sparse.csr_array(scaled * counts.sum()), MASS / of_first


def _are_empty(rows: sparse.csr_array) -> np.ndarray:
    """Whether each row holds nothing, (n_rows,)."""
    return np.diff(rows.indptr) == 0


def _unit_rows(rows: Any) -> Any:
    """Rows of length one, or zero."""
    if isinstance(rows, sparse.csr_array):
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        return sparse.csr_array(sparse.diags_array(1 / np.maximum(lengths, 1e-12)) @ rows)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-12)
