"""Rows 0..n-1 in slices of about equal length."""

from __future__ import annotations

import math
from collections.abc import Iterator

__all__ = ["slices_about", "slices_at_most"]


def slices_about(n: int, size: int) -> Iterator[slice]:
    """Slices of about `size`: a few rows too many make one slice longer instead of a second one.

    Examples
    --------
    >>> list(slices_about(5, 4))
    [slice(0, 5, None)]
    """
    n_slices = max(1, round(n / size))
    return _slices(n, n_slices)


def slices_at_most(n: int, size: int) -> Iterator[slice]:
    """As few slices as possible of `size` at most; equal ones, as products of few rows are slow.

    Examples
    --------
    >>> list(slices_at_most(5, 4))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    n_slices = max(1, math.ceil(n / size))
    return _slices(n, n_slices)


def _slices(n: int, n_slices: int) -> Iterator[slice]:
    step = max(1, math.ceil(n / n_slices))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
