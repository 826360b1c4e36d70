"""Clusters of items that are known beforehand, as a transformer."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from ..graphs import strengths
from ..vocabulary import Vocabulary
from .base import GraphClusterer, _check_choices, by_falling_size, spread_labels

__all__ = ["PrecomputedClusters"]


class PrecomputedClusters(GraphClusterer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Label events with clusters of items that are known beforehand, such as categories of a catalogue.

    The items are those of the training sessions. If one of them has no cluster, it joins one by its
    edges to the others, at resolution 1, or else the largest; so does any item that `fit` did not
    see. Clusters are numbered by falling size, ties by the smallest item code.

    Parameters
    ----------
    labels : dict or data frame
        Cluster of each item id, any hashable; or a pandas, polars or pyarrow table with a column of
        item ids, whose other columns are clusters. None and NaN stand for no cluster.
    item : str, default="item"
        Name of the column of item ids.
    attach, self_loops : str
        As of :class:`ItemClusterer`. The learned attributes are the same, too; a table with several
        columns of clusters counts as several resolutions.

    Examples
    --------
    >>> clusterer = PrecomputedClusters({"tea": "drink", "milk": "drink", "pen": "office"})
    >>> clusterer.fit_transform([["tea", "milk"], ["pen"], ["tea", "jam"]]).labels.ravel()
    array([0, 0, 1, 0, 0], dtype=int32)
    """

    def __init__(
        self, labels: Any, *, item: str = "item", attach: str = "session", self_loops: str = "drop"
    ) -> None:
        self.labels = labels
        self.item = item
        self.attach = attach
        self.self_loops = self_loops

    def _check_parameters(self) -> None:
        _check_choices(self)

    def _resolutions(self) -> Iterable[float]:
        return repeat(1.0)

    def _partitions(self) -> list[NDArray[np.int32]]:
        ids, columns = _read_clusters(self.labels, self.item)
        known, codes = Vocabulary.from_values(ids, name="item")
        if len(known) < len(codes):
            twice = known.ids.tolist()[np.bincount(codes).argmax()]
            raise ValueError(
                f"labels names the item {twice!r} more than once; give each item one row."
            )
        order, found = np.argsort(codes), known.translate(self.vocabulary_)
        return [
            self._completed(np.append(_numbered(column)[order], -1)[found]) for column in columns
        ]

    def _completed(self, given: NDArray[np.int64]) -> NDArray[np.int32]:
        """Number the given clusters and attach the items that have none."""
        has = given >= 0
        if not has.any():
            raise ValueError(
                "labels has a cluster for no item of X; check that both use the same ids."
            )
        labels, strength = np.full(len(given), -1, dtype=np.int32), strengths(self.graph_)
        labels[has] = by_falling_size(given[has])
        burden = np.bincount(labels[has], weights=strength[has])
        labels = spread_labels(labels, self.graph_, strength, burden / max(strength.sum(), 1))
        return by_falling_size(np.maximum(labels, 0))


def _read_clusters(labels: Any, item: str) -> tuple[list[Any], list[list[Any]]]:
    """Return the item ids and the clusterings of a dict or a table."""
    if isinstance(labels, dict):
        ids, columns = list(labels), [list(labels.values())]
    else:
        try:
            frame = nw.from_native(labels, eager_only=True)
        except TypeError as error:
            raise TypeError(
                f"labels must be a dict or a pandas, polars or pyarrow table, got {type(labels).__name__}."
            ) from error
        if item not in frame.columns or len(frame.columns) == 1:
            raise ValueError(
                f"labels needs a column {item!r} and label columns; it has {frame.columns}."
            )
        ids = frame[item].to_list()
        columns = [_read_column(frame[name]) for name in frame.columns if name != item]
    if not ids:
        raise ValueError("labels is empty; give the cluster of at least one item.")
    return ids, columns


def _read_column(series: nw.Series[Any]) -> list[Any]:
    pairs = zip(series.to_list(), series.is_null().to_list(), strict=True)
    return [None if null else value for value, null in pairs]


def _numbered(values: list[Any]) -> NDArray[np.int64]:
    """Number hashable values in the order of their appearance, None and NaN as -1."""
    numbers: dict[Any, int] = {}
    return np.array(
        [-1 if v is None or v != v else numbers.setdefault(v, len(numbers)) for v in values]
    )
