"""Clusters of items that are known beforehand, as a transformer."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any, Literal

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from ..graphs import strengths
from ..vocabulary import Vocabulary
from .attach import spread_labels
from .base import GraphClusterer
from .numbering import by_falling_size

__all__ = ["PrecomputedClusters"]


class PrecomputedClusters(GraphClusterer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Clusters of items that are known beforehand, such as categories of a catalogue, as labels.

    The clusters are those of the training sessions' items. An item that `fit` did not see has the
    cluster given for it, if that is one of these. What has no cluster joins one by its edges to the
    others, at resolution 1, or else the strongest. Clusters are numbered by falling size, ties by
    the smallest item code.

    Parameters
    ----------
    labels : dict or data frame
        Cluster of each item id, any hashable; or a pandas, polars or pyarrow table with a column of
        item ids, whose other columns are clusters. None and NaN stand for no cluster.
    item : str, default="item"
        Name of the column of item ids.
    attach, self_loops, counts : str
        As of :class:`ItemClusterer`. The learned attributes are the same, too; a table with several
        columns of clusters counts as several resolutions.

    See Also
    --------
    ItemClusterer : finds clusters in the sessions.

    Examples
    --------
    >>> clusterer = PrecomputedClusters({"tea": "drink", "milk": "drink", "pen": "office"})
    >>> clusterer.fit_transform([["tea", "milk"], ["pen"], ["tea", "jam"]]).labels.ravel()
    array([0, 0, 1, 0, 0], dtype=int32)
    """

    def __init__(
        self,
        labels: Any,
        *,
        item: str = "item",
        attach: Literal["session", "batch"] = "session",
        self_loops: Literal["drop", "keep"] = "drop",
        counts: Literal["events", "sessions"] = "events",
    ) -> None:
        self.labels = labels
        self.item = item
        self.attach = attach
        self.self_loops = self_loops
        self.counts = counts

    def _resolutions(self) -> Iterable[float]:
        return repeat(1.0)

    def _partitions(self) -> list[NDArray[np.int32]]:
        known, clusters = self._read()
        places = known.translate(self.vocabulary_)  # (n_items,), -1 where no cluster is given
        partitions = []
        for column in clusters.T:
            given = np.append(column, -1)[places]
            partitions.append(self._completed(given))
        return partitions

    def _read(self) -> tuple[Vocabulary, NDArray[np.int64]]:
        """Items of `labels` and the clusters of each, -1 for none, shape (n_given, n_columns)."""
        ids, columns = _read_clusters(self.labels, self.item)
        known, codes = Vocabulary.from_values(ids, name="item")
        if len(known) < len(codes):
            twice = known.ids.tolist()[np.bincount(codes).argmax()]
            raise ValueError(
                f"labels names the item {twice!r} more than once; give each item one row."
            )
        order = np.argsort(codes)
        return known, np.column_stack([_numbered(column) for column in columns])[order]

    def _learn(self, partitions: list[NDArray[np.int32]]) -> None:
        super()._learn(partitions)
        known, clusters = self._read()
        places = self.vocabulary_.translate(known)  # (n_given,), -1 for what sessions lack
        for column, labels in zip(clusters.T, self._columns().T, strict=True):
            column[:] = _renumbered(column, np.append(labels, -1)[places])
        self._given = (known, clusters.astype(np.int32))

    def _given_labels(self, vocabulary: Vocabulary) -> NDArray[np.int32]:
        known, labels = self._given
        none = super()._given_labels(vocabulary)  # (n_items, n_columns)
        places = known.translate(vocabulary)  # (n_items,)
        return np.where(places[:, None] < 0, none, labels[places])

    def _completed(self, given: NDArray[np.int64]) -> NDArray[np.int32]:
        """Numbers of the given clusters, with the items attached that have none (-1)."""
        has_cluster = given >= 0
        if not has_cluster.any():
            raise ValueError(
                "labels has a cluster for no item of X; check that both use the same ids."
            )
        labels = np.full(len(given), -1, dtype=np.int32)
        labels[has_cluster] = by_falling_size(given[has_cluster])
        strength = strengths(self.graph_)
        penalty = _total_strengths(labels, strength) / max(strength.sum(), 1)
        labels = spread_labels(labels, self.graph_, strength, penalty)
        strongest = _total_strengths(labels, strength).argmax()
        return by_falling_size(np.where(labels < 0, strongest, labels))


def _renumbered(clusters: NDArray[np.int64], labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Label of the cluster of each item, -1 where no item of the cluster has a label."""
    numbers = np.full(clusters.max() + 2, -1, dtype=np.int32)
    both = (clusters >= 0) & (labels >= 0)
    numbers[clusters[both]] = labels[both]
    return numbers[clusters]  # the last number is that of no cluster, -1


def _total_strengths(labels: NDArray[np.int32], strength: NDArray[np.float64]) -> NDArray[Any]:
    """Strength of each cluster, over the items that have one."""
    has_cluster = labels >= 0
    return np.bincount(labels[has_cluster], weights=strength[has_cluster])


def _read_clusters(labels: Any, item: str) -> tuple[list[Any], list[list[Any]]]:
    """Item ids, and one list of clusters or several, of a dict or a table."""
    if isinstance(labels, dict):
        ids = list(labels)
        columns = [list(labels.values())]
    else:
        ids, columns = _read_table(labels, item)
    if not ids:
        raise ValueError("labels is empty; give the cluster of at least one item.")
    return ids, columns


def _read_table(labels: Any, item: str) -> tuple[list[Any], list[list[Any]]]:
    try:
        frame = nw.from_native(labels, eager_only=True)
    except TypeError as error:
        kind = type(labels).__name__
        raise TypeError(
            f"labels must be a dict or a pandas, polars or pyarrow table, got {kind}."
        ) from error
    if item not in frame.columns or len(frame.columns) == 1:
        raise ValueError(
            f"labels needs a column {item!r} and label columns; it has {frame.columns}."
        )
    ids = frame[item].to_list()
    columns = [_read_column(frame[name]) for name in frame.columns if name != item]
    return ids, columns


def _read_column(series: nw.Series[Any]) -> list[Any]:
    """Values of a column, None where one is missing."""
    values = series.to_list()
    for place in np.flatnonzero(series.is_null().to_numpy()):
        values[place] = None
    return values


def _numbered(values: list[Any]) -> NDArray[np.int64]:
    """Numbers of hashable values in the order of their appearance, -1 for None and NaN."""
    numbers: dict[Any, int] = {}
    found = np.full(len(values), -1)
    for place, value in enumerate(values):
        if value is None or value != value:
            continue
        found[place] = numbers.setdefault(value, len(numbers))
    return found
