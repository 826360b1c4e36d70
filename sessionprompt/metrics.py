"""Ranks of the true next items, the figures made of them, and a scorer for scikit-learn's tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from .sessions import Sessions, as_sessions

__all__ = [
    "SessionScorer",
    "check_arithmetic",
    "coverage",
    "cut_last_events",
    "metric_names",
    "parse_metric",
    "ranking_metrics",
    "session_weights",
    "slice_by_length",
    "slice_by_popularity",
    "slice_by_repeat",
    "sliced_metrics",
    "target_ranks",
]

TIES = ("pessimistic", "midpoint", "optimistic")

# What a target found at a rank within the first k is worth.
_GAINS: dict[str, Callable[[Any], Any]] = {
    "mrr": lambda rank: 1.0 / rank,
    "recall": np.ones_like,
    "ndcg": lambda rank: 1.0 / np.log2(1.0 + rank),
}
_ALIASES = {"hr": "recall"}
_KNOWN = ("mrr", "recall", "hr", "ndcg", "coverage")


def target_ranks(scores: Any, targets: Any, *, ties: str = "pessimistic") -> Any:
    """Rank every target among all items by score, the best being 1.

    ``rank = 1 + #{score > score of the target}`` plus the share of the ties that `ties` names. A NaN among
    the scores counts as above the target, and a target whose own score is NaN comes last, whatever `ties`
    says: broken scores never look good.

    Parameters
    ----------
    scores : array or tensor of shape (n, n_items)
        One row of scores per target, in NumPy or torch.
    targets : integer array or tensor of shape (n,)
        Codes 0..n_items-1. Give unknown targets the rank ``inf`` instead of asking for it here.
    ties : {"pessimistic", "midpoint", "optimistic"}, default="pessimistic"
        Whether all, half or none of the other items with the target's score stand before it.

    Returns
    -------
    array or tensor of shape (n,)
        Of the same kind as `scores`; integers, or floats for midpoint ranks.

    Raises
    ------
    ValueError
        If `ties` is not known, the shapes do not fit, or a target is no code of an item.

    References
    ----------
    Berrendorf et al., "On the ambiguity of rank-based evaluation of entity alignment or link prediction
    methods", 2020.

    Examples
    --------
    >>> scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]])
    >>> target_ranks(scores, np.array([2, 0]))
    array([2, 2])
    >>> target_ranks(scores, np.array([2, 0]), ties="midpoint")
    array([2. , 1.5])
    """
    _check_ranking(scores, targets, ties)
    n_items = scores.shape[1]
    own = scores[np.arange(len(targets)), targets][:, None]
    if ties == "pessimistic":
        return n_items - _count(scores < own)
    best = n_items + 1 - _count(scores <= own) - _count(own != own)
    if ties == "optimistic":
        return best
    return (best + n_items - _count(scores < own)) / 2


def _count(mask: Any) -> Any:
    """Count what is true in each row, eight at a time in NumPy."""
    if isinstance(mask, np.ndarray):
        return np.bitwise_count(np.packbits(mask, axis=1)).sum(1, dtype=np.int64)
    return mask.sum(1)


def _check_ranking(scores: Any, targets: Any, ties: str) -> None:
    if ties not in TIES:
        raise ValueError(f"ties={ties!r} is not known; choose one of {list(TIES)}.")
    if scores.ndim != 2 or tuple(targets.shape) != tuple(scores.shape[:1]):
        raise ValueError(
            f"scores of shape {tuple(scores.shape)} and targets of shape {tuple(targets.shape)} do not fit; "
            "pass shapes (n, n_items) and (n,)."
        )
    n_items = scores.shape[1]
    for code in (int(targets.min()), int(targets.max())) if len(targets) else ():
        if not 0 <= code < n_items:
            raise ValueError(f"targets hold {code}, but codes run 0..{n_items - 1}; give unknown targets the rank inf.")


def parse_metric(name: str) -> tuple[str, int]:
    """Split the name of a metric into its kind and its cut-off; ``hr`` is another name of ``recall``.

    Parameters
    ----------
    name : str
        ``mrr@k``, ``recall@k``, ``hr@k``, ``ndcg@k`` or ``coverage@k`` with a whole number k of at least 1.

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
    ``mrr@k``: ``1 / r``; ``recall@k``, also called ``hr@k``: ``1``; ``ndcg@k``: ``1 / log2(1 + r)``.

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
        If there are no ranks, a rank is below 1, the weights do not fit, or a metric is not made of ranks.

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
        raise ValueError(f"metrics={names} cannot be made of ranks alone; use coverage() for coverage@k.")
    gains = {kind: _GAINS[kind](ranks) for kind, _ in parsed}
    values = (np.average(np.where(ranks <= k, gains[kind], 0.0), weights=weights) for kind, k in parsed)
    return dict(zip(names, map(float, values), strict=True))


