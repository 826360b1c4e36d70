"""What clusterers of items share: labelling events, and attaching items without a cluster by their edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from .._checks import check_fitted
from ..graphs import item_graph, modularity, strengths
from ..sessions import Sessions, as_sessions

__all__ = ["GraphClusterer", "by_falling_size", "number_nodes", "spread_labels"]


class GraphClusterer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base of the clusterers: the item graph, the numbering of clusters, the labels of events."""

    attach: str
    self_loops: str
    objective = "modularity"

    def _check_parameters(self) -> None:
        """Raise if a parameter is out of bounds."""
        raise NotImplementedError

    def _partitions(self) -> list[NDArray[np.int32]]:
        """Return the cluster of each item of `vocabulary_`, numbered by falling size, once per resolution."""
        raise NotImplementedError

    def _resolutions(self) -> Iterable[float]:
        """Return the resolution of each partition."""
        raise NotImplementedError

    def _many(self, n_columns: int) -> bool:
        """Return whether the learned attributes have one entry per partition."""
        return n_columns > 1

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the clusters of the items that occur in X.

        Parameters
        ----------
        X : Sessions or list of lists of item ids
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X has no events, or a parameter is out of bounds.
        """
        self._check_parameters()
        sessions = as_sessions(X)
        if sessions.n_events == 0:
            raise ValueError(
                "X has no events, so there are no items to cluster; pass sessions with events."
            )
        occurs = np.bincount(sessions.codes, minlength=len(sessions.vocabulary)) > 0
        codes = np.cumsum(occurs, dtype=np.int32)[sessions.codes] - 1
        self.vocabulary_ = sessions.vocabulary.subset(np.flatnonzero(occurs))
        n_items = len(self.vocabulary_)
        self.graph_ = item_graph(codes, sessions.offsets, n_items, self_loops=self.self_loops)
        self._learn(self._partitions())
        return self

    def _learn(self, columns: list[NDArray[np.int32]]) -> None:
        def gathered(values: list[Any], gather: Callable[[list[Any]], Any]) -> Any:
            return gather(values) if self._many(len(columns)) else values[0]

        strength, sizes = strengths(self.graph_), [np.bincount(column) for column in columns]
        gammas = repeat(1.0) if self.objective == "cpm" else self._resolutions()
        quality = [modularity(self.graph_, *pair) for pair in zip(columns, gammas, strict=False)]
        self.labels_ = gathered(columns, np.column_stack)
        self.n_clusters_ = gathered([len(size) for size in sizes], np.array)
        self.cluster_sizes_ = gathered(sizes, list)
        self.cluster_strengths_ = gathered(
            [np.bincount(c, weights=strength) for c in columns], list
        )
        self.modularity_ = gathered(quality, np.array)
        self.most_frequent_label_ = gathered([int(size.argmax()) for size in sizes], np.array)

    def transform(self, X: Any) -> Sessions:
        """Return the sessions with the cluster of each event as labels, one column per resolution.

        Parameters
        ----------
        X : Sessions or list of lists of item ids

        Returns
        -------
        Sessions
            They are labelled anew by this clusterer when they are cut to prefixes.
        """
        check_fitted(self, "labels_")
        sessions = as_sessions(X)
        return sessions.with_labels(self.label_events(sessions), annotator=self)

    def label_events(self, sessions: Sessions) -> NDArray[np.int32]:
        """Return the cluster of each event.

        An item known from `fit` has its cluster. Any other item has the edges that its session
        holds (with ``attach="batch"``, all given sessions), and joins the cluster among those of
        its neighbours where the objective gains most, ties by the lower label; the clusters
        themselves stay as they were. Neighbours without a cluster get theirs first. Where no path
        leads to a cluster, it is the most frequent one.

        Parameters
        ----------
        sessions : Sessions

        Returns
        -------
        ndarray of shape (n_events, n_resolutions), int32
        """
        check_fitted(self, "labels_")
        columns = self.labels_.reshape(len(self.vocabulary_), -1)
        codes = self.vocabulary_.translate(sessions.vocabulary)[sessions.codes]
        if (codes >= 0).all():
            return columns[codes]
        items, nodes = number_nodes(codes, sessions, self.attach)
        graph = item_graph(nodes, sessions.offsets, len(items), self_loops=self.self_loops)
        mass = np.ones(len(items)) if self.objective == "cpm" else strengths(graph)
        labels = np.where(items[:, None] < 0, -1, columns[items])
        for column, penalty in zip(labels.T, self._penalties(), strict=True):
            column[:] = spread_labels(column, graph, mass, penalty)
        return np.where(labels < 0, self.most_frequent_label_, labels).astype(np.int32)[nodes]

    def _penalties(self) -> Iterator[NDArray[np.float64]]:
        """Yield, per resolution, what joining each cluster costs a node, per unit of its mass."""
        cpm, single = self.objective == "cpm", self.labels_.ndim == 1
        burdens = self.cluster_sizes_ if cpm else self.cluster_strengths_
        for gamma, burden in zip(
            self._resolutions(), [burdens] if single else burdens, strict=False
        ):
            yield gamma * burden / (1 if cpm else max(burden.sum(), 1))

    def set_output(self, *, transform: Any = None) -> Self:
        """Return self: sessions are no table, so there is no container to choose.

        Parameters
        ----------
        transform : object, optional
            Ignored.

        Returns
        -------
        self
        """
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags


def by_falling_size(membership: NDArray[Any]) -> NDArray[np.int32]:
    """Number clusters by falling size, ties by their smallest item.

    Examples
    --------
    >>> by_falling_size(np.array([7, 3, 3, 9, 9]))
    array([2, 0, 0, 1, 1], dtype=int32)
    """
    _, first, index, sizes = np.unique(
        membership, return_index=True, return_inverse=True, return_counts=True
    )
    number = np.empty(len(sizes), dtype=np.int32)
    number[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return number[index]


def number_nodes(
    codes: NDArray[np.int32], sessions: Sessions, attach: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the items of some sessions as the nodes of a graph.

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
    keys, others = codes.astype(np.int64), sessions.codes[unseen].astype(np.int64)
    if attach == "session":
        session = np.searchsorted(sessions.offsets, unseen, side="right") - 1
        others += session * len(sessions.vocabulary)
    keys[unseen] = -1 - others
    distinct, nodes = np.unique(keys, return_inverse=True)
    return np.maximum(distinct, -1), nodes


def spread_labels(
    labels: NDArray[np.int32],
    graph: sparse.csr_array,
    mass: NDArray[np.float64],
    penalty: NDArray[np.float64],
) -> NDArray[np.int32]:
    """Label nodes without a cluster by their labelled neighbours, pass after pass, until no more are reached.

    Each pass labels every node beside a labelled one, and a label once given stays, so the result
    does not depend on the order of the nodes.

    Parameters
    ----------
    labels : ndarray of shape (n_nodes,)
        Cluster of each node, -1 for none.
    graph : csr_array of shape (n_nodes, n_nodes)
        Symmetric weights.
    mass : ndarray of shape (n_nodes,)
        What a node adds to a cluster: its strength, or 1 where clusters are measured in nodes.
    penalty : ndarray of shape (n_clusters,)
        What joining a cluster costs a node, per unit of its mass.

    Returns
    -------
    ndarray of shape (n_nodes,)
        Each node reached has the cluster c with the largest ``weight to c - mass * penalty[c]``
        among those of its neighbours, ties by the lower label; nodes that no path leads to keep -1.
    """
    labels = labels.copy()
    beside = graph[np.flatnonzero(labels < 0)].indices
    reached = np.unique(beside[labels[beside] >= 0])
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
    """Return the best cluster of each row, each with a labelled neighbour."""
    node, other = rows.tocoo().coords
    known = labels[other] >= 0
    ends = node[known], labels[other[known]]
    pull = (
        sparse.coo_array((rows.data[known], ends), shape=(len(mass), len(penalty))).tocsr().tocoo()
    )
    node, cluster = pull.coords
    gain = pull.data - mass[node] * penalty[cluster]
    order = np.lexsort((cluster, -gain, node))
    return cluster[order[np.searchsorted(node[order], np.arange(len(mass)))]]


def _check_choices(estimator: GraphClusterer, **known: Iterable[str]) -> None:
    choices = {**known, "self_loops": ("drop", "keep"), "attach": ("session", "batch")}
    for name, allowed in choices.items():
        value = getattr(estimator, name)
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"{name}={value!r} is not known; choose one of {list(allowed)}.")
