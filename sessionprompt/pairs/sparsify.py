"""Graphs with fewer edges: those that count little left out."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .._checks import check_count
from ..graphs import top_neighbors as heaviest_neighbors

__all__ = ["sparsified"]


def sparsified(
    graph: sparse.csr_array, *, min_count: int = 1, top_neighbors: int | None = None
) -> sparse.csr_array:
    """Graph of the edges that are heavy enough, or among the heaviest of either end.

    Parameters
    ----------
    graph : csr_array of shape (n_items, n_items)
        Symmetric.
    min_count : int, default=1
        Least weight of an edge that stays.
    top_neighbors : int, optional
        An edge stays if it is among so many heaviest ones of one of its ends, ties by the lower
        code; None keeps all. Self-loops stay whatever is heavier.

    Returns
    -------
    csr_array of shape (n_items, n_items)
        Symmetric; the graph itself where nothing is left out.

    Raises
    ------
    ValueError
        If `min_count` or `top_neighbors` is below 1.

    Examples
    --------
    >>> graph = sparse.csr_array([[0, 5, 1], [5, 0, 1], [1, 1, 0]])
    >>> sparsified(graph, min_count=2).toarray()
    array([[0, 5, 0],
           [5, 0, 0],
           [0, 0, 0]])
    >>> sparsified(graph, top_neighbors=1).toarray()
    array([[0, 5, 1],
           [5, 0, 0],
           [1, 0, 0]])
    """
    check_count("min_count", min_count)
    if min_count > 1:
        graph = graph.multiply(graph >= min_count).tocsr()
        graph.eliminate_zeros()
    if top_neighbors is None:
        return graph
    check_count("top_neighbors", top_neighbors)
    others = graph
    loops = sparse.diags_array(graph.diagonal(), format="csr", dtype=graph.dtype)
    loops.eliminate_zeros()
    if loops.nnz:
        others = graph - loops
        others.eliminate_zeros()
    neighbors, weights = heaviest_neighbors(others, top_neighbors)  # both (n_items, size)
    kept = neighbors >= 0
    row = np.broadcast_to(np.arange(len(kept))[:, None], kept.shape)[kept]
    ends = (row, neighbors[kept])
    one_way = sparse.coo_array((weights[kept], ends), shape=graph.shape).tocsr()
    return one_way.maximum(one_way.T).tocsr() + loops
