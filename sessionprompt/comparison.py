"""Comparison of two models on the same test sessions: how far apart, and how sure that is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import check_integer, check_number, check_seed
from .metrics import RankedTargets, parse_metric, ranking_metrics

__all__ = ["Comparison", "Interval", "holm", "metric_intervals", "paired_bootstrap"]

DRAWS_AT_ONCE = 2**20  # of sessions, over all resamples of a chunk: about 25 MB
ROUNDING = 1e-12  # gains and losses that cancel need not do so to the last bit
N_RESAMPLES = 2000  # of one comparison, or of up to five at a level of .95
ROOM = 10  # times that the smallest p-value fits, adjusted, into what the level leaves


@dataclass(frozen=True)
class Comparison:
    """Difference of a metric between a and b, its confidence interval and p-value.

    Attributes
    ----------
    difference : float
        Metric of a minus metric of b over all targets, averaged over the seeds.
    low, high : float
        Ends of the confidence interval of the difference.
    p_value : float
        Two-sided, for a difference of zero.
    n_sessions : int
        Sessions that hold a target; they are what is resampled.
    n_targets : int
    wins : int
        Seeds, by position, with which a is better than b; a tie is a win of neither.
    n_seeds : int
    n_resamples : int
        Times that the sessions were drawn; no p-value is below ``2 / (n_resamples + 1)``.
    """

    difference: float
    low: float
    high: float
    p_value: float
    n_sessions: int
    n_targets: int
    wins: int
    n_seeds: int
    n_resamples: int


def paired_bootstrap(
    a: RankedTargets | Sequence[RankedTargets],
    b: RankedTargets | Sequence[RankedTargets],
    metric: str = "mrr@5",
    *,
    n_resamples: int | None = None,
    level: float = 0.95,
    n_comparisons: int = 1,
    random_state: int | np.random.Generator | None = None,
) -> Comparison:
    """Comparison of two models on the same test sessions, by resampling the sessions.

    Let d be what a gains over b in one session, summed over its targets and averaged over the
    seeds, and n the number of its targets. The difference of the metric is ``sum(d) / sum(n)``.
    Sessions are drawn with replacement, as many as there are, B = `n_resamples` times, and d and n
    travel together: targets of one session succeed and fail together, so they are no sample of
    their own. With ``r = floor((B + 1) (1 - level) / 2)``, the interval runs from the r-th smallest
    to the r-th largest of the B differences, and ::

        p = 2 (1 + min(#{differences <= 0}, #{differences >= 0})) / (B + 1), at most 1

    so that p is at most ``1 - level`` exactly if the interval leaves zero out, and never below ``2
    / (B + 1)``. Both are about other sessions of the same kind; that the models would come out so
    with other seeds, only `wins` hints at.

    Of many comparisons, :func:`holm` multiplies the smallest p-value by their number: with 64 of
    them and 2000 resamples it cannot get below .064. So the resamples grow with `n_comparisons`.

    Parameters
    ----------
    a, b : RankedTargets or sequence of RankedTargets
        One per seed, from ``ranks`` of a fitted model, all for the same sessions. Both sides hold
        equally many, or one side holds a single one, which then stands against every seed of the
        other.
    metric : str, default="mrr@5"
        ``mrr@k``, ``recall@k``, ``hr@k`` or ``ndcg@k``.
    n_resamples : int, optional
        By default 2000, or as many as it takes for the smallest p-value times `n_comparisons` to be
        a tenth of ``1 - level``: 400 for every comparison at a level of .95.
    level : float, default=0.95
        Confidence of the interval, between 0 and 1.
    n_comparisons : int, default=1
        Size of the family of comparisons in which the p-value will be adjusted.
    random_state : int, Generator or None, default=None

    Returns
    -------
    Comparison

    Raises
    ------
    TypeError
        If a side holds anything but ranked targets.
    ValueError
        If a side is empty, the sides hold different targets or numbers of seeds, the metric is not
        known or not made of ranks, or the resamples are too few for the level or the family.

    See Also
    --------
    holm : the adjustment of the p-values of a family.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3 (percentile
    interval) and section 15.4 (p-value by inverting an interval); Davison and Hinkley, "Bootstrap
    Methods and their Application", 1997, section 4.2 (the added one) and section 5.2 (B + 1 in the
    order of the ends).

    Examples
    --------
    >>> from sessionprompt.baselines import Popularity, SequentialRules
    >>> from sessionprompt.datasets import make_sessions
    >>> X = make_sessions(300, n_items=30, predictability=0.9, random_state=0)
    >>> rules, popular = SequentialRules().fit(X[:200]), Popularity().fit(X[:200])
    >>> found = paired_bootstrap(rules.ranks(X[200:]), popular.ranks(X[200:]), random_state=0)
    >>> found.low > 0, found.wins, found.n_sessions
    (True, 1, 100)
    """
    ours = _seeds("a", a)
    theirs = _seeds("b", b)
    _check_sides(ours, theirs)
    n_resamples = _enough_resamples(n_resamples, level, n_comparisons)
    r = _interval_end(n_resamples, level)
    gains = _worth(ours, metric) - _worth(theirs, metric)  # (n_seeds, n_targets)
    n_seeds, n_targets = gains.shape
    _, session = np.unique(ours[0].sessions, return_inverse=True)  # (n_targets,)
    d = np.bincount(session, gains.sum(0))  # (n_sessions,)
    n = np.bincount(session)  # (n_sessions,)
    check_seed(random_state)
    ratios = _resampled(d, n, n_resamples, np.random.default_rng(random_state))
    resampled = np.sort(ratios) / n_seeds  # (n_resamples,)
    resampled[np.abs(resampled) < ROUNDING] = 0.0
    least = min(np.sum(resampled <= 0), np.sum(resampled >= 0))
    return Comparison(
        difference=float(d.sum() / n_targets / n_seeds),
        low=float(resampled[r - 1]),
        high=float(resampled[-r]),
        p_value=float(min(1.0, 2 * (1 + least) / (n_resamples + 1))),
        n_sessions=len(d),
        n_targets=n_targets,
        wins=int((gains.mean(1) > ROUNDING).sum()),
        n_seeds=n_seeds,
        n_resamples=n_resamples,
    )


def _resampled(
    d: np.ndarray, n: np.ndarray, n_resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Ratio of the sums of d and n in every resample of the sessions, shape (n_resamples,)."""
    ratios = np.empty(n_resamples)
    step = max(1, DRAWS_AT_ONCE // len(d))
    for start in range(0, n_resamples, step):
        n_drawn = min(step, n_resamples - start)
        drawn = rng.integers(len(d), size=(n_drawn, len(d)))  # (n_drawn, n_sessions)
        ratios[start : start + step] = d[drawn].sum(1) / n[drawn].sum(1)
    return ratios


def _worth(side: list[RankedTargets], metric: str) -> np.ndarray:
    """Worth of each target at its rank, shape (n_seeds, n_targets)."""
    _, k = parse_metric(metric)
    ranks = np.stack([ranked.ranks for ranked in side])
    distinct, place = np.unique(np.where(ranks > k, np.inf, ranks), return_inverse=True)
    worth = np.array([ranking_metrics([rank], metric)[metric] for rank in distinct])
    return worth[place.reshape(ranks.shape)]


def _seeds(name: str, side: RankedTargets | Sequence[RankedTargets]) -> list[RankedTargets]:
    """Ranked targets of one side, one per seed."""
    if isinstance(side, RankedTargets):
        return [side]
    seeds = list(side)
    if not seeds:
        raise ValueError(
            f"{name} is empty; pass the ranked targets of at least one seed, from ranks(X_test)."
        )
    for k, ranked in enumerate(seeds):
        if not isinstance(ranked, RankedTargets):
            raise TypeError(
                f"{name}[{k}] is a {type(ranked).__name__}; "
                "pass what ranks(X_test) of a model returns."
            )
    return seeds


def _check_sides(a: list[RankedTargets], b: list[RankedTargets]) -> None:
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise ValueError(
            f"a holds {len(a)} seeds and b {len(b)}; pass the same seeds on both sides, "
            "or one for a model without any."
        )
    if not len(a[0].ranks):
        raise ValueError("a[0] holds no target; rank sessions of at least two events.")
    for name, side in (("a", a), ("b", b)):
        for k, ranked in enumerate(side):
            _check_same(a[0], ranked, f"{name}[{k}]")


def _check_same(first: RankedTargets, other: RankedTargets, name: str) -> None:
    way_out = "rank the same sessions, in the same order, with every model."
    if len(first.ranks) != len(other.ranks):
        raise ValueError(
            f"{name} holds {len(other.ranks)} targets, a[0] {len(first.ranks)}; {way_out}"
        )
    for column in ("sessions", "positions"):
        ours = getattr(first, column)
        theirs = getattr(other, column)
        apart = ours != theirs
        if apart.any():
            row = apart.argmax()
            raise ValueError(
                f"{name}.{column}[{row}] is {theirs[row]}, that of a[0] {ours[row]}; {way_out}"
            )


def _enough_resamples(n_resamples: Any, level: Any, n_comparisons: Any) -> int:
    """Number of resamples with which a comparison can stand out in its family."""
    check_number("level", level, lambda value: 0 < value < 1, "between 0 and 1, such as 0.95")
    check_integer("n_comparisons", n_comparisons)
    if n_resamples is None:
        return max(N_RESAMPLES, _least_resamples(n_comparisons, (1 - level) / ROOM))
    check_integer("n_resamples", n_resamples)
    least = _least_resamples(n_comparisons, 1 - level)
    if n_resamples < least:
        family = ""
        if n_comparisons > 1:
            family = f" in a family of n_comparisons={n_comparisons}"
        raise ValueError(
            f"n_resamples={n_resamples} is too few for level={level}{family}; "
            f"give at least {least}."
        )
    return int(n_resamples)


def _least_resamples(n_comparisons: int, alpha: float) -> int:
    """Fewest resamples whose smallest p-value times the number of comparisons is within alpha."""
    return int(np.ceil(2 * n_comparisons / alpha - ROUNDING)) - 1


def _interval_end(n_resamples: int, level: float) -> int:
    """Number of the sorted resample that ends the interval, counted from either end."""
    return int((n_resamples + 1) * (1 - level) / 2 + ROUNDING)


def holm(
    p_values: npt.ArrayLike | Sequence[Comparison],
    *,
    n_resamples: int | None = None,
    alpha: float = 0.05,
) -> np.ndarray:
    """P-values of one family, adjusted so that all together err as seldom as one would.

    The i-th smallest of n p-values, counted from 1, is multiplied by ``n - i + 1``; none may fall
    below the one before it, and none exceeds 1. Rejecting what stays at or below alpha keeps the
    chance of any false rejection at alpha, whatever the p-values depend on.

    Parameters
    ----------
    p_values : array-like of shape (n,), or sequence of Comparison
        Each in 0..1.
    n_resamples : int, optional
        Resamples that the p-values were made of; comparisons bring their own numbers.
    alpha : float, default=0.05
        Where the resamples are so few that no adjusted p-value of a family of this size could be at
        or below it, a warning says so.

    Returns
    -------
    ndarray of shape (n,)
        In the order of `p_values`.

    Raises
    ------
    ValueError
        If the shape is another, or a value is no probability.

    See Also
    --------
    paired_bootstrap : comparisons, whose resamples grow with `n_comparisons`.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6, 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    check_number("alpha", alpha, lambda value: 0 < value < 1, "between 0 and 1, such as 0.05")
    if n_resamples is not None:
        check_integer("n_resamples", n_resamples)
    p, resamples = _p_values(p_values, n_resamples)
    if p.ndim != 1:
        raise ValueError(f"p_values have shape {p.shape}; pass one list, of shape (n,).")
    wrong = ~((p >= 0) & (p <= 1))
    if wrong.any():
        raise ValueError(f"p_values hold {p[wrong][0]}; a p-value is in 0..1.")
    if resamples is not None:
        _warn_of_few(resamples, len(p), alpha)
    order = np.argsort(p, kind="stable")
    raised = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return adjusted


def _p_values(
    given: npt.ArrayLike | Sequence[Comparison], n_resamples: int | None
) -> tuple[np.ndarray, int | None]:
    """P-values of a family, and the largest number of resamples that any was made of, if known."""
    if not isinstance(given, list | tuple) or not given:
        return np.asarray(given, dtype=np.float64), n_resamples
    comparisons = [one for one in given if isinstance(one, Comparison)]
    if len(comparisons) < len(given):
        return np.asarray(given, dtype=np.float64), n_resamples
    p = np.array([one.p_value for one in comparisons])
    return p, max(one.n_resamples for one in comparisons)


def _warn_of_few(n_resamples: int, n_comparisons: int, alpha: float) -> None:
    """Warn where the smallest p-value, adjusted, is above alpha."""
    least = 2 * n_comparisons / (n_resamples + 1)
    if least <= alpha + ROUNDING:
        return
    enough = _least_resamples(n_comparisons, alpha / ROOM)
    warnings.warn(
        f"No adjusted p-value of {n_comparisons} comparisons with {n_resamples} resamples can be "
        f"below {min(least, 1.0):.3g}, so none reaches alpha={alpha}; compare with "
        f"n_comparisons={n_comparisons}, or with n_resamples={enough}.",
        UserWarning,
        stacklevel=3,
    )


@dataclass(frozen=True)
class Interval:
    """Metric of some targets with its confidence interval.

    Attributes
    ----------
    mean : float
    low, high : float
        Ends of the interval, within 0..1; both NaN where one session holds all the targets.
    n_sessions, n_targets : int
    """

    mean: float
    low: float
    high: float
    n_sessions: int
    n_targets: int


def metric_intervals(
    ranked: RankedTargets,
    metric: str = "mrr@5",
    groups: npt.ArrayLike | None = None,
    *,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Metric of one model with confidence intervals, over all targets or group by group.

    Targets of one session succeed and fail together, so sessions are the sample. With d the worth
    of a session's targets, n their number and m = sum(d) / sum(n) the metric, the variance of m
    over S sessions is ``S / (S - 1) sum((d - m n)^2) / sum(n)^2``.

    Parameters
    ----------
    ranked : RankedTargets
        From ``ranks`` of a fitted model.
    metric : str, default="mrr@5"
        ``mrr@k``, ``recall@k``, ``hr@k`` or ``ndcg@k``.
    groups : array-like of shape (n_targets,), optional
        Label of each target, such as of :func:`sessionprompt.metrics.slice_by_length`.
    level : float, default=0.95
        Confidence, between 0 and 1.

    Returns
    -------
    dict of str to Interval
        By label, in the order of first appearance; ``"all"`` without groups.

    Raises
    ------
    ValueError
        If labels and targets differ in number, or a parameter is out of bounds.

    References
    ----------
    Cochran, "Sampling Techniques", 3rd edition, 1977, section 6.3 (variance of a ratio).

    Examples
    --------
    >>> from sessionprompt.baselines import Popularity
    >>> X = [["tea", "cup"], ["tea", "cup"], ["pen", "ink"]]
    >>> found = metric_intervals(Popularity().fit(X).ranks(X), "recall@2")
    >>> round(found["all"].mean, 3), found["all"].n_targets
    (0.667, 3)
    """
    check_number("level", level, lambda value: 0 < value < 1, "between 0 and 1, such as 0.95")
    [worth] = _worth([ranked], metric)  # (n_targets,)
    labels = np.full(len(worth), "all")
    if groups is not None:
        labels = np.asarray(groups)
    if labels.shape != worth.shape:
        raise ValueError(
            f"groups have shape {labels.shape}; give one label for each of {len(worth)} targets."
        )
    z = NormalDist().inv_cdf((1 + level) / 2)
    found = {}
    for label in dict.fromkeys(labels.tolist()):
        chosen = labels == label
        found[label] = _interval(worth[chosen], ranked.sessions[chosen], z)
    return found


def _interval(worth: np.ndarray, sessions: np.ndarray, z: float) -> Interval:
    """Mean worth of some targets, and z standard errors to either side."""
    _, session = np.unique(sessions, return_inverse=True)  # (n_targets,)
    d = np.bincount(session, worth)  # (n_sessions,)
    n = np.bincount(session)  # (n_sessions,)
    mean = d.sum() / n.sum()
    error = np.nan
    if len(d) > 1:
        variance = len(d) / (len(d) - 1) * np.square(d - mean * n).sum() / n.sum() ** 2
        error = z * np.sqrt(variance)
    low, high = np.clip([mean - error, mean + error], 0, 1).tolist()
    return Interval(float(mean), low, high, len(d), len(worth))
