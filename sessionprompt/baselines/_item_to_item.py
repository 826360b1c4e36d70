"""Models in which each item of the running session speaks for others."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .._checks import check_integer
from ._base import Baseline
from ._rows import ItemRows

__all__ = ["ItemToItem", "LastItems"]


class ItemToItem(Baseline):
    """Base of models that score an item by what the events of the running session say for it, added up."""

    rules_: sparse.csr_array

    def _weights(self, steps: np.ndarray) -> np.ndarray:
        """How much the event so many steps back has to say."""
        raise NotImplementedError

    def _relevance(self, prefixes: ItemRows) -> sparse.csr_array:
        speakers = prefixes.matrix(self._weights(prefixes.steps), self.n_items_)
        speakers.eliminate_zeros()
        return speakers @ self.rules_


class LastItems(ItemToItem):
    """Base of those in which only the last event speaks, or the last `last_n` with weight 1 / steps back."""

    last_n: int | None

    def _check_parameters(self) -> None:
        if self.last_n is not None:
            check_integer("last_n", self.last_n)

    def _weights(self, steps: np.ndarray) -> np.ndarray:
        return np.where(steps <= (self.last_n or np.inf), 1 / steps, 0)
