"""Arithmetic that figures of one set of ranks cannot escape."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from .ranking import discounted_gain, reciprocal_rank
from .registry import parse_metric

__all__ = ["check_arithmetic"]

FRACTIONS = ("mrr", "recall", "ndcg", "precision", "map", "coverage", "diversity", "gini")
RISING = ("mrr", "recall", "ndcg", "map", "coverage")  # do not fall as k grows
GAINS = {"mrr": reciprocal_rank, "map": reciprocal_rank, "ndcg": discounted_gain}

Curve = dict[int, float]  # value by cut-off


def check_arithmetic(results: Mapping[str, Any], *, tolerance: float = 1e-9) -> list[str]:
    """Sentences about figures that cannot all be true of one set of integer ranks.

    Figures lie in 0..1, and those of ranks and coverage do not fall as k grows. Between two
    cut-offs a < b the recall grows by the targets ranked a+1 to b, each worth between what rank b
    and what rank a+1 is worth; so ``(R_b - R_a) / b <= MRR_b - MRR_a <= (R_b - R_a) / (a + 1)``,
    and likewise for NDCG and MAP. The case a = 0 says ``recall@k / k <= mrr@k <= recall@k``.
    Midpoint ranks may break the upper bound where a > 0. With one target for each prefix,
    ``precision@k = recall@k / k`` and ``map@k = mrr@k``.

    Parameters
    ----------
    results : mapping of str to float
        Figures by name, as fractions; keys without an @ and metrics without bounds, such as
        novelty and those that a user registered, are passed over.
    tolerance : float, default=1e-9
        Added to every bound; 2e-4 suits figures that were rounded to four decimals.

    Returns
    -------
    list of str
        One sentence per violation; empty if there is none.

    Examples
    --------
    >>> check_arithmetic({"recall@5": 0.4, "mrr@5": 0.2})
    []
    >>> check_arithmetic({"recall@5": 0.4, "mrr@5": 0.5})
    ['mrr@5 = 0.5 is outside 0.08..0.4, for a share 0.4 of targets at ranks 1 to 5.']
    """
    figures = _bounded_figures(results)
    violations = [
        f"{kind}@{k} = {value:.6g} is outside 0..1; figures are fractions."
        for kind, k, value in figures
        if not -tolerance <= value <= 1 + tolerance
    ]
    curves: dict[str, Curve] = {}
    for kind, k, value in sorted(figures):
        first = curves.setdefault(kind, {}).setdefault(k, value)
        if abs(first - value) > tolerance:
            violations.append(f"{kind}@{k} is given twice, as {first:.6g} and {value:.6g}.")
    for kind in RISING:
        violations += _falls(kind, curves.get(kind, {}), tolerance)
    recall = curves.get("recall", {})
    for kind in GAINS:
        violations += _impossible_gains(kind, curves.get(kind, {}), recall, tolerance)
    shares = {k: value / k for k, value in recall.items()}
    violations += _unequal("precision", curves, "recall@k / k", shares, tolerance)
    violations += _unequal("map", curves, "mrr@k", curves.get("mrr", {}), tolerance)
    return violations


def _bounded_figures(results: Mapping[str, Any]) -> list[tuple[str, int, float]]:
    """Kind, cut-off and value of the figures that lie in 0..1."""
    figures = []
    for name, value in results.items():
        if "@" in name:
            kind, k = parse_metric(name)
            if kind in FRACTIONS:
                figures.append((kind, k, float(value)))
    return figures


def _falls(kind: str, curve: Curve, tolerance: float) -> list[str]:
    return [
        f"{kind}@{b} = {curve[b]:.6g} is below {kind}@{a} = {curve[a]:.6g}."
        for a, b in pairwise(sorted(curve))
        if curve[b] < curve[a] - tolerance
    ]


def _impossible_gains(kind: str, curve: Curve, recall: Curve, tolerance: float) -> list[str]:
    violations = []
    for a, b in pairwise([0, *sorted(curve.keys() & recall.keys())]):
        gain = curve[b] - curve.get(a, 0.0)
        share = recall[b] - recall.get(a, 0.0)
        least = share * _worth(kind, b)
        most = share * _worth(kind, a + 1)
        if not least - tolerance <= gain <= most + tolerance:
            name = f"{kind}@{b}"
            if a:
                name = f"{name} - {kind}@{a}"
            violations.append(
                f"{name} = {gain:.6g} is outside {least:.6g}..{most:.6g}, "
                f"for a share {share:.6g} of targets at ranks {a + 1} to {b}."
            )
    return violations


def _worth(kind: str, rank: int) -> float:
    """Worth of a target found at a rank."""
    return float(GAINS[kind](np.array([rank], dtype=np.float64), rank)[0])


def _unequal(
    kind: str, curves: Mapping[str, Curve], equal: str, expected: Curve, tolerance: float
) -> list[str]:
    """Sentences about cut-offs where a metric is not what it equals with one target each."""
    curve = curves.get(kind, {})
    return [
        f"{kind}@{k} = {curve[k]:.6g} is not {equal} = {expected[k]:.6g}."
        for k in sorted(curve.keys() & expected.keys())
        if not abs(curve[k] - expected[k]) <= tolerance
    ]
