"""Clusters of items by the Leiden algorithm, as a transformer."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .._checks import check_choice, check_count, check_seed, is_integer, is_number
from ..pairs import checked_graph, pair_graph, sparsified
from ..vocabulary import Vocabulary
from .base import GraphClusterer
from .numbering import by_falling_size
from .searches import SEARCHES, Problem

__all__ = ["ItemClusterer"]

OBJECTIVES = ("modularity", "cpm")


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
    algorithm : {"igraph", "leidenalg", "sknetwork", "cugraph"}, default="igraph"
        Package that runs the Leiden algorithm. igraph is an order of magnitude faster than
        leidenalg at equal modularity; both are under the GPL. scikit-network (BSD, extra
        ``sknetwork``) does without them; cuGraph runs on a GPU and knows modularity alone.
    objective : {"modularity", "cpm"}, default="modularity"
        Modularity with the resolution as the weight of the expected edges, or the constant Potts
        model, for which the resolution is the least density of edge weight inside a cluster.
    n_iterations : int, default=2
        Runs of the algorithm, each beginning with the result of the one before; -1 for as many as
        improve it. ``"sknetwork"`` and ``"cugraph"`` run once, until nothing improves.
    self_loops : {"drop", "keep"}, default="drop"
        Whether an item that follows itself counts as an edge.
    counts : {"events", "sessions"}, default="events"
        Weight of an edge: how often two items are adjacent, or in how many sessions they are.
    min_count : int, default=1
        Least weight of an edge that the algorithm sees; `graph_` and `modularity_` are of all.
    top_neighbors : int, optional
        The algorithm sees an edge if it is among so many heaviest ones of one of its ends; None is
        all. Fewer edges are searched in less memory and time, see
        :func:`sessionprompt.pairs.sparsified`.
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
        Events of each item; None after `fit_graph`, or from a file of a version that kept none.
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
        algorithm: Literal["igraph", "leidenalg", "sknetwork", "cugraph"] = "igraph",
        objective: Literal["modularity", "cpm"] = "modularity",
        n_iterations: int = 2,
        self_loops: Literal["drop", "keep"] = "drop",
        counts: Literal["events", "sessions"] = "events",
        min_count: int = 1,
        top_neighbors: int | None = None,
        attach: Literal["session", "batch"] = "session",
        random_state: Any = None,
    ) -> None:
        self.resolution = resolution
        self.algorithm = algorithm
        self.objective = objective
        self.n_iterations = n_iterations
        self.self_loops = self_loops
        self.counts = counts
        self.min_count = min_count
        self.top_neighbors = top_neighbors
        self.attach = attach
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_choice("algorithm", self.algorithm, SEARCHES)
        check_choice("objective", self.objective, OBJECTIVES)
        if self.algorithm == "cugraph" and self.objective != "modularity":
            raise ValueError(
                f"algorithm='cugraph' cannot search by objective={self.objective!r}; set "
                "objective='modularity', or another algorithm."
            )
        check_count("min_count", self.min_count)
        if self.top_neighbors is not None:
            check_count("top_neighbors", self.top_neighbors)
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
        seen = sparsified(self.graph_, min_count=self.min_count, top_neighbors=self.top_neighbors)
        if seen.nnz == 0:
            alone = np.arange(len(self.vocabulary_), dtype=np.int32)
            return [alone] * len(resolutions)
        problem = Problem.of_graph(seen, self.objective)
        search = SEARCHES[self.algorithm]
        partitions = []
        for resolution, seed in zip(resolutions, seeds, strict=True):
            penalty = resolution / problem.unit
            membership = search(problem, penalty, int(self.n_iterations), seed)
            partitions.append(by_falling_size(membership))
        return partitions

    def fit_graph(self, graph: Any, vocabulary: Any = None) -> Self:
        """Learn the clusters of a graph that was counted elsewhere.

        Parameters
        ----------
        graph : sparse array of shape (n_items, n_items), table or sequence of tables
            Symmetric counts, as of :func:`sessionprompt.graphs.item_graph`, or tables of pairs, as
            of :func:`sessionprompt.pairs.count_pairs`.
        vocabulary : Vocabulary or array-like of shape (n_items,), optional
            Ids of the items, of a matrix in the order of its rows. Of tables, None is the items
            that have a pair.

        Returns
        -------
        self
            As `fit` leaves it on sessions of that graph, but for `item_counts_`, which is None.

        Raises
        ------
        ValueError
            If a parameter is out of bounds, there are no items, or the graph is not symmetric, not
            of whole counts or not of these items.

        Examples
        --------
        >>> graph = sparse.csr_array([[0, 3, 0, 0], [3, 0, 1, 0], [0, 1, 0, 2], [0, 0, 2, 0]])
        >>> clusterer = ItemClusterer(random_state=0).fit_graph(graph, ["a", "b", "x", "y"])
        >>> clusterer.labels_
        array([0, 0, 1, 1], dtype=int32)
        """
        self._check_parameters()
        if sparse.issparse(graph):
            self.graph_, self.vocabulary_ = _of_matrix(graph, vocabulary)
        else:
            if vocabulary is not None and not isinstance(vocabulary, Vocabulary):
                vocabulary = Vocabulary(vocabulary)
            self.graph_, self.vocabulary_ = pair_graph(graph, vocabulary)
        if not len(self.vocabulary_):
            raise ValueError("graph has no items, so there is nothing to cluster; count some.")
        if self.self_loops == "drop":
            loops = sparse.diags_array(self.graph_.diagonal(), format="csr", dtype=np.int64)
            self.graph_ = self.graph_ - loops
            self.graph_.eliminate_zeros()
        self.item_counts_ = None
        self.attached_ = np.zeros(len(self.vocabulary_), dtype=bool)
        self._learn(self._partitions())
        return self


def _of_matrix(graph: Any, ids: Any) -> tuple[sparse.csr_array, Vocabulary]:
    """Graph with its rows in the order of the vocabulary of their ids."""
    if ids is None:
        raise ValueError(
            "vocabulary=None: a matrix does not say whose rows it has; give their ids."
        )
    vocabulary = ids
    order: Any = slice(None)
    if not isinstance(ids, Vocabulary):
        vocabulary = Vocabulary(ids)
        order = np.argsort(vocabulary.encode(ids))
    counts = checked_graph(graph, len(vocabulary))[order][:, order].tocsr()
    counts.sort_indices()
    return counts, vocabulary