def _check_ranks(ranks: npt.ArrayLike) -> np.ndarray:
    ranks = np.asarray(ranks, dtype=np.float64)
    if ranks.ndim != 1 or not len(ranks):
        raise ValueError(f"ranks of shape {ranks.shape} leave nothing to average; pass at least one rank.")
    if not (ranks >= 1).all():
        raise ValueError(f"ranks hold {ranks[~(ranks >= 1)][0]}; ranks start at 1, and a miss is inf.")
    return ranks


def _check_weights(weights: npt.ArrayLike | None, n: int) -> np.ndarray:
    if weights is None:
        return np.ones(n)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(f"weights of shape {weights.shape} do not fit {n} ranks; pass one weight per rank.")
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
        raise ValueError(f"k={k} does not fit topk_codes of shape {codes.shape}; pass lists of at least k codes.")
    codes = codes[:, :k].ravel()
    if codes.size and codes.max() >= n_items:
        raise ValueError(f"topk_codes hold {codes.max()}, outside a catalogue of n_items={n_items}.")
    seen = np.zeros(n_items, dtype=bool)
    seen[codes[codes >= 0]] = True
    return float(seen.mean())


def slice_by_length(prefix_lengths: npt.ArrayLike) -> np.ndarray:
    """Label every target by the number of events before it: "1", "2", "3-4", "5-9" or "10+".

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
    return _binned(prefix_lengths, "prefix_lengths", (1, 2, 3, 5, 10), ("1", "2", "3-4", "5-9", "10+"))


def slice_by_popularity(target_counts: npt.ArrayLike) -> np.ndarray:
    """Label every target by its training events: "unknown", "1-5", "6-20", "21-100" or "101+".

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


def slice_by_repeat(is_repeat: npt.ArrayLike) -> np.ndarray:
    """Label every target by whether it occurred before in its session: "repeat" or "new".

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


def _binned(values: npt.ArrayLike, name: str, edges: Sequence[int], labels: Sequence[str]) -> np.ndarray:
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
    """Compute :func:`ranking_metrics` separately for the targets of each label.

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
    ranks = _check_ranks(ranks)
    weights = _check_weights(weights, len(ranks))
    tables: dict[str, dict[str, dict[str, float]]] = {}
    for slice_name, group in groups.items():
        labels = np.asarray(group)
        if labels.shape != ranks.shape:
            raise ValueError(f"groups[{slice_name!r}] has shape {labels.shape}; pass one label per rank.")
        tables[slice_name] = {}
        for label in sorted(set(labels[weights > 0].tolist()), key=_leading_number):
            rows = (labels == label) & (weights > 0)
            values = ranking_metrics(ranks[rows], metrics, weights=weights[rows])
            tables[slice_name][label] = {"n": int(rows.sum()), **values}
    return tables


def _leading_number(label: str) -> tuple[int, str]:
    digits = re.match(r"\d*", label)
    return int(digits[0]) if digits and digits[0] else 0, label


