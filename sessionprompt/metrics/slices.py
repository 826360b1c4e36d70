"""Slices: labels of targets, and metrics of ranks for each label apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from .ranking import check_ranks, known_of_ranks
from .registry import metric_names
from .values import averages_by_label, metric_values
from .weights import check_weights

__all__ = [
    "slice_by_cold",
    "slice_by_length",
    "slice_by_popularity",
    "slice_by_repeat",
    "sliced_metrics",
]


def slice_by_length(prefix_lengths: npt.ArrayLike) -> np.ndarray:
    """Labels of targets by the number of events before each: "1", "2", "3-4", "5-9" or "10+".

    Parameters
    ----------
    prefix_lengths : array-like of shape (n,), int
        At least 1 each.

    Returns
    -------
    ndarray of shape (n,), str

    Raises
    ------
    ValueError
        If a length is below 1.

    Examples
    --------
    >>> slice_by_length([1, 4, 12]).tolist()
    ['1', '3-4', '10+']
    """
    labels = ("1", "2", "3-4", "5-9", "10+")
    return _binned(prefix_lengths, "prefix_lengths", (1, 2, 3, 5, 10), labels)


def slice_by_popularity(target_counts: npt.ArrayLike) -> np.ndarray:
    """Labels of targets by their training events: "unknown", "1-5", "6-20", "21-100", "101+".

    Parameters
    ----------
    target_counts : array-like of shape (n,), int
        How often the target occurred in training; 0 for an unknown one.

    Returns
    -------
    ndarray of shape (n,), str

    Raises
    ------
    ValueError
        If a count is below 0.

    Examples
    --------
    >>> slice_by_popularity([0, 20, 1000]).tolist()
    ['unknown', '6-20', '101+']
    """
    labels = ("unknown", "1-5", "6-20", "21-100", "101+")
    return _binned(target_counts, "target_counts", (0, 1, 6, 21, 101), labels)


def slice_by_cold(target_counts: npt.ArrayLike, is_known: npt.ArrayLike) -> np.ndarray:
    """Labels of targets: "warm" with training events, "cold" for others that a model knows.

    A cold item is known by its attributes. What is not known at all is "unknown", and a miss.

    Parameters
    ----------
    target_counts : array-like of shape (n,), int
    is_known : array-like of shape (n,), bool

    Returns
    -------
    ndarray of shape (n,), str

    Examples
    --------
    >>> slice_by_cold([7, 0, 0], [True, True, False]).tolist()
    ['warm', 'cold', 'unknown']
    """
    of_others = np.where(np.asarray(is_known, dtype=bool), "cold", "unknown")
    return np.where(np.asarray(target_counts) > 0, "warm", of_others)


def slice_by_repeat(is_repeat: npt.ArrayLike) -> np.ndarray:
    """Labels of targets: "repeat" for those that occurred before in their session, else "new".

    Parameters
    ----------
    is_repeat : array-like of shape (n,), bool

    Returns
    -------
    ndarray of shape (n,), str

    Examples
    --------
    >>> slice_by_repeat([True, False]).tolist()
    ['repeat', 'new']
    """
    return np.where(np.asarray(is_repeat, dtype=bool), "repeat", "new")


def _binned(
    values: npt.ArrayLike, name: str, edges: Sequence[int], labels: Sequence[str]
) -> np.ndarray:
    values = np.asarray(values)
    if values.size and values.min() < edges[0]:
        raise ValueError(f"{name} hold {values.min()}; they start at {edges[0]}.")
    return np.array(labels)[np.searchsorted(edges, values, side="right") - 1]


def sliced_metrics(
    ranks: npt.ArrayLike,
    metrics: str | Iterable[str],
    groups: Mapping[str, npt.ArrayLike],
    weights: npt.ArrayLike | None = None,
) -> dict[str, dict[str, dict[str, float]]]:
    """Metrics of the targets of each label apart, see :func:`ranking_metrics`.

    Parameters
    ----------
    ranks, metrics, weights
        As in :func:`ranking_metrics`; targets of weight 0 are left out.
    groups : mapping of str to array-like of shape (n,), str
        One array of labels per name of a slice.

    Returns
    -------
    dict of str to dict of str to dict of str to float
        Slice name, then label, then the number of targets ``n`` and the metrics.

    Raises
    ------
    ValueError
        If an array of labels does not fit the ranks.

    Examples
    --------
    >>> sliced_metrics([1, 2, 9], "recall@5", {"length": slice_by_length([1, 1, 3])})
    {'length': {'1': {'n': 2, 'recall@5': 1.0}, '3-4': {'n': 1, 'recall@5': 0.0}}}
    """
    names = metric_names(metrics)
    ranks = check_ranks(ranks)
    weights = check_weights(weights, len(ranks))
    values = dict(metric_values(names, known_of_ranks(names, ranks)))
    return averages_by_label(values, groups, weights)
