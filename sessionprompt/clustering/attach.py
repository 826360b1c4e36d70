"""Clusters for items that have none, from their edges to items that have one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..sessions import Sessions

__all__ = ["number_nodes", "spread_labels"]


def number_nodes(
    codes: NDArray[np.int32], sessions: Sessions, attach: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Items of some sessions as the nodes of a graph.

    Parameters
    ----------
    codes : ndarray of shape (n_events,)
        Code of each event's item among the clustered ones, -1 for the others.
    sessions : Sessions
    attach : {"session", "batch"}
        Whether another item is a node of its own in each session, or one node in all of them.

    Returns
    -------
    items : ndarray of shape (n_nodes,)
        Code of each node's item, -1 for the others.
    nodes : ndarray of shape (n_events,)
        Node of each event.
    """
    unseen = np.flatnonzero(codes < 0)
    others = sessions.codes[unseen].astype(np.int64)
    if attach == "session":
        session = np.searchsorted(sessions.offsets, unseen, side="right") - 1
        others += session * len(sessions.vocabulary)
    keys = codes.astype(np.int64)
    keys[unseen] = -1 - others
    distinct, nodes = np.unique(keys, return_inverse=True)
    return np.maximum(distinct, -1), nodes


def spread_labels(
    labels: NDArray[np.int32],
    graph: sparse.csr_array,
    mass: NDArray[np.float64],
    penalty: NDArray[np.float64],
) -> NDArray[np.int32]:
    """Labels of nodes without a cluster, by their labelled neighbours, until no more are reached.

    Each pass labels every node beside a labelled one, and a label once given stays, so the result
    does not depend on the order of the nodes.

    Parameters
    ----------
    labels : ndarray of shape (n_nodes,)
        Cluster of each node, -1 for none.
    graph : csr_array of shape (n_nodes, n_nodes)
        Symmetric weights.
    mass : ndarray of shape (n_nodes,)
        Weight that a node adds to a cluster: its strength, or 1 where nodes are counted.
    penalty : ndarray of shape (n_clusters,)
        Cost of joining each cluster, per unit of the node's mass.

    Returns
    -------
    ndarray of shape (n_nodes,)
        Each node reached has the cluster c with the largest ``weight to c - mass * penalty[c]``
        among those of its neighbours, ties by the lower label; nodes that no path leads to keep -1.
    """
    labels = labels.copy()
    neighbors = graph[np.flatnonzero(labels < 0)].indices
    reached = np.unique(neighbors[labels[neighbors] >= 0])
    while len(reached):
        near = np.unique(graph[reached].indices)
        near = near[labels[near] < 0]
        labels[near] = _best_clusters(graph[near], labels, mass[near], penalty)
        reached = near
    return labels


def _best_clusters(
    rows: sparse.csr_array,
    labels: NDArray[np.int32],
    mass: NDArray[np.float64],
    penalty: NDArray[np.float64],
) -> NDArray[np.int32]:
    """Best cluster of each row, each with a labelled neighbour."""
    node, neighbor = rows.tocoo().coords
    known = labels[neighbor] >= 0
    ends = (node[known], labels[neighbor[known]])
    shape = (len(mass), len(penalty))
    weights = sparse.coo_array((rows.data[known], ends), shape=shape)  # (n_rows, n_clusters)
    weights = weights.tocsr().tocoo()  # adds up the edges between a node and a cluster
    node, cluster = weights.coords
    gain = weights.data - mass[node] * penalty[cluster]
    order = np.lexsort((cluster, -gain, node))
    first = np.searchsorted(node[order], np.arange(len(mass)))
    return cluster[order[first]]
