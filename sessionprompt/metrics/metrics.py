"""Metrics: what targets are worth at their ranks, on average, and what lists of items cover."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["coverage", "metric_names", "parse_metric", "ranking_metrics"]

# What a target found at a rank within the first k is worth.
_GAINS: dict[str, Callable[[Any], Any]] = {
    "mrr": lambda rank: 1.0 / rank,
    "recall": np.ones_like,
    "ndcg": lambda rank: 1.0 / np.log2(1.0 + rank),
}


_ALIASES = {"hr": "recall"}


_KNOWN = ("mrr", "recall", "hr", "ndcg", "coverage")


def parse_metric(name: str) -> tuple[str, int]:
    """Split the name of a metric into its kind and its cut-off; ``hr`` is another name of ``recall``.

    Parameters
    ----------
    name : str
        ``mrr@k``, ``recall@k``, ``hr@k``, ``ndcg@k`` or ``coverage@k`` with a whole number k of at
        least 1.

    Returns
    -------
    (kind, k) : tuple of str and int

    Raises
    ------
    ValueError
        If the name is anything else.

    Examples
    --------
    >>> parse_metric("mrr@5"), parse_metric("hr@20")
    (('mrr', 5), ('recall', 20))
    """
    found = re.fullmatch(r"([a-z]+)@([1-9][0-9]*)", name) if isinstance(name, str) else None
    if found is None or found[1] not in _KNOWN:
        raise ValueError(
            f"metric {name!r} is not known; write one of {', '.join(_KNOWN)}, then @ and a whole number of "
            "at least 1, such as 'mrr@5'."
        )
    return _ALIASES.get(found[1], found[1]), int(found[2])


def metric_names(metrics: str | Iterable[str]) -> list[str]:
    """Return one name or several as a list of names, each of them checked.

    Parameters
    ----------
    metrics : str or iterable of str

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If there is no name, or one is not known.

    Examples
    --------
    >>> metric_names("mrr@5")
    ['mrr@5']
    """
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    if not names:
        raise ValueError("metrics is empty; name at least one, such as 'mrr@5'.")
    for name in names:
        parse_metric(name)
    return names


def ranking_metrics(
    ranks: npt.ArrayLike, metrics: str | Iterable[str], *, weights: npt.ArrayLike | None = None
) -> dict[str, float]:
    """Average over all targets what each is worth at its rank.

    A target at rank r is worth, if ``r <= k``, and nothing otherwise:
    ``mrr@k``: ``1 / r``; ``recall@k``, also called ``hr@k``: ``1``; ``ndcg@k``: ``1 / log2(1 +
    r)``.

    Parameters
    ----------
    ranks : array-like of shape (n,)
        Ranks from 1; the rank ``inf`` of an unknown target counts as a miss.
    metrics : str or iterable of str
        Names as in :func:`parse_metric`, without coverage.
    weights : array-like of shape (n,), optional
        Weight of each target in the averages.

    Returns
    -------
    dict of str to float
        One fraction in 0..1 per name.

    Raises
    ------
    ValueError
        If there are no ranks, a rank is below 1, the weights do not fit, or a metric is not made of
        ranks.

    Examples
    --------
    >>> ranking_metrics([1, 4, np.inf], ["recall@5", "mrr@5"])
    {'recall@5': 0.6666666666666666, 'mrr@5': 0.4166666666666667}
    """
    names = metric_names(metrics)
    ranks = _check_ranks(ranks)
    weights = _check_weights(weights, len(ranks))
    parsed = [parse_metric(name) for name in names]
    if any(kind not in _GAINS for kind, _ in parsed):
        raise ValueError(
            f"metrics={names} cannot be made of ranks alone; use coverage() for coverage@k."
        )
    gains = {kind: _GAINS[kind](ranks) for kind, _ in parsed}
    values = (
        np.average(np.where(ranks <= k, gains[kind], 0.0), weights=weights) for kind, k in parsed
    )
    return dict(zip(names, map(float, values), strict=True))


def _check_ranks(ranks: npt.ArrayLike) -> np.ndarray:
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


def _check_weights(weights: npt.ArrayLike | None, n: int) -> np.ndarray:
    if weights is None:
        return np.ones(n)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(
            f"weights of shape {weights.shape} do not fit {n} ranks; pass one weight per rank."
        )
    if not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise ValueError("weights must be finite, not negative, and not all zero.")
    return weights


def coverage(topk_codes: npt.ArrayLike, k: int, n_items: int) -> float:
    """Return the share of the catalogue that appears in any list of the k best items.

    Parameters
    ----------
    topk_codes : array-like of shape (n, at least k), int
        Codes of the recommended items, best first; -1 marks an empty place.
    k : int
        Length of the lists that count.
    n_items : int
        Size of the catalogue.

    Returns
    -------
    float
        A fraction in 0..1.

    Raises
    ------
    ValueError
        If the lists are shorter than k or hold a code outside the catalogue.

    Examples
    --------
    >>> coverage([[0, 1], [0, 2]], k=2, n_items=4)
    0.75
    """
    codes = np.asarray(topk_codes)
    if codes.ndim != 2 or not 1 <= k <= codes.shape[1]:
        raise ValueError(
            f"k={k} does not fit topk_codes of shape {codes.shape}; pass lists of at least k codes."
        )
    codes = codes[:, :k].ravel()
    if codes.size and codes.max() >= n_items:
        raise ValueError(
            f"topk_codes hold {codes.max()}, outside a catalogue of n_items={n_items}."
        )
    seen = np.zeros(n_items, dtype=bool)
    seen[codes[codes >= 0]] = True
    return float(seen.mean())
