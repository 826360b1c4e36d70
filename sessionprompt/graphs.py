"""Count graphs of items over all sessions: who is followed by whom, and how often."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

__all__ = ["item_graph", "modularity", "strengths", "top_neighbors", "window_graph"]


def item_graph(codes: ArrayLike, offsets: ArrayLike, n_items: int, *, self_loops: str = "drop") -> sparse.csr_array:
    """Count how often two items are adjacent in a session, in either order.

    Parameters
    ----------
    codes : array-like of shape (n_events,)
        Item code of each event, in 0..n_items-1, session after session.
    offsets : array-like of shape (n_sessions + 1,)
        Session i holds the events ``offsets[i]`` to ``offsets[i + 1] - 1``.
    n_items : int
        Number of items, the nodes of the graph.
    self_loops : {"drop", "keep"}, default="drop"
        What to do with an item that follows itself. A kept self-loop of weight w is stored as w on the
        diagonal, and like every loop of an undirected graph it adds 2w to the strength of its item.

    Returns
    -------
    csr_array of shape (n_items, n_items), int64
        Symmetric, with sorted indices: entry (a, b) is the number of adjacent occurrences of a and b.

    Raises
    ------
    ValueError
        If a code is outside 0..n_items-1 or `self_loops` is not known.

    Examples
    --------
    >>> item_graph([0, 1, 0, 1, 1, 2], [0, 4, 6], 3).toarray()
    array([[0, 3, 0],
           [3, 0, 1],
           [0, 1, 0]])
    """
    if self_loops not in ("drop", "keep"):
        raise ValueError(f"self_loops={self_loops!r} is not known; choose 'drop' or 'keep'.")
    left, right = _pairs(codes, offsets, n_items, 1)
    if self_loops == "drop":
        apart = left != right
        left, right = left[apart], right[apart]
    return _count(left, right, n_items)


def window_graph(codes: ArrayLike, offsets: ArrayLike, n_items: int, window: int) -> sparse.csr_array:
    """Count how often two items stand at most `window` positions apart in a session, in both directions.

    Parameters
    ----------
    codes : array-like of shape (n_events,)
        Item code of each event, in 0..n_items-1, session after session.
    offsets : array-like of shape (n_sessions + 1,)
        Session i holds the events ``offsets[i]`` to ``offsets[i + 1] - 1``.
    n_items : int
        Number of items, the nodes of the graph.
    window : int
        Largest distance in positions, at least 1.

    Returns
    -------
    csr_array of shape (n_items, n_items), int64
        Symmetric. A pair of events of the same item counts twice, once in each direction.

    Raises
    ------
    ValueError
        If `window` is below 1 or a code is outside 0..n_items-1.

    References
    ----------
    Wang et al., "Global Context Enhanced Graph Neural Networks for Session-based Recommendation", SIGIR 2020.

    Examples
    --------
    >>> window_graph([0, 1, 0], [0, 3], 2, window=2).toarray()
    array([[2, 2],
           [2, 0]])
    """
    _check_positive("window", window)
    pairs = [_pairs(codes, offsets, n_items, distance) for distance in range(1, window + 1)]
    left, right = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    graph = _count(left, right, n_items)
    return (graph + sparse.diags_array(graph.diagonal(), dtype=np.int64)).tocsr()


def top_neighbors(graph: sparse.csr_array, size: int) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Return the neighbours of each item with the highest weights, ties by the lower code.

    Parameters
    ----------
    graph : csr_array of shape (n_items, n_items)
    size : int
        Number of neighbours per item, at least 1.

    Returns
    -------
    indices : ndarray of shape (n_items, size), int32
        Codes of the neighbours, heaviest first, padded with -1.
    weights : ndarray of shape (n_items, size)
        Weights of the neighbours, padded with 0.

    Raises
    ------
    ValueError
        If `size` is below 1.

    Examples
    --------
    >>> top_neighbors(item_graph([0, 1, 0, 2, 1], [0, 5], 3), size=2)[0]
    array([[1, 2],
           [0, 2],
           [0, 1]], dtype=int32)
    """
    _check_positive("size", size)
    edges = graph.tocoo()
    items, others = edges.coords
    order = np.lexsort((others, -edges.data, items))
    items, others, heaviest = items[order], others[order], edges.data[order]
    rank = np.arange(len(items)) - np.searchsorted(items, items)
    kept = rank < size
    indices = np.full((graph.shape[0], size), -1, dtype=np.int32)
    weights = np.zeros((graph.shape[0], size), dtype=graph.dtype)
    indices[items[kept], rank[kept]] = others[kept]
    weights[items[kept], rank[kept]] = heaviest[kept]
    return indices, weights


def strengths(graph: sparse.csr_array) -> NDArray[np.float64]:
    """Return the total weight of each item's edges, where a self-loop counts twice.

    Parameters
    ----------
    graph : csr_array of shape (n_items, n_items)

    Returns
    -------
    ndarray of shape (n_items,), float64
        They add up to 2W, twice the total weight of the graph.

    Examples
    --------
    >>> strengths(item_graph([0, 0, 1, 2], [0, 4], 3, self_loops="keep"))
    array([3., 2., 1.])
    """
    return np.asarray(graph.sum(axis=1) + graph.diagonal(), dtype=np.float64)


def modularity(graph: sparse.csr_array, labels: ArrayLike, resolution: float = 1.0) -> float:
    """Return the modularity of a partition.

    Parameters
    ----------
    graph : csr_array of shape (n_items, n_items)
    labels : array-like of shape (n_items,)
        Cluster of each item, a number of at least 0.
    resolution : float, default=1.0
        Weight of the expected edges.

    Returns
    -------
    float
        The share of the weight that is inside clusters, less `resolution` times the share that would be there
        if edges joined the same strengths at random. At most 1, and 0 for a graph without edges.

    References
    ----------
    Reichardt and Bornholdt, "Statistical mechanics of community detection", Physical Review E 74, 2006.

    Examples
    --------
    >>> graph = item_graph([0, 1, 2, 0, 3, 4], [0, 4, 6], 5)
    >>> modularity(graph, [0, 0, 0, 1, 1])
    0.375
    """
    labels, strength = np.asarray(labels), strengths(graph)
    total = strength.sum()
    if total == 0:
        return 0.0
    ends, others = graph.tocoo().coords
    inside = graph.tocoo().data[labels[ends] == labels[others]].sum() + graph.diagonal().sum()
    shares = np.bincount(labels, weights=strength) / total
    return float(inside / total - resolution * (shares**2).sum())


def _pairs(codes: ArrayLike, offsets: ArrayLike, n_items: int, distance: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the items of all pairs of events of one session that stand `distance` positions apart."""
    codes, offsets = np.asarray(codes, dtype=np.int32), np.asarray(offsets)
    if len(codes) and not (codes.min() >= 0 and codes.max() < n_items):
        raise ValueError(f"codes must be in 0 to {n_items - 1}, got {codes.min()} to {codes.max()}.")
    session = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
    together = session[distance:] == session[:-distance]
    return codes[:-distance][together], codes[distance:][together]


def _count(left: NDArray[Any], right: NDArray[Any], n_items: int) -> sparse.csr_array:
    """Count unordered pairs into a symmetric matrix, each pair of equal items once."""
    low, high = np.minimum(left, right), np.maximum(left, right)
    ones = np.ones(len(low), dtype=np.int64)
    upper = sparse.coo_array((ones, (low, high)), shape=(n_items, n_items)).tocsr()
    return upper + sparse.triu(upper, k=1).T.tocsr()


def _check_positive(name: str, value: Any) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}={value!r} must be an integer of at least 1.")