def check_arithmetic(results: Mapping[str, Any], *, tolerance: float = 1e-9) -> list[str]:
    """Say which of some figures cannot all be true of one set of integer ranks.

    Every figure lies in 0..1 and does not fall as k grows. Between two cut-offs a < b the recall grows by the
    targets ranked a+1 to b, each worth between what rank b and what rank a+1 is worth; so
    ``(R_b - R_a) / b <= MRR_b - MRR_a <= (R_b - R_a) / (a + 1)``, and likewise for NDCG. The case a = 0 says
    ``recall@k / k <= mrr@k <= recall@k``. Midpoint ranks may break the upper bound where a > 0.

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
    figures = [(*parse_metric(name), float(value)) for name, value in results.items() if "@" in name]
    violations = [
        f"{kind}@{k} = {value:.6g} is outside 0..1; figures are fractions."
        for kind, k, value in figures
        if not -tolerance <= value <= 1 + tolerance
    ]
    curves: dict[str, dict[int, float]] = {}
    for kind, k, value in sorted(figures):
        if abs(curves.setdefault(kind, {}).setdefault(k, value) - value) > tolerance:
            violations.append(f"{kind}@{k} is given twice, as {curves[kind][k]:.6g} and {value:.6g}.")
    for kind, curve in curves.items():
        violations += _falls(kind, curve, tolerance)
    for kind in ("mrr", "ndcg"):
        violations += _impossible_gains(kind, curves.get(kind, {}), curves.get("recall", {}), tolerance)
    return violations


def _falls(kind: str, curve: dict[int, float], tolerance: float) -> list[str]:
    return [
        f"{kind}@{b} = {curve[b]:.6g} is below {kind}@{a} = {curve[a]:.6g}."
        for a, b in pairwise(sorted(curve))
        if curve[b] < curve[a] - tolerance
    ]


def _impossible_gains(kind: str, curve: dict[int, float], recall: dict[int, float], tolerance: float) -> list[str]:
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


class SessionScorer:
    """Scorer for scikit-learn's tools that never shows an estimator the event it is asked for.

    An estimator with a method ``evaluate`` is asked directly. For a plain Pipeline the last event of every
    session is cut off before the first transformer sees it, and handed to ``evaluate`` of the last step as
    ``last_events``. Sessions of a single event are left out there.

    Parameters
    ----------
    metrics : str or list of str, default="mrr@5"
        Names as in :func:`parse_metric`. One name gives a float; a list gives a dict, for which a search
        needs ``refit="mrr@5"`` or another of the names.
    **evaluate_params
        Passed on to ``evaluate``, such as ``ties="midpoint"``.

    Raises
    ------
    ValueError
        If a metric is not known.

    Examples
    --------
    >>> SessionScorer(["mrr@5", "recall@20"], ties="midpoint")
    SessionScorer(['mrr@5', 'recall@20'], ties='midpoint')
    """

    def __init__(self, metrics: str | list[str] = "mrr@5", **evaluate_params: Any) -> None:
        metric_names(metrics)  # now, as a search may turn an error while scoring into NaN
        self.metrics = metrics
        self.evaluate_params = evaluate_params

    def __call__(
        self, estimator: Any, X: Any, y: object = None, sample_weight: npt.ArrayLike | None = None
    ) -> float | dict[str, float]:
        """Score a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            With a method ``evaluate``, or a Pipeline or a search around one.
        X : Sessions or list of lists
            Whole sessions, their last events included.
        y : ignored
        sample_weight : array-like of shape (n_sessions,), optional

        Returns
        -------
        float or dict of str to float
            The one metric, or all of them by name.

        Raises
        ------
        TypeError
            If nothing can be asked to ``evaluate``.
        ValueError
            If no session of a Pipeline's X has two events.
        """
        names = metric_names(self.metrics)
        params = {"metrics": names, **self.evaluate_params}
        estimator = getattr(estimator, "best_estimator_", estimator)
        if hasattr(estimator, "evaluate"):
            results = estimator.evaluate(X, sample_weight=sample_weight, **params)
        else:
            results = _evaluate_pipeline(estimator, as_sessions(X), sample_weight, params)
        values = {name: float(results[name]) for name in names}
        return values[self.metrics] if isinstance(self.metrics, str) else values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SessionScorer):
            return NotImplemented
        return (self.metrics, self.evaluate_params) == (other.metrics, other.evaluate_params)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        params = "".join(f", {name}={value!r}" for name, value in self.evaluate_params.items())
        return f"SessionScorer({self.metrics!r}{params})"


def _evaluate_pipeline(
    pipeline: Any, X: Sessions, sample_weight: npt.ArrayLike | None, params: dict[str, Any]
) -> dict[str, float]:
    steps = [step for _, step in getattr(pipeline, "steps", [(None, pipeline)])]
    if not hasattr(steps[-1], "evaluate"):
        raise TypeError(
            f"{type(pipeline).__name__} cannot be scored: neither it nor its last step has a method "
            "evaluate; pass a session recommender or a Pipeline that ends in one."
        )
    inputs, last_events, kept = cut_last_events(X)
    for transformer in steps[:-1]:
        inputs = transformer.transform(inputs) if hasattr(transformer, "transform") else inputs
    weights = session_weights(sample_weight, len(X))
    kept_weights = None if weights is None else weights[kept]
    return steps[-1].evaluate(inputs, sample_weight=kept_weights, last_events=last_events, **params)


def session_weights(sample_weight: npt.ArrayLike | None, n: int) -> np.ndarray | None:
    """Return one weight for each of `n` sessions as floats, or None for None.

    Parameters
    ----------
    sample_weight : array-like of shape (n,) or None
    n : int

    Returns
    -------
    ndarray of shape (n,) or None

    Raises
    ------
    ValueError
        If the shape is another.

    Examples
    --------
    >>> session_weights([1, 2], 2)
    array([1., 2.])
    """
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(
            f"sample_weight has shape {weights.shape}, but X holds {n} sessions; pass one weight for each."
        )
    return weights


def cut_last_events(X: Sessions) -> tuple[Sessions, np.ndarray, np.ndarray]:
    """Part the last event of every session from what comes before it.

    Parameters
    ----------
    X : Sessions
        Sessions of a single event are left out.

    Returns
    -------
    inputs : Sessions
        The other sessions without their last events, ``target_start`` as it was.
    last_events : ndarray of shape (n_kept,)
        Item ids.
    kept : ndarray of shape (n_kept,), int
        The rows of X they come from.

    Raises
    ------
    ValueError
        If no session has two events.

    Examples
    --------
    >>> inputs, last_events, kept = cut_last_events(Sessions.from_lists([["a"], ["b", "c", "d"]]))
    >>> inputs.to_lists(), last_events.tolist(), kept.tolist()
    ([['b', 'c']], ['d'], [1])
    """
    kept = np.flatnonzero(X.lengths >= 2)
    if not len(kept):
        raise ValueError(f"none of the {len(X)} sessions of X has two events; there is nothing to predict.")
    last_events = X.vocabulary.decode(X.codes[X.offsets[kept + 1] - 1])
    inputs = X.prefixes(kept, X.lengths[kept] - 1)
    start = None if X.target_start is None else X.target_start[kept]
    return replace(inputs, target_start=start), last_events, kept
