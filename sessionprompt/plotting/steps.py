"""The clusterer of a pipeline, and names of items and clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._checks import check_fitted
from ..clustering import GraphClusterer
from ..tables import Titles, titles_of
from ..vocabulary import Vocabulary
from .canvas import shortened

__all__ = ["column_of", "fitted_clusterer", "item_names", "most_frequent", "names_of"]


def fitted_clusterer(estimator: Any) -> GraphClusterer:
    """A fitted clusterer, or that of a pipeline."""
    steps = getattr(estimator, "steps", None)
    if not isinstance(steps, list):  # SequentialRules has a number of that name
        steps = [("", estimator)]
    for _, step in steps:
        if isinstance(step, GraphClusterer):
            check_fitted(step, "labels_")
            return step
    raise ValueError(
        f"{type(estimator).__name__} has no clusterer; give a fitted ItemClusterer or "
        "PrecomputedClusters, or a pipeline that has one."
    )


def column_of(labels: np.ndarray, column: int) -> np.ndarray:
    """Labels of one resolution; a ValueError if there are not so many."""
    n_columns = labels.shape[1]
    if not 0 <= column < n_columns:
        raise ValueError(f"column={column} is outside 0..{n_columns - 1}, one per resolution.")
    return labels[:, column]


def item_names(vocabulary: Vocabulary, titles: Titles | None) -> list[str]:
    """Names of all items of a vocabulary."""
    return names_of(vocabulary.ids, titles)


def names_of(ids: np.ndarray, titles: Titles | None) -> list[str]:
    """Title of each item, or its id where there is none, shortened."""
    names = ids.tolist()
    if titles is not None:
        found = titles_of(ids, titles)
        names = [title or id_ for title, id_ in zip(found, names, strict=True)]
    return [shortened(name) for name in names]


def most_frequent(
    labels: np.ndarray, counts: np.ndarray, clusters: Sequence[int], n_items: int
) -> list[np.ndarray]:
    """Codes of the most frequent items of each of some clusters."""
    order = np.argsort(-counts, kind="stable")
    return [order[labels[order] == cluster][:n_items] for cluster in clusters]
