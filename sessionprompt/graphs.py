"""Count graphs of items over all sessions: who is followed by whom, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse

from ._arrays import ragged_range, repeated
from ._checks import check_choice, check_count

__all__ = [
    "FARTHER",
    "item_graph",
    "modularity",
    "strengths",
    "target_distances",
    "top_neighbors",
    "window_graph",
]

BLOCK = 2**23  # events counted, or edges looked at, at a time, which bounds the memory
PAIRS_AT_ONCE = 2**12  # whose neighbours are compared
FARTHER = 3  # distance of items that are more than two steps apart, or that no path joins


def item_graph(
    codes: ArrayLike,
    offsets: ArrayLike,
    n_items: int,
    *,
    self_loops: str = "drop",
    counts: str = "events",
) -> sparse.csr_array:
    """Counts of how often two items are adjacent in a session, in either order.

    Parameters
    ----------
    codes : array-like of shape (n_events,)
        Item code of each event, in 0..n_items-1, session after session.
    offsets : array-like of shape (n_sessions + 1,)
        Session i holds the events ``offsets[i]`` to ``offsets[i + 1] - 1``.
    n_items : int
        Number of items, the nodes of the graph.
    self_loops : {"drop", "keep"}, default="drop"
        What to do with an item that follows itself. A kept self-loop of weight w is stored as w on
        the diagonal, and like every loop of an undirected graph it adds 2w to the strength of its
        item.
    counts : {"events", "sessions"}, default="events"
        Whether every adjacent occurrence of two items counts, or the sessions in which they are
        adjacent: then the graph is the sum of the sessions' unweighted graphs.

    Returns
    -------
    csr_array of shape (n_items, n_items), int64
        Symmetric, with sorted indices: entry (a, b) is the number of adjacent occurrences of a and
        b, or of sessions with one.

    Raises
    ------
    ValueError
        If a code is outside 0..n_items-1, or `self_loops` or `counts` is not known.

    Examples
    --------
    >>> item_graph([0, 1, 0, 1, 1, 2], [0, 4, 6], 3).toarray()
    array([[0, 3, 0],
           [3, 0, 1],
           [0, 1, 0]])
    >>> item_graph([0, 1, 0, 1, 1, 2], [0, 4, 6], 3, counts="sessions").toarray()
    array([[0, 1, 0],
           [1, 0, 1],
           [0, 1, 0]])
    """
    check_choice("self_loops", self_loops, ("drop", "keep"))
    check_choice("counts", counts, ("events", "sessions"))
    drop_loops = self_loops == "drop"
    once = counts == "sessions"
    followed = _followed(codes, offsets, n_items, [1], drop_loops=drop_loops, once=once)
    graph = followed + followed.T.tocsr()
    if drop_loops:
        return graph
    loops = sparse.diags_array(followed.diagonal(), format="csr", dtype=np.int64)
    return graph - loops  # the sum has counted them twice


def window_graph(
    codes: ArrayLike,
    offsets: ArrayLike,
    n_items: int,
    window: int,
    dtype: DTypeLike = np.int64,
) -> sparse.csr_array:
    """Counts of how often two items stand at most `window` positions apart in a session.

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
    dtype : dtype, default=int64
        Of the counts.

    Returns
    -------
    csr_array of shape (n_items, n_items)
        Symmetric: every pair of events counts in both directions, so one of the same item counts
        twice.

    Raises
    ------
    ValueError
        If `window` is below 1 or a code is outside 0..n_items-1.

    References
    ----------
    Wang et al., "Global Context Enhanced Graph Neural Networks for Session-based Recommendation",
    SIGIR 2020.

    Examples
    --------
    >>> window_graph([0, 1, 0], [0, 3], 2, window=2).toarray()
    array([[2, 2],
           [2, 0]])
    """
    check_count("window", window)
    followed = _followed(codes, offsets, n_items, range(1, window + 1), dtype=dtype)
    return followed + followed.T.tocsr()


def top_neighbors(graph: sparse.csr_array, size: int) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Neighbours of each item with the highest weights, ties by the lower code.

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
    check_count("size", size)
    indices = np.full((graph.shape[0], size), -1, dtype=np.int32)
    weights = np.zeros((graph.shape[0], size), dtype=graph.dtype)
    for items, neighbors, edges in _edges(graph):
        order = np.lexsort((neighbors, -edges, items))
        items = items[order]
        rank = np.arange(len(items)) - np.searchsorted(items, items)  # from 0 within each item
        kept = rank < size
        places = (items[kept], rank[kept])
        indices[places] = neighbors[order][kept]
        weights[places] = edges[order][kept]
    return indices, weights


def _edges(graph: sparse.csr_array) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Items, their neighbours and the weights, of some whole rows at a time, about `BLOCK` edges.

    The edges of one item stand together.
    """
    bounds = np.searchsorted(graph.indptr, np.arange(0, graph.nnz, BLOCK))
    for first, end in pairwise(np.unique(np.append(bounds, graph.shape[0])).tolist()):
        degrees = np.diff(graph.indptr[first : end + 1])
        items = np.repeat(np.arange(first, end, dtype=np.int32), degrees)
        part = slice(graph.indptr[first], graph.indptr[end])
        yield items, graph.indices[part], graph.data[part]


