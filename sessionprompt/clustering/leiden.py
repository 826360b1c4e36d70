"""Clusters of items by the Leiden algorithm, as a transformer."""

from __future__ import annotations

import random
from collections.abc import Callable
from numbers import Integral, Real
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..graphs import strengths
from .base import GraphClusterer, _check_choices, by_falling_size

__all__ = ["ItemClusterer"]

_IGRAPH_GENERATOR = Lock()  # igraph draws from one random generator per process


class ItemClusterer(GraphClusterer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Cluster items that follow each other in sessions, and label events with the cluster of their item.

    The Leiden algorithm partitions the graph that counts how often two items are adjacent. An item
    without neighbours is a cluster of its own. Clusters are numbered by falling size, ties by the
    smallest item code.

    Parameters
    ----------
    resolution : float or tuple of float, default=1.0
        Larger values give more and smaller clusters. A tuple gives one column of labels for each
        value.
    algorithm : {"igraph", "leidenalg"}, default="igraph"
        Package that runs the Leiden algorithm. igraph is an order of magnitude faster at equal
        modularity.
    objective : {"modularity", "cpm"}, default="modularity"
        Modularity with the resolution as the weight of the expected edges, or the constant Potts
        model, for which the resolution is the least density of edge weight inside a cluster.
    n_iterations : int, default=2
        Runs of the algorithm, each beginning with the result of the one before; -1 for as many as
        improve it.
    self_loops : {"drop", "keep"}, default="drop"
        Whether an item that follows itself counts as an edge.
    attach : {"session", "batch"}, default="session"
        Whether an item that `fit` did not see joins a cluster by the edges of its own session
        alone, or by those of all sessions given at once.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the algorithm.

    Attributes
    ----------
    vocabulary_ : Vocabulary
        The items of the training sessions.
    graph_ : csr_array of shape (n_items, n_items)
        The item graph, see :func:`sessionprompt.graphs.item_graph`.
    labels_ : ndarray of shape (n_items,) or (n_items, n_resolutions), int32
        Cluster of each item.
    n_clusters_ : int or ndarray of shape (n_resolutions,)
    cluster_sizes_ : ndarray of shape (n_clusters,), or list of ndarray
        Number of items in each cluster.
    cluster_strengths_ : ndarray of shape (n_clusters,), or list of ndarray
        Sum of the strengths of each cluster's items.
    modularity_ : float or ndarray of shape (n_resolutions,)
        Modularity at the given resolution (at resolution 1 for ``objective="cpm"``).
    most_frequent_label_ : int or ndarray of shape (n_resolutions,)
        The cluster with the most items.

    References
    ----------
    Traag, Waltman and van Eck, "From Louvain to Leiden: guaranteeing well-connected communities",
    Scientific Reports 9, 2019.

    Examples
    --------
    >>> sessions = [["tea", "cup", "pot", "tea"], ["pen", "ink", "pad", "pen"], ["pot", "ink"]]
    >>> clusterer = ItemClusterer(random_state=0).fit(sessions)
    >>> dict(zip(clusterer.vocabulary_.ids.tolist(), clusterer.labels_.tolist()))
    {'cup': 0, 'ink': 1, 'pad': 1, 'pen': 1, 'pot': 0, 'tea': 0}
    >>> clusterer.transform([["pen", "a new pen"], ["a new cup", "tea"]]).labels.ravel()
    array([1, 1, 0, 0], dtype=int32)
    """

    def __init__(
        self,
        resolution: float | tuple[float, ...] = 1.0,
        *,
        algorithm: str = "igraph",
        objective: str = "modularity",
        n_iterations: int = 2,
        self_loops: str = "drop",
        attach: str = "session",
        random_state: Any = None,
    ) -> None:
        self.resolution = resolution
        self.algorithm = algorithm
        self.objective = objective
        self.n_iterations = n_iterations
        self.self_loops = self_loops
        self.attach = attach
        self.random_state = random_state

    def _check_parameters(self) -> None:
        _check_choices(self, algorithm=_SEARCHES, objective=("modularity", "cpm"))
        if not self._resolutions():
            raise ValueError(
                f"resolution={self.resolution!r} is empty; give at least one number above 0."
            )
        for gamma in self._resolutions():
            if not isinstance(gamma, Real) or isinstance(gamma, bool):
                raise TypeError(
                    f"resolution={self.resolution!r} must be a number or a tuple of numbers."
                )
            if not 0 < gamma < np.inf:
                raise ValueError(f"resolution={self.resolution!r} must be above 0 and finite.")
        n = self.n_iterations
        if not isinstance(n, Integral) or isinstance(n, bool) or (n < 1 and n != -1):
            raise ValueError(
                f"n_iterations={n!r} must be an integer of at least 1, or -1: until stable."
            )

    def _resolutions(self) -> tuple[float, ...]:
        return tuple(self.resolution) if self._many() else (self.resolution,)  # type: ignore[arg-type, return-value]

    def _many(self, n_columns: int = 1) -> bool:
        return isinstance(self.resolution, tuple | list)

    def _partitions(self) -> list[NDArray[np.int32]]:
        search, edges = _SEARCHES[self.algorithm], sparse.triu(self.graph_, format="coo")
        gammas = self._resolutions()
        seeds = (
            np.random.default_rng(self.random_state).integers(2**31 - 1, size=len(gammas)).tolist()
        )
        if edges.nnz == 0:
            return [np.arange(len(self.vocabulary_), dtype=np.int32)] * len(gammas)
        cpm, strength = self.objective == "cpm", strengths(self.graph_).astype(np.int64)
        masses, unit = (np.ones_like(strength), 1) if cpm else (strength, strength.sum())
        problem = _igraph_network(edges), edges.data.tolist(), masses.tolist()
        return [
            by_falling_size(np.array(search(*problem, gamma / unit, int(self.n_iterations), seed)))
            for gamma, seed in zip(gammas, seeds, strict=True)
        ]


def _igraph_network(edges: sparse.coo_array) -> Any:
    import igraph

    # igraph reads a list of tuples faster than an array
    ends = (codes.tolist() for codes in edges.coords)
    return igraph.Graph(edges.shape[0], list(zip(*ends, strict=True)))


def _search_igraph(
    network: Any,
    weights: list[int],
    masses: list[int],
    penalty: float,
    n_iterations: int,
    seed: int,
) -> list[int]:
    """Maximise, summed over clusters, twice the edge weight inside less `penalty` times the squared mass."""
    import igraph

    with _IGRAPH_GENERATOR:
        igraph.set_random_number_generator(random.Random(seed))
        try:
            # its "modularity" leaves self-loops out of the strengths
            return network.community_leiden(
                "CPM",
                weights=weights,
                node_weights=masses,
                resolution=penalty,
                n_iterations=n_iterations,
            ).membership
        finally:
            igraph.set_random_number_generator(random)  # what igraph uses by default


def _search_leidenalg(
    network: Any,
    weights: list[int],
    masses: list[int],
    penalty: float,
    n_iterations: int,
    seed: int,
) -> list[int]:
    """Maximise the same with the other package."""
    import leidenalg

    return leidenalg.find_partition(
        network,
        leidenalg.CPMVertexPartition,
        weights=weights,
        node_sizes=masses,
        resolution_parameter=penalty,
        n_iterations=n_iterations,
        seed=seed,
    ).membership


_SEARCHES: dict[str, Callable[..., list[int]]] = {
    "igraph": _search_igraph,
    "leidenalg": _search_leidenalg,
}
