"""Process that scores each prefix of a shared batch: one for as much of a cluster as possible.

What the loss over clusters costs is to make the vectors of the clusters in which the prefixes of a
batch end, and to score each prefix against its cluster. A process that scores all prefixes of some
clusters makes the vectors of these alone, and its gradients hold their rows alone.
"""

from __future__ import annotations

import heapq

import numpy as np

__all__ = ["scorers"]

PREFIX = 1_500
"""Items of its cluster that cost as much as the rest of a prefix: the sample, and its encoding."""
VECTOR = 100
"""Scores that cost as much as the vector of a candidate, with its gradient."""


def scorers(cluster: np.ndarray, sizes: np.ndarray, n_processes: int) -> np.ndarray:
    """Process that scores each prefix, (P,), so that all have about as much to do.

    Clusters stay whole, but for those that are more than half of what a process has to do.

    Parameters
    ----------
    cluster : ndarray of shape (P,)
        Of the last item of each prefix, -1 for none.
    sizes : ndarray of shape (n_clusters + 1,)
        Items of the clusters that are candidates, first those of none: 0.
    n_processes : int

    Examples
    --------
    >>> scorers(np.array([0, 2, 1, 0, 1, 2, 3, 3]), np.array([0, 5, 5, 5, 5]), 2).tolist()
    [0, 0, 1, 0, 1, 0, 1, 1]
    """
    order = np.argsort(cluster, kind="stable")  # (P,)
    ordered = cluster[order]  # (P,)
    first = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1))  # (C,)
    counts = np.diff(first, append=len(ordered))  # (C,)
    items = sizes[ordered[first] + 1]  # (C,)
    costs = counts * (PREFIX + items) + VECTOR * items  # (C,)
    n_parts = np.minimum(-(-2 * n_processes * costs // costs.sum()), counts)  # (C,)
    place = np.arange(len(ordered)) - np.repeat(first, counts)  # (P,), in its cluster
    shift = np.repeat(np.cumsum(n_parts) - n_parts, counts)  # (P,)
    part = shift + place * np.repeat(n_parts, counts) // np.repeat(counts, counts)  # (P,)
    process = np.empty_like(order)  # (P,)
    process[order] = _even(np.repeat(costs // n_parts, n_parts), n_processes)[part]
    return process


def _even(costs: np.ndarray, n_processes: int) -> np.ndarray:
    """Process of each of some parts: the dearest first, to the one that has least to do."""
    process = np.empty(len(costs), dtype=np.int64)  # (n_parts,)
    loads = [(0, rank) for rank in range(n_processes)]
    for part in np.argsort(-costs, kind="stable").tolist():
        load, rank = loads[0]
        process[part] = rank
        heapq.heapreplace(loads, (load + int(costs[part]), rank))
    return process
