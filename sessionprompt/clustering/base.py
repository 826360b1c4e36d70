"""Base of the clusterers: the item graph of the training sessions, and the labels of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .._arrays import counted, looked_up
from .._checks import check_choice, check_fitted, check_seed
from ..graphs import item_graph, modularity, strengths
from ..sessions import Sessions, as_sessions
from ..storage import ArrayStore, pack_params, unpack_params
from ..vocabulary import Vocabulary
from .attach import number_nodes, spread_labels
from .inside import ClusterTablesMixin
from .transformer import SessionTransformer

__all__ = ["GraphClusterer"]


class GraphClusterer(
    ClusterTablesMixin,
    SessionTransformer,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Base of the clusterers: the item graph, the labels of events and of unseen items."""

    attach: str
    self_loops: str
    counts: str
    objective = "modularity"

    def _check_parameters(self) -> None:
        """Raise if a parameter is out of bounds."""
        check_choice("self_loops", self.self_loops, ("drop", "keep"))
        check_choice("attach", self.attach, ("session", "batch"))
        check_choice("counts", self.counts, ("events", "sessions"))

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
        counts = counted(sessions.codes, len(sessions.vocabulary))
        occurs = counts > 0
        codes = sessions.codes
        if not occurs.all():
            code_of = np.cumsum(occurs, dtype=np.int32) - 1
            codes = looked_up(code_of, codes)
        self.vocabulary_ = sessions.vocabulary.subset(np.flatnonzero(occurs))
        self.graph_ = self._count(codes, sessions.offsets, len(self.vocabulary_))
        self.item_counts_ = counts[occurs]
        self.attached_ = np.zeros(len(self.vocabulary_), dtype=bool)
        self._learn(self._partitions())
        return self

    def partial_fit(self, X: Any, y: None = None) -> Self:
        """Add the items and the edges of new sessions; the clusters stay.

        An item that `fit` saw keeps its cluster. Any other joins one by all its edges so far, those
        of former calls included, so that later calls may move it.

        Parameters
        ----------
        X : Sessions or list of lists of item ids
        y : ignored

        Returns
        -------
        self
            The same however the sessions are divided into calls.

        Raises
        ------
        ValueError
            If a parameter is out of bounds, or X has no events and `fit` was not called before.
        """
        if not hasattr(self, "labels_"):
            return self.fit(X)
        self._check_parameters()
        sessions = as_sessions(X)
        occurs = counted(sessions.codes, len(sessions.vocabulary)) > 0
        occurring = sessions.vocabulary.subset(np.flatnonzero(occurs))
        vocabulary = self.vocabulary_.union(occurring)
        places = vocabulary.translate(self.vocabulary_)
        codes = looked_up(vocabulary.translate(sessions.vocabulary), sessions.codes)
        n_items = len(vocabulary)
        former = _with_nodes_at(self.graph_, places, n_items)
        self.graph_ = former + self._count(codes, sessions.offsets, n_items)
        if self.item_counts_ is not None:
            counts = counted(codes, n_items)
            counts[places] += self.item_counts_
            self.item_counts_ = counts
        fitted = places[~self.attached_]
        labels = self._given_labels(vocabulary)
        labels[fitted] = self._columns()[~self.attached_]
        self.vocabulary_ = vocabulary
        self.attached_ = np.ones(n_items, dtype=bool)
        self.attached_[fitted] = False
        self._learn(self._attached(labels))
        return self

    def _attached(self, labels: NDArray[np.int32]) -> list[NDArray[np.int32]]:
        """Partitions in which the items without a cluster (-1) join one of the fitted items'."""
        strength = strengths(self.graph_)
        mass = self._masses(self.graph_)
        partitions = []
        for column, resolution in zip(labels.T, self._resolutions(), strict=False):
            given = column >= 0
            totals = np.bincount(column[given], weights=strength[given])
            penalty = self._penalty(resolution, np.bincount(column[given]), totals)
            spread = spread_labels(column, self.graph_, mass, penalty)
            partitions.append(np.where(spread < 0, totals.argmax(), spread).astype(np.int32))
        return partitions

    def _count(self, codes: Any, offsets: Any, n_nodes: int) -> sparse.csr_array:
        """Item graph of some sessions, as the parameters ask for it."""
        return item_graph(codes, offsets, n_nodes, self_loops=self.self_loops, counts=self.counts)

    def _given_labels(self, vocabulary: Vocabulary) -> NDArray[np.int32]:
        """Cluster that was given for each item of a vocabulary beforehand, -1 for none."""
        return np.full((len(vocabulary), self._columns().shape[1]), -1, dtype=np.int32)

    def _columns(self) -> NDArray[np.int32]:
        """Cluster of each item, shape (n_items, n_resolutions)."""
        return self.labels_.reshape(len(self.vocabulary_), -1)

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

        An item known from `fit` has its cluster, and so has one whose cluster was given. Any other
        item has the edges that its session
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
        own = self.vocabulary_.translate(sessions.vocabulary)  # (n_items,)
        if (own >= 0).all():
            return looked_up(self._columns()[own], sessions.codes)
        codes = looked_up(own, sessions.codes)  # (n_events,)
        if (codes >= 0).all():
            return looked_up(self._columns(), codes)
        return self._labels_by_edges(sessions, codes, self.attach)

    def reached_events(self, sessions: Sessions) -> NDArray[np.bool_]:
        """Mark the events whose cluster was learned or follows from edges.

        The others have the strongest cluster because nothing is known of them.

        Parameters
        ----------
        sessions : Sessions

        Returns
        -------
        ndarray of shape (n_events,), bool
        """
        check_fitted(self, "labels_")
        codes = self.vocabulary_.translate(sessions.vocabulary)[sessions.codes]  # (n_events,)
        return self._reached_labels(sessions, codes, self.attach)[:, 0] >= 0  # all columns alike

    def label_items(self, sessions: Sessions) -> NDArray[np.int32]:
        """Cluster of each item of a vocabulary, by all that some sessions say of it.

        An item known from `fit` or `partial_fit` has its cluster. Any other joins one by the edges
        of all the sessions together, whatever `attach` is.

        Parameters
        ----------
        sessions : Sessions

        Returns
        -------
        ndarray of shape (n_items, n_resolutions), int32
            For each item of ``sessions.vocabulary``; -1 for unknown ones without an event, unless
            their cluster was given.
        """
        check_fitted(self, "labels_")
        own = self.vocabulary_.translate(sessions.vocabulary)  # (n_items,)
        given = self._given_labels(sessions.vocabulary)
        labels = np.where(own[:, None] < 0, given, self._columns()[own])
        codes = own[sessions.codes]  # (n_events,)
        unseen = codes < 0
        if unseen.any():
            of_events = self._labels_by_edges(sessions, codes, "batch")
            labels[sessions.codes[unseen]] = of_events[unseen]
        return labels.astype(np.int32, copy=False)

    def fitted_labels(self, vocabulary: Vocabulary) -> NDArray[np.int32]:
        """Cluster of each item that `fit` saw, whose cluster no later call has moved.

        Parameters
        ----------
        vocabulary : Vocabulary

        Returns
        -------
        ndarray of shape (n_items, n_resolutions), int32
            For each item of `vocabulary`, -1 for the others.
        """
        check_fitted(self, "labels_")
        own = self.vocabulary_.translate(vocabulary)
        fitted = (own >= 0) & ~self.attached_[own]
        return np.where(fitted[:, None], self._columns()[own], -1).astype(np.int32, copy=False)

    def _labels_by_edges(
        self, sessions: Sessions, codes: NDArray[np.int32], attach: str
    ) -> NDArray[np.int32]:
        """Cluster of each event, where some codes are -1."""
        labels = self._reached_labels(sessions, codes, attach)
        return np.where(labels < 0, self.strongest_label_, labels).astype(np.int32, copy=False)

    def _reached_labels(
        self, sessions: Sessions, codes: NDArray[np.int32], attach: str
    ) -> NDArray[np.int32]:
        """Cluster of each event, -1 where no path leads to one."""
        items, nodes = number_nodes(codes, sessions, attach)
        graph = self._count(nodes, sessions.offsets, len(items))
        mass = self._masses(graph)
        labels = np.where(items[:, None] < 0, -1, self._columns()[items])  # (n_nodes, n_columns)
        unseen = codes < 0
        given = self._given_labels(sessions.vocabulary)
        labels[nodes[unseen]] = given[sessions.codes[unseen]]
        for column, penalty in zip(labels.T, self._penalties(), strict=True):
            column[:] = spread_labels(column, graph, mass, penalty)
        return labels.astype(np.int32)[nodes]

    def _masses(self, graph: sparse.csr_array) -> NDArray[np.float64]:
        """Weight that each node of a graph adds to its cluster."""
        if self.objective == "cpm":
            return np.ones(graph.shape[0])
        return strengths(graph)

    def _penalties(self) -> Iterator[NDArray[np.float64]]:
        """Costs of joining each cluster, per unit of a node's mass; one array per resolution."""
        sizes = self.cluster_sizes_
        totals = self.cluster_strengths_
        if self.labels_.ndim == 1:
            sizes = [sizes]
            totals = [totals]
        for resolution, size, total in zip(self._resolutions(), sizes, totals, strict=False):
            yield self._penalty(resolution, size, total)

    def _penalty(
        self, resolution: float, sizes: NDArray[Any], totals: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Cost of joining clusters of these sizes and strengths, per unit of a node's mass."""
        if self.objective == "cpm":
            return resolution * sizes
        return resolution * totals / max(totals.sum(), 1)

    def _pack(self, store: ArrayStore) -> dict[str, Any]:
        """Parameters in terms of JSON; items, labels and graph go to the store."""
        check_fitted(self, "labels_")
        params = self._pack_params()
        store.put_ids("items", self.vocabulary_)
        store.put("labels", self.labels_.reshape(len(self.labels_), -1))
        store.put_graph("graph", self.graph_)
        attached = np.flatnonzero(self.attached_)
        store.put("attached", attached)
        fitted = {"n_attached": len(attached)}
        if self.item_counts_ is not None:
            store.put("item_counts", self.item_counts_)
            fitted["n_counts"] = len(self.item_counts_)
        return {"params": params, "fitted": fitted}

    def _pack_params(self) -> dict[str, Any]:
        """Parameters in terms of JSON; a TypeError if one cannot be stored."""
        return pack_params(self.get_params(deep=False))

    @classmethod
    def _unpack(cls, packed: dict[str, Any], store: ArrayStore) -> Self:
        """The clusterer that was packed; a ValueError says which part does not fit."""
        clusterer = cls(**unpack_params(packed["params"]))
        clusterer._check_parameters()
        check_seed(getattr(clusterer, "random_state", None))
        clusterer.vocabulary_ = store.take_ids("items")
        n_items = len(clusterer.vocabulary_)
        clusterer.graph_ = store.take_graph("graph", n_items)
        labels = store.take("labels", "i", n_items, None)  # (n_items, n_resolutions)
        clusterer._check_labels(labels)
        clusterer.attached_ = np.zeros(n_items, dtype=bool)
        clusterer.attached_[_take_codes(store, packed["fitted"], n_items)] = True
        clusterer.item_counts_ = _take_counts(store, packed["fitted"], n_items)
        clusterer._learn(list(labels.T))
        return clusterer

    def _check_labels(self, labels: NDArray[np.int32]) -> None:
        n_items, n_columns = labels.shape
        if not n_items or ((labels < 0) | (labels >= n_items)).any():
            raise ValueError(f"arrays.npz: 'labels' must lie in 0..{n_items - 1}.")
        resolutions = self._resolutions()
        if isinstance(resolutions, tuple) and len(resolutions) != n_columns:
            raise ValueError(
                f"'labels' has {n_columns} columns, but the parameters ask for {len(resolutions)}."
            )


def _with_nodes_at(
    graph: sparse.csr_array, places: NDArray[np.int32], n_nodes: int
) -> sparse.csr_array:
    """The same edges in a graph of more nodes, with each node at its new place."""
    edges = graph.tocoo()
    row, column = edges.coords
    ends = (places[row], places[column])
    return sparse.coo_array((edges.data, ends), shape=(n_nodes, n_nodes)).tocsr()


def _take_codes(store: ArrayStore, fitted: dict[str, Any], n_items: int) -> NDArray[np.int64]:
    """Codes of the items that `partial_fit` added."""
    n_attached = fitted.get("n_attached", 0)
    if n_attached == 0:
        return np.empty(0, dtype=np.int64)
    codes = store.take("attached", "i", n_attached)
    if ((codes < 0) | (codes >= n_items)).any():
        raise ValueError(f"arrays.npz: 'attached' must lie in 0..{n_items - 1}.")
    return codes


def _take_counts(
    store: ArrayStore, fitted: dict[str, Any], n_items: int
) -> NDArray[np.int64] | None:
    """Events of each item; None in a file of a version that kept none."""
    if "n_counts" not in fitted:
        return None
    counts = store.take("item_counts", "i", n_items)
    if counts.min() < 0:
        raise ValueError("arrays.npz: 'item_counts' must be 0 or more.")
    return counts
