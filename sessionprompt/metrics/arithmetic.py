"""Arithmetic that figures of one set of ranks cannot escape."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from .metrics import _GAINS, parse_metric

__all__ = ["check_arithmetic"]


def check_arithmetic(results: Mapping[str, Any], *, tolerance: float = 1e-9) -> list[str]:
    """Say which of some figures cannot all be true of one set of integer ranks.

    Every figure lies in 0..1 and does not fall as k grows. Between two cut-offs a < b the recall
    grows by the targets ranked a+1 to b, each worth between what rank b and what rank a+1 is worth;
    so ``(R_b - R_a) / b <= MRR_b - MRR_a <= (R_b - R_a) / (a + 1)``, and likewise for NDCG. The
    case a = 0 says ``recall@k / k <= mrr@k <= recall@k``. Midpoint ranks may break the upper bound
    where a > 0.

    Parameters
    ----------
    results : mapping of str to float
        Figures by name, as fractions; keys without an @ are passed over.
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
    figures = [
        (*parse_metric(name), float(value)) for name, value in results.items() if "@" in name
    ]
    violations = [
        f"{kind}@{k} = {value:.6g} is outside 0..1; figures are fractions."
        for kind, k, value in figures
        if not -tolerance <= value <= 1 + tolerance
    ]
    curves: dict[str, dict[int, float]] = {}
    for kind, k, value in sorted(figures):
        if abs(curves.setdefault(kind, {}).setdefault(k, value) - value) > tolerance:
            violations.append(
                f"{kind}@{k} is given twice, as {curves[kind][k]:.6g} and {value:.6g}."
            )
    for kind, curve in curves.items():
        violations += _falls(kind, curve, tolerance)
    for kind in ("mrr", "ndcg"):
        violations += _impossible_gains(
            kind, curves.get(kind, {}), curves.get("recall", {}), tolerance
        )
    return violations


def _falls(kind: str, curve: dict[int, float], tolerance: float) -> list[str]:
    return [
        f"{kind}@{b} = {curve[b]:.6g} is below {kind}@{a} = {curve[a]:.6g}."
        for a, b in pairwise(sorted(curve))
        if curve[b] < curve[a] - tolerance
    ]


def _impossible_gains(
    kind: str, curve: dict[int, float], recall: dict[int, float], tolerance: float
) -> list[str]:
    violations = []
    for a, b in pairwise([0, *sorted(curve.keys() & recall.keys())]):
        gain, share = curve[b] - curve.get(a, 0.0), recall[b] - recall.get(a, 0.0)
        least, most = share * _GAINS[kind](b), share * _GAINS[kind](a + 1)
        if not least - tolerance <= gain <= most + tolerance:
            name = f"{kind}@{b} - {kind}@{a}" if a else f"{kind}@{b}"
            violations.append(
                f"{name} = {gain:.6g} is outside {least:.6g}..{most:.6g}, "
                f"for a share {share:.6g} of targets at ranks {a + 1} to {b}."
            )
    return violations
