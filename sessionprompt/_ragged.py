"""Index arithmetic on rows of different lengths."""

from __future__ import annotations

import numpy as np

__all__ = ["ragged_range"]


def ragged_range(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """``starts[i], starts[i] + 1, ..., starts[i] + lengths[i] - 1`` for every i, one after another.

    Examples
    --------
    >>> ragged_range(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
