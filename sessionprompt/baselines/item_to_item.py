"""Base of models in which each item of the running session adds to the scores of others."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .._checks import check_integer
from ..storage import ArrayStore
from .longest import NewestEvents
from .rows import ItemRows

__all__ = ["ItemToItem", "LastItems"]


class ItemToItem(NewestEvents):
    """Base of models whose scores are sums of one row of `rules_` for each event of a session."""

    rules_: sparse.csr_array

    def _put_learned(self, store: ArrayStore) -> None:
        store.put_graph("rules", self.rules_)

    def _take_learned(self, store: ArrayStore) -> None:
        self.rules_ = store.take_graph("rules", self.n_items_)

    def _weights(self, steps: np.ndarray) -> np.ndarray:
        """Weight of the event so many steps back, 1 for the last."""
        raise NotImplementedError

    def _relevance(self, prefixes: ItemRows) -> sparse.csr_array:
        weights = self._weights(prefixes.steps)  # (n_events,)
        events = prefixes.matrix(weights, self.n_items_)  # (n_prefixes, n_items)
        events.eliminate_zeros()
        return events @ self.rules_


class LastItems(ItemToItem):
    """Base of those in which the last `last_n` events count, each with weight 1 / steps back."""

    last_n: int | None

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.last_n is not None:
            check_integer("last_n", self.last_n)

    def _window(self) -> int:
        if self.last_n is None:
            return self.max_length
        return min(self.last_n, self.max_length)

    def _weights(self, steps: np.ndarray) -> np.ndarray:
        weights = 1 / steps
        if self.last_n is not None:
            weights[steps > self.last_n] = 0
        return weights
