"""Clusters of items by the Leiden algorithm, as a transformer."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .._checks import check_choice, check_seed, is_integer, is_number
from ..graphs import strengths
from .base import GraphClusterer
from .numbering import by_falling_size

__all__ = ["ItemClusterer"]

OBJECTIVES = ("modularity", "cpm")
IGRAPH_GENERATOR = Lock()  # igraph draws from one random generator per process


class ItemClusterer(GraphClusterer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Clusters of items that follow each other in sessions, as labels of the events.

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
    counts : {"events", "sessions"}, default="events"
        Weight of an edge: how often two items are adjacent, or in how many sessions they are.
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
    item_counts_ : ndarray of shape (n_items,)
        Events of each item; None if read from a file of a version that kept none.
    attached_ : ndarray of shape (n_items,), bool
        Items that `partial_fit` added.
    labels_ : ndarray of shape (n_items,) or (n_items, n_resolutions), int32
        Cluster of each item.
    n_clusters_ : int or ndarray of shape (n_resolutions,)
    cluster_sizes_ : ndarray of shape (n_clusters,), or list of ndarray
        Number of items in each cluster.
    cluster_strengths_ : ndarray of shape (n_clusters,), or list of ndarray
        Sum of the strengths of each cluster's items.
    modularity_ : float or ndarray of shape (n_resolutions,)
        Modularity at the given resolution (at resolution 1 for ``objective="cpm"``).
    strongest_label_ : int or ndarray of shape (n_resolutions,)
        The cluster with the largest strength, ties by the lower label. Items that `fit` did not see
        join it where no path of edges leads to a cluster.

    See Also
    --------
    PrecomputedClusters : takes clusters that are known beforehand.

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
        algorithm: Literal["igraph", "leidenalg"] = "igraph",
        objective: Literal["modularity", "cpm"] = "modularity",
        n_iterations: int = 2,
        self_loops: Literal["drop", "keep"] = "drop",
        counts: Literal["events", "sessions"] = "events",
        attach: Literal["session", "batch"] = "session",
        random_state: Any = None,
    ) -> None:
        self.resolution = resolution
        self.algorithm = algorithm
        self.objective = objective
        self.n_iterations = n_iterations
        self.self_loops = self_loops
        self.counts = counts
        self.attach = attach
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_choice("algorithm", self.algorithm, SEARCHES)
        check_choice("objective", self.objective, OBJECTIVES)
        super()._check_parameters()
        if not self._resolutions():
            raise ValueError(
                f"resolution={self.resolution!r} is empty; give at least one number above 0."
            )
        for gamma in self._resolutions():
            if not is_number(gamma):
                raise TypeError(
                    f"resolution={self.resolution!r} must be a number or a tuple of numbers."
                )
            if not 0 < gamma < np.inf:
                raise ValueError(f"resolution={self.resolution!r} must be above 0 and finite.")
        n = self.n_iterations
        if not is_integer(n) or (n < 1 and n != -1):
            raise ValueError(
                f"n_iterations={n!r} must be an integer of at least 1, or -1: until stable."
            )

    def _resolutions(self) -> tuple[float, ...]:
        if isinstance(self.resolution, tuple | list):
            return tuple(self.resolution)
        return (self.resolution,)

    def _has_columns(self, n_partitions: int) -> bool:
        return isinstance(self.resolution, tuple | list)

    def _partitions(self) -> list[NDArray[np.int32]]:
        resolutions = self._resolutions()
        check_seed(self.random_state)
        rng = np.random.default_rng(self.random_state)
        seeds = rng.integers(2**31 - 1, size=len(resolutions)).tolist()
        if self.graph_.nnz == 0:
            alone = np.arange(len(self.vocabulary_), dtype=np.int32)
            return [alone] * len(resolutions)
        problem = _Problem.of_graph(self.graph_, self.objective)
        search = SEARCHES[self.algorithm]
        partitions = []
        for resolution, seed in zip(resolutions, seeds, strict=True):
            penalty = resolution / problem.unit
            membership = search(problem, penalty, int(self.n_iterations), seed)
            partitions.append(by_falling_size(membership))
        return partitions


@dataclass(frozen=True)
class _Problem:
    """A graph as both packages take it, and the masses that the objective gives its nodes.

    The objective is the constant Potts model with masses of nodes, summed over clusters: twice the
    edge weight inside, less a penalty times the squared mass. Modularity is this with strengths as
    masses and a penalty of ``resolution / unit``.
    """

    network: Any  # igraph.Graph
    weights: list[int]  # of the edges
    masses: list[int]  # of the nodes
    unit: int

    @classmethod
    def of_graph(cls, graph: sparse.csr_array, objective: str) -> _Problem:
        edges = sparse.triu(graph, format="coo")
        masses = np.ones(graph.shape[0], dtype=np.int64)
        unit = 1
        if objective == "modularity":
            masses = strengths(graph).astype(np.int64)
            unit = masses.sum()
        return cls(_igraph_network(edges), edges.data.tolist(), masses.tolist(), unit)


def _igraph_network(edges: sparse.coo_array) -> Any:
    import igraph

    # igraph reads a list of tuples faster than an array
    rows, columns = edges.coords
    ends = zip(rows.tolist(), columns.tolist(), strict=True)
    return igraph.Graph(edges.shape[0], list(ends))


def _search_igraph(problem: _Problem, penalty: float, n_iterations: int, seed: int) -> list[int]:
    """Cluster of each node, found by igraph."""
    import igraph

    with IGRAPH_GENERATOR:
        igraph.set_random_number_generator(random.Random(seed))
        try:
            # its "modularity" leaves self-loops out of the strengths
            found = problem.network.community_leiden(
                "CPM",
                weights=problem.weights,
                node_weights=problem.masses,
                resolution=penalty,
                n_iterations=n_iterations,
            )
        finally:
            igraph.set_random_number_generator(random)  # igraph's default
    return found.membership


def _search_leidenalg(problem: _Problem, penalty: float, n_iterations: int, seed: int) -> list[int]:
    """Cluster of each node, found by leidenalg."""
    import leidenalg

    found = leidenalg.find_partition(
        problem.network,
        leidenalg.CPMVertexPartition,
        weights=problem.weights,
        node_sizes=problem.masses,
        resolution_parameter=penalty,
        n_iterations=n_iterations,
        seed=seed,
    )
    return found.membership


SEARCHES: dict[str, Callable[..., list[int]]] = {
    "igraph": _search_igraph,
    "leidenalg": _search_leidenalg,
}