def strengths(graph: sparse.csr_array) -> NDArray[np.float64]:
    """Total weight of each item's edges, where a self-loop counts twice.

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
    """Modularity of a partition.

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
        The share of the weight that is inside clusters, less `resolution` times the share that
        would be there if edges joined the same strengths at random. At most 1, and 0 for a graph
        without edges.

    References
    ----------
    Reichardt and Bornholdt, "Statistical mechanics of community detection", Physical Review E 74,
    2006.

    Examples
    --------
    >>> graph = item_graph([0, 1, 2, 0, 3, 4], [0, 4, 6], 5)
    >>> modularity(graph, [0, 0, 0, 1, 1])
    0.375
    """
    labels = np.asarray(labels)
    strength = strengths(graph)
    total = strength.sum()
    if total == 0:
        return 0.0
    inside = graph.diagonal().sum()
    for items, neighbors, weights in _edges(graph):
        inside += weights[labels[items] == labels[neighbors]].sum()
    shares = np.bincount(labels, weights=strength) / total
    return float(inside / total - resolution * (shares**2).sum())


def _followed(
    codes: ArrayLike,
    offsets: ArrayLike,
    n_items: int,
    distances: Sequence[int],
    *,
    drop_loops: bool = False,
    once: bool = False,
    dtype: DTypeLike = np.int64,
) -> sparse.csr_array:
    """Counts of how often the column's item stands at one of these distances after the row's.

    With `once`, a pair of items counts once for each session and distance, in whichever order.
    """
    codes = np.asarray(codes, dtype=np.int32)
    offsets = np.asarray(offsets)
    if len(codes) and not (codes.min() >= 0 and codes.max() < n_items):
        raise ValueError(
            f"codes must be in 0 to {n_items - 1}, got {codes.min()} to {codes.max()}."
        )
    total = sparse.csr_array((n_items, n_items), dtype=dtype)
    for events, session in _blocks(codes, offsets):
        for distance in distances:
            kept = session[distance:] == session[:-distance]
            if not kept.any():
                break  # no session is longer, whatever distances follow
            if drop_loops:
                kept &= events[distance:] != events[:-distance]
            ends = (events[:-distance][kept], events[distance:][kept])
            if once:
                ends = _distinct_pairs(session[distance:][kept], *ends)
            ones = np.ones(len(ends[0]), dtype=dtype)
            total = total + sparse.coo_array((ones, ends), shape=total.shape).tocsr()
    return total


def _distinct_pairs(
    session: NDArray[np.int32], one: NDArray[np.int32], other: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Each pair of items of a session once, the lower code first."""
    low = np.minimum(one, other)
    high = np.maximum(one, other)
    first = ~repeated(high, low, session)
    return low[first], high[first]


