"""Base of the clusterers: the item graph of the training sessions, and the labels of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from .._checks import check_choice, check_fitted
from ..graphs import item_graph, modularity, strengths
from ..sessions import Sessions, as_sessions
from ..storage import ArrayStore, pack_params, unpack_params
from .attach import number_nodes, spread_labels

__all__ = ["GraphClusterer"]


class GraphClusterer(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Base of the clusterers: the item graph, the labels of events and of unseen items."""

    attach: str
    self_loops: str
    objective = "modularity"

    def _check_parameters(self) -> None:
        """Raise if a parameter is out of bounds."""
        check_choice("self_loops", self.self_loops, ("drop", "keep"))
        check_choice("attach", self.attach, ("session", "batch"))

    def _partitions(self) -> list[NDArray[np.int32]]:
        """Cluster of each item of `vocabulary_`, numbered by falling size, once per resolution."""
        raise NotImplementedError

    def _resolutions(self) -> Iterable[float]:
        """Resolution of each partition."""
        raise NotImplementedError

    def _has_columns(self, n_partitions: int) -> bool:
        """Whether the learned attributes have one entry per partition."""
        return n_partitions > 1

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

    def _learn(self, partitions: list[NDArray[np.int32]]) -> None:
        """Set the attributes that follow from the graph and the labels."""
        strength = strengths(self.graph_)
        sizes = [np.bincount(labels) for labels in partitions]
        totals = [np.bincount(labels, weights=strength) for labels in partitions]
        self.labels_ = self._gathered(partitions, np.column_stack)
        self.n_clusters_ = self._gathered([len(size) for size in sizes], np.array)
        self.cluster_sizes_ = self._gathered(sizes, list)
        self.cluster_strengths_ = self._gathered(totals, list)
        self.strongest_label_ = self._gathered([int(one.argmax()) for one in totals], np.array)
        self.modularity_ = self._gathered(self._qualities(partitions), np.array)

    def _gathered(self, values: list[Any], gather: Callable[[list[Any]], Any]) -> Any:
        """Values of all partitions together, or that of the only one."""
        if self._has_columns(len(values)):
            return gather(values)
        return values[0]

    def _qualities(self, partitions: list[NDArray[np.int32]]) -> list[float]:
        """Modularity of each partition."""
        resolutions = self._resolutions()
        if self.objective == "cpm":  # whose resolution is a density of edges
            resolutions = repeat(1.0)
        pairs = zip(partitions, resolutions, strict=False)
        return [modularity(self.graph_, labels, resolution) for labels, resolution in pairs]

    def transform(self, X: Any) -> Sessions:
        """Sessions with the cluster of each event as labels, one column per resolution.

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
        """Cluster of each event.

        An item known from `fit` has its cluster. Any other item has the edges that its session
        holds (with ``attach="batch"``, all given sessions), and joins the cluster among those of
        its neighbours where the objective gains most, ties by the lower label; the clusters
        themselves stay as they were. Neighbours without a cluster get theirs first. Where no path
        leads to a cluster, it is the strongest one, `strongest_label_`.

        Parameters
        ----------
        sessions : Sessions

        Returns
        -------
        ndarray of shape (n_events, n_resolutions), int32
        """
        check_fitted(self, "labels_")
        columns = self.labels_.reshape(len(self.vocabulary_), -1)  # (n_items, n_resolutions)
        codes = self.vocabulary_.translate(sessions.vocabulary)[sessions.codes]  # (n_events,)
        if (codes >= 0).all():
            return columns[codes]
        items, nodes = number_nodes(codes, sessions, self.attach)
        graph = item_graph(nodes, sessions.offsets, len(items), self_loops=self.self_loops)
        mass = self._masses(graph)
        labels = np.where(items[:, None] < 0, -1, columns[items])  # (n_nodes, n_resolutions)
        for column, penalty in zip(labels.T, self._penalties(), strict=True):
            column[:] = spread_labels(column, graph, mass, penalty)
        labels = np.where(labels < 0, self.strongest_label_, labels)
        return labels.astype(np.int32)[nodes]

    def _masses(self, graph: sparse.csr_array) -> NDArray[np.float64]:
        """Weight that each node of a graph adds to its cluster."""
        if self.objective == "cpm":
            return np.ones(graph.shape[0])
        return strengths(graph)

    def _penalties(self) -> Iterator[NDArray[np.float64]]:
        """Costs of joining each cluster, per unit of a node's mass; one array per resolution."""
        masses = self.cluster_strengths_
        if self.objective == "cpm":
            masses = self.cluster_sizes_
        if self.labels_.ndim == 1:
            masses = [masses]
        for resolution, mass in zip(self._resolutions(), masses, strict=False):
            if self.objective == "cpm":
                yield resolution * mass
            else:
                yield resolution * mass / max(mass.sum(), 1)

    def _pack(self, store: ArrayStore) -> dict[str, Any]:
        """Parameters in terms of JSON; items, labels and graph go to the store."""
        check_fitted(self, "labels_")
        params = pack_params(self.get_params(deep=False))
        store.put_ids("items", self.vocabulary_)
        store.put("labels", self.labels_.reshape(len(self.labels_), -1))
        store.put_graph("graph", self.graph_)
        return {"params": params, "fitted": {}}

    @classmethod
    def _unpack(cls, packed: dict[str, Any], store: ArrayStore) -> Self:
        """The clusterer that was packed; a ValueError says which part does not fit."""
        clusterer = cls(**unpack_params(packed["params"]))
        clusterer.vocabulary_ = store.take_ids("items")
        n_items = len(clusterer.vocabulary_)
        clusterer.graph_ = store.take_graph("graph", n_items)
        labels = store.take("labels", "i", n_items, None)  # (n_items, n_resolutions)
        clusterer._check_labels(labels)
        clusterer._learn(list(labels.T))
        return clusterer

    def _check_labels(self, labels: NDArray[np.int32]) -> None:
        n_items, n_columns = labels.shape
        if ((labels < 0) | (labels >= n_items)).any():
            raise ValueError(f"arrays.npz: 'labels' must lie in 0..{n_items - 1}.")
        resolutions = self._resolutions()
        if isinstance(resolutions, tuple) and len(resolutions) != n_columns:
            raise ValueError(
                f"'labels' has {n_columns} columns, but the parameters ask for {len(resolutions)}."
            )

    def set_output(self, *, transform: Any = None) -> Self:
        """Nothing to choose: sessions are no table, so there is no container for them.

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
