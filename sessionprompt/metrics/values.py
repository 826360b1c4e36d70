"""Values of metrics, one for each target or one for all, and their averages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .registry import find_metric

__all__ = ["averages", "averages_by_label", "metric_values"]


def metric_values(
    names: Iterable[str], known: Mapping[str, Any]
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and value of each metric, of shape (n,) for one per target, () for a single number.

    Parameters
    ----------
    names : iterable of str
    known : mapping of str to object
        Quantities of n targets by name, those that the metrics read and ``ranks`` among them.
    """
    shape = np.shape(known["ranks"])
    for name in names:
        metric, cutoff = find_metric(name)
        arguments = {quantity: known[quantity] for quantity in metric.reads if quantity != "k"}
        if "k" in metric.reads:
            arguments["k"] = cutoff
        value = np.asarray(metric.function(**arguments), dtype=np.float64)
        if value.shape not in ((), shape):
            raise ValueError(
                f"metric {name!r} returned values of shape {value.shape}; return one number for "
                f"each of the {shape[0]} targets, or a single one."
            )
        yield name, value


def averages(values: Iterable[tuple[str, np.ndarray]], weights: np.ndarray) -> dict[str, float]:
    """Mean of each metric over the targets; single numbers stay as they are."""
    means = {}
    for name, value in values:
        if value.ndim:
            value = np.average(value, weights=weights)
        means[name] = float(value)
    return means


def averages_by_label(
    values: Mapping[str, np.ndarray], groups: Mapping[str, npt.ArrayLike], weights: np.ndarray
) -> dict[str, dict[str, dict[str, float]]]:
    """Means over the targets of each label, by name of the group; single numbers are left out."""
    of_targets = {name: value for name, value in values.items() if value.ndim}
    tables = {}
    for group_name, group in groups.items():
        labels = np.asarray(group)
        if labels.shape != weights.shape:
            raise ValueError(
                f"groups[{group_name!r}] has shape {labels.shape}; pass one label per rank."
            )
        tables[group_name] = _table(of_targets, labels, weights)
    return tables


def _table(
    values: Mapping[str, np.ndarray], labels: np.ndarray, weights: np.ndarray
) -> dict[str, dict[str, float]]:
    """Number of targets and means by label, the labels in their natural order."""
    table = {}
    for label in sorted(set(labels[weights > 0].tolist()), key=_leading_number):
        rows = (labels == label) & (weights > 0)
        own = {name: value[rows] for name, value in values.items()}
        table[label] = {"n": int(rows.sum()), **averages(own.items(), weights[rows])}
    return table


def _leading_number(label: str) -> tuple[int, str]:
    digits = re.match(r"\d+", label)
    if digits is None:
        return 0, label
    return int(digits[0]), label