def _blocks(
    codes: NDArray[np.int32], offsets: NDArray[Any]
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Item and session of each event, of some whole sessions at a time, about `BLOCK` events."""
    last = len(offsets) - 1
    bounds = np.append(np.searchsorted(offsets, np.arange(0, len(codes), BLOCK)), last)
    for first, end in pairwise(np.unique(bounds).tolist()):
        lengths = np.diff(offsets[first : end + 1])
        session = np.repeat(np.arange(end - first, dtype=np.int32), lengths)
        yield codes[offsets[first] : offsets[end]], session


def target_distances(
    graph: sparse.csr_array, codes: ArrayLike, offsets: ArrayLike, max_length: int = 50
) -> NDArray[np.int64]:
    """Steps in the item graph from each target to the nearest item of its prefix.

    Parameters
    ----------
    graph : csr_array of shape (n_items, n_items)
        As of :func:`item_graph`.
    codes : array-like of shape (n_events,)
        Item code of each event, session after session; -1 for items that the graph does not have.
    offsets : array-like of shape (n_sessions + 1,)
        Session i holds the events ``offsets[i]`` to ``offsets[i + 1] - 1``. Each event but the
        first is a target.
    max_length : int, default=50
        Newest events of the prefix to start from.

    Returns
    -------
    ndarray of shape (n_targets,), int64
        0 for an item of the prefix itself, 1 for a neighbour, 2 for a neighbour's neighbour,
        `FARTHER` beyond, and -1 for a target that the graph does not have.

    Raises
    ------
    ValueError
        If `max_length` is below 1.

    Examples
    --------
    >>> graph = item_graph([0, 1, 1, 2, 2, 3], [0, 2, 4, 6], 4)  # 0 - 1 - 2 - 3
    >>> target_distances(graph, [0, 0, 2, 3, 0, 3], [0, 4, 6])
    array([0, 2, 1, 3])
    """
    check_count("max_length", max_length)
    codes = np.asarray(codes, dtype=np.int64)
    offsets = np.asarray(offsets, dtype=np.int64)
    position = np.arange(len(codes)) - np.repeat(offsets[:-1], np.diff(offsets))
    targets = np.flatnonzero(position > 0)
    lengths = np.minimum(position[targets], max_length)
    row = np.repeat(np.arange(len(targets)), lengths)  # (n_pairs,)
    before = codes[ragged_range(targets - lengths, lengths)]
    distances = np.where(codes[targets] < 0, -1, FARTHER)
    open_ = (before >= 0) & (codes[targets] >= 0)[row]
    steps: tuple[Callable[..., NDArray[np.bool_]], ...] = (
        np.equal,
        _Adjacent(graph),
        _Linked(graph),
    )
    for distance, reaches in enumerate(steps):
        row = row[open_]
        before = before[open_]
        reached = row[reaches(before, codes[targets][row])]
        distances[reached] = distance
        open_ = distances[row] == FARTHER
    return distances


class _Adjacent:
    """Whether two items are neighbours, pair by pair."""

    def __init__(self, graph: sparse.csr_array) -> None:
        self.n_items = graph.shape[0]
        edges = graph.tocoo()
        row, column = edges.coords
        self.keys = np.sort(row.astype(np.int64) * self.n_items + column)

    def __call__(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        wanted = a * self.n_items + b
        place = np.searchsorted(self.keys, wanted)
        return np.append(self.keys, -1)[place] == wanted


class _Linked:
    """Whether two items have a neighbour in common, pair by pair."""

    def __init__(self, graph: sparse.csr_array) -> None:
        self.graph = graph

    def __call__(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        n_items = self.graph.shape[0]
        pairs, place = np.unique(a * n_items + b, return_inverse=True)
        linked = np.zeros(len(pairs), dtype=bool)
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            chunk = slice(start, start + PAIRS_AT_ONCE)
            one, other = np.divmod(pairs[chunk], n_items)
            common = self.graph[one].multiply(self.graph[other])
            linked[chunk] = common.sum(axis=1) > 0
        return linked[place]
