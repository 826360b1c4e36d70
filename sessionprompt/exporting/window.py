"""One full window as a batch whose shapes do not depend on data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from ..batches import Pairs, SessionBatch

__all__ = ["FullWindow", "ItemsWereRead"]


class ItemsWereRead(Exception):
    """A backbone that asks which items a window holds, so that its shapes depend on them."""


class DensePairs(Pairs):
    """Pairs whose sums go through whole matrices, in operations that every runtime has."""

    def repeat(self, n: int) -> DensePairs:
        """Pairs of `n` copies of rows and columns, copy by copy."""
        more = super().repeat(n)
        return DensePairs(more.rows, more.columns, more.n_rows, more.n_columns)

    def softmax(self, logits: Tensor) -> Tensor:
        """Softmax of logits (M,) over the pairs of each row."""
        shares = self._matrix(logits, -torch.inf).softmax(1)  # (n_rows, n_columns)
        return shares[self.rows, self.columns]

    def dot(self, left: Tensor, right: Tensor) -> Tensor:
        """Products (M,) of the pairs' vectors, left (n_rows, d) and right (n_columns, d)."""
        return (left @ right.T)[self.rows, self.columns]

    def sum(self, weights: Tensor, values: Tensor) -> Tensor:
        """Sums (n_rows, d) over each row's pairs of weights (M,) times values (n_columns, d)."""
        return self._matrix(weights, 0.0) @ values  # (n_rows, d)

    def _matrix(self, values: Tensor, elsewhere: float) -> Tensor:
        """Values (M,) of the pairs in a matrix (n_rows, n_columns)."""
        empty = values.new_full((self.n_rows, self.n_columns), elsewhere)
        return empty.index_put((self.rows, self.columns), values)


@dataclass(frozen=True)
class FullWindow(SessionBatch):
    """One window of as many events as a session may have, which asks for all its prefixes.

    A causal backbone encodes a shorter session in its first events, whatever stands after them.
    """

    @classmethod
    def of(cls, n: int) -> FullWindow:
        """Window of `n` events."""
        events = torch.arange(n)  # (n,)
        return cls(events, {}, torch.tensor([n]), events, np.arange(n))

    def __getattribute__(self, name: str) -> object:
        if name in ("items", "prompts"):
            raise ItemsWereRead
        return super().__getattribute__(name)

    @cached_property
    def longest(self) -> int:
        """Events of the window."""
        return len(self.ends)

    @cached_property
    def window(self) -> Tensor:
        """Window of each event, (T,)."""
        return torch.zeros_like(self.ends)

    @cached_property
    def position(self) -> Tensor:
        """Place of each event, (T,)."""
        return self.ends

    @cached_property
    def prefix_pairs(self) -> Pairs:
        """Pairs of a prefix and an event in it."""
        rows, columns = np.tril_indices(self.longest)
        n = self.longest
        return DensePairs(torch.from_numpy(rows), torch.from_numpy(columns), n, n)

    def pairs_up_to(self, ends: Tensor) -> Pairs:
        """Pairs of every event and those up to it; `ends` are all events."""
        return self.prefix_pairs

    def pack(self, x: Tensor) -> NoReturn:
        """Refused: a single window is no packed sequence."""
        raise ItemsWereRead
