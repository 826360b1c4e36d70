"""Attributes of items on the way into prompts: rows of a table, added up with weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor

from ..clustering import Features, stacked
from .prompts import DenseRows, FixedCodes

__all__ = ["ItemFeatures", "SomeItems"]


class ItemFeatures:
    """Features of one kind of all items: as a whole for the candidates, in part for inputs.

    Parameters
    ----------
    features : csr_array or ndarray of shape (n_items, n_rows), float32
    device : torch.device
    """

    def __init__(self, features: Features, device: torch.device) -> None:
        self.features = features
        self.device = device

    @cached_property
    def whole(self) -> FixedCodes | DenseRows:
        """Features of all items, to look the prompts of the whole catalogue up."""
        if isinstance(self.features, np.ndarray):
            return DenseRows(torch.from_numpy(self.features).to(self.device))
        return FixedCodes.of_matrix(self.features, self.device)

    @cached_property
    def parts(self) -> tuple[Tensor, ...]:
        """Bounds (n_items + 1,), columns and weights of the values of all items, or one matrix."""
        return _parts(self.features, self.device)

    def some(self, codes: Tensor, others: Features | None = None) -> SomeItems | DenseRows:
        """Features of some items.

        Parameters
        ----------
        codes : LongTensor of shape (n,)
            -1 is the blank.
        others : features, optional
            Of further items, whose codes follow.
        """
        parts = self.parts
        if others is not None:
            parts = _parts(stacked(self.features, others), self.device)
        if isinstance(self.features, np.ndarray):
            rows = parts[0][codes.clamp(min=0)]  # (n, n_rows)
            return DenseRows(rows * (codes >= 0).unsqueeze(1))
        return SomeItems.of(codes, *parts)


@dataclass(frozen=True)
class SomeItems:
    """Rows of a table that some items add up.

    Attributes
    ----------
    columns : LongTensor of shape (n_values,)
        Item by item.
    weights : Tensor of shape (n_values,)
    starts : LongTensor of shape (n,)
        First value of each item.
    """

    columns: Tensor
    weights: Tensor
    starts: Tensor

    @classmethod
    def of(cls, codes: Tensor, bounds: Tensor, columns: Tensor, weights: Tensor) -> SomeItems:
        """Values of the items of some codes (n,), of all items' values; -1 has none."""
        first = bounds[codes.clamp(min=0)]  # (n,)
        counts = bounds[codes.clamp(min=0) + 1] - first  # (n,)
        counts = counts * (codes >= 0)  # (n,)
        starts = counts.cumsum(0) - counts  # (n,)
        owner = torch.repeat_interleave(counts)  # (n_values,)
        place = torch.arange(len(owner), device=codes.device) + (first - starts)[owner]
        return cls(columns[place], weights[place], starts)

    def sum_rows(self, table: Tensor) -> Tensor:
        """Weighted sum of the table rows of each item, (n, d)."""
        weights = self.weights.to(table.dtype)  # (n_values,)
        return F.embedding_bag(
            self.columns, table, self.starts, mode="sum", per_sample_weights=weights
        )


def _parts(features: Features, device: torch.device) -> tuple[Tensor, ...]:
    """Tensors of features: bounds, columns and weights of sparse ones."""
    if isinstance(features, sparse.csr_array):
        bounds = torch.from_numpy(features.indptr.astype(np.int64)).to(device)
        columns = torch.from_numpy(features.indices.astype(np.int64)).to(device)
        return bounds, columns, torch.from_numpy(features.data).to(device)
    return (torch.from_numpy(features).to(device),)
