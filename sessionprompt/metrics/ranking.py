"""Metrics made of ranks: the worth of a target at its rank, on average over all targets."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from .registry import find_metric, metric_names
from .values import averages, metric_values
from .weights import check_weights

__all__ = [
    "check_ranks",
    "discounted_gain",
    "hit",
    "hit_share",
    "known_of_ranks",
    "ranking_metrics",
    "reciprocal_rank",
]


def reciprocal_rank(ranks: np.ndarray, k: int) -> np.ndarray:
    """Worth ``1 / rank`` of each target within the first `k`; 0 beyond."""
    return np.where(ranks <= k, 1.0 / ranks, 0.0)


def hit(ranks: np.ndarray, k: int) -> np.ndarray:
    """Worth 1 of each target within the first `k`; 0 beyond."""
    return np.where(ranks <= k, 1.0, 0.0)


def discounted_gain(ranks: np.ndarray, k: int) -> np.ndarray:
    """Worth ``1 / log2(1 + rank)`` of each target within the first `k`; 0 beyond."""
    return np.where(ranks <= k, 1.0 / np.log2(1.0 + ranks), 0.0)


def hit_share(ranks: np.ndarray, k: int) -> np.ndarray:
    """Share of the list of `k` that the target is: ``1 / k`` within the first `k`; 0 beyond."""
    return hit(ranks, k) / k


def ranking_metrics(
    ranks: npt.ArrayLike,
    metrics: str | Iterable[str],
    *,
    weights: npt.ArrayLike | None = None,
    target_counts: npt.ArrayLike | None = None,
) -> dict[str, float]:
    """Average over all targets of the worth of each at its rank.

    A target at rank r is worth, if ``r <= k``, and nothing otherwise:
    ``mrr@k``: ``1 / r``; ``recall@k``, also called ``hr@k``: ``1``; ``ndcg@k``: ``1 / log2(1 +
    r)``; ``precision@k``: ``1 / k``, as one item of the list is right. ``map@k`` equals ``mrr@k``,
    since every prefix has one target: the precision at its rank is ``1 / r``.

    Parameters
    ----------
    ranks : array-like of shape (n,)
        Ranks from 1; the rank ``inf`` of an unknown target counts as a miss.
    metrics : str or iterable of str
        Names as in :func:`parse_metric`, without those that read lists.
    weights : array-like of shape (n,), optional
        Weight of each target in the averages.
    target_counts : array-like of shape (n,), optional
        Training events of each target, for registered metrics that read them.

    Returns
    -------
    dict of str to float
        One value per name; those of the library are fractions in 0..1.

    Raises
    ------
    ValueError
        If there are no ranks, a rank is below 1, the weights do not fit, or a metric is not made of
        ranks.

    See Also
    --------
    register_metric : Metrics of your own.
    coverage, novelty, diversity, gini : Metrics of lists.

    Examples
    --------
    >>> ranking_metrics([1, 4, np.inf], ["recall@5", "mrr@5"])
    {'recall@5': 0.6666666666666666, 'mrr@5': 0.4166666666666667}
    """
    names = metric_names(metrics)
    ranks = check_ranks(ranks)
    weights = check_weights(weights, len(ranks))
    known = known_of_ranks(names, ranks, target_counts)
    return averages(metric_values(names, known), weights)


def known_of_ranks(
    names: Iterable[str], ranks: np.ndarray, target_counts: npt.ArrayLike | None = None
) -> dict[str, np.ndarray]:
    """Quantities at hand where there are no lists; an error if a metric reads others."""
    known = {"ranks": ranks}
    if target_counts is not None:
        known["target_counts"] = np.asarray(target_counts)
    for name in names:
        metric = find_metric(name)[0]
        missing = [quantity for quantity in metric.reads if quantity not in ("k", *known)]
        if missing:
            raise ValueError(
                f"metric {name!r} cannot be made of ranks alone; use {metric.function.__name__}() "
                f"or evaluate, since it reads {', '.join(missing)}."
            )
    return known


def check_ranks(ranks: npt.ArrayLike) -> np.ndarray:
    """Ranks as an array of floats; an error if there are none or one is below 1."""
    ranks = np.asarray(ranks, dtype=np.float64)
    if ranks.ndim != 1 or not len(ranks):
        raise ValueError(
            f"ranks of shape {ranks.shape} leave nothing to average; pass at least one rank."
        )
    if not (ranks >= 1).all():
        raise ValueError(
            f"ranks hold {ranks[~(ranks >= 1)][0]}; ranks start at 1, and a miss is inf."
        )
    return ranks
