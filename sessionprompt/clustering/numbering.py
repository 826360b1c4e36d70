"""Numbers of clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["by_falling_size"]


def by_falling_size(membership: ArrayLike) -> NDArray[np.int32]:
    """Number of each item's cluster: 0 for the largest, ties by the smallest item.

    Parameters
    ----------
    membership : array-like of shape (n_items,)
        Cluster of each item, named by any integers.

    Returns
    -------
    ndarray of shape (n_items,), int32
        The same clusters, numbered from 0 without gaps.

    See Also
    --------
    ItemClusterer : its labels are numbered in this way.

    Examples
    --------
    >>> by_falling_size([7, 3, 3, 9, 9])
    array([2, 0, 0, 1, 1], dtype=int32)
    """
    clusters: tuple[NDArray[Any], ...] = np.unique(
        membership, return_index=True, return_inverse=True, return_counts=True
    )
    _, firsts, index, sizes = clusters
    order = np.lexsort((firsts, -sizes))
    numbers = np.empty(len(sizes), dtype=np.int32)
    numbers[order] = np.arange(len(sizes))
    return numbers[index]
