"""Registry of metrics: their names, and the functions behind them, which a user may add to."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from .._checks import check_integer

__all__ = [
    "QUANTITIES",
    "Metric",
    "add_metric",
    "check_monitor",
    "check_reads",
    "find_metric",
    "list_length",
    "metric_names",
    "own_metrics",
    "parse_metric",
    "register_metric",
    "restore_metric",
]

QUANTITIES = (
    "ranks",
    "k",
    "target_counts",
    "prefix_lengths",
    "is_repeat",
    "topk_codes",
    "n_items",
    "item_counts",
    "item_labels",
)
MONITORED = ("ranks", "k", "target_counts")  # known of the validation targets after an epoch
WAYS_OUT = {
    "topk_codes": "; keep lists with ranks(X, top=k)",
    "item_labels": (
        "; fit behind an ItemClusterer with prompts=('cluster',), or set item_labels of what "
        "ranks(X, top=k) returns and call its summary"
    ),
}
ALIASES = {"hr": "recall"}
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Metric:
    """A function of ranked targets with a name.

    Attributes
    ----------
    name : str
    function : callable
    reads : tuple of str
        Quantities that the function takes as parameters.
    min_k : int
        Least cut-off that it has a meaning for.
    built_in : bool
    """

    name: str
    function: Callable[..., Any]
    reads: tuple[str, ...]
    min_k: int
    built_in: bool


_METRICS: dict[str, Metric] = {}


def register_metric(name: str, function: Callable[..., Any], *, min_k: int = 1) -> None:
    """Make a function known as a metric, to be asked for as ``name@k``.

    The parameters of the function say by their names which quantities it reads:

    ``ranks`` : ndarray of shape (n,), float
        Rank of each target from 1; infinite for a target that the model does not know.
    ``k`` : int
        The cut-off.
    ``target_counts`` : ndarray of shape (n,)
        Training events of each target.
    ``prefix_lengths`` : ndarray of shape (n,)
        Events before each target.
    ``is_repeat`` : ndarray of shape (n,), bool
        True for targets that occur in their prefix.
    ``topk_codes`` : ndarray of shape (n, at least k)
        Codes of the best items for each prefix, best first.
    ``n_items`` : int
        Size of the catalogue.
    ``item_counts`` : ndarray of shape (n_items,)
        Training events of each item.
    ``item_labels`` : ndarray of shape (n_items, n_columns)
        Clusters of each item, where the model knows them.

    It returns one value for each target, of which averages are taken, by slices too, or a single
    number. ``evaluate`` and ``SessionScorer`` take any metric; ``monitor`` takes those that read
    nothing but ``ranks``, ``target_counts`` and ``k``, and holds more to be better.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and underscores, a letter first. A name that you have registered
        before gets the new function.
    function : callable
    min_k : int, default=1
        Least cut-off that the metric has a meaning for.

    Raises
    ------
    TypeError
        If the function cannot be called.
    ValueError
        If the name is malformed or built in, or a parameter is none of the quantities above.

    See Also
    --------
    ranking_metrics : Metrics of given ranks.

    Examples
    --------
    >>> from sessionprompt.metrics import ranking_metrics
    >>> def rare_hits(ranks, target_counts, k):
    ...     return (ranks <= k) & (target_counts <= 5)
    >>> register_metric("rare_hits", rare_hits)
    >>> ranking_metrics([1, 2, 9], "rare_hits@5", target_counts=[3, 80, 2])
    {'rare_hits@5': 0.3333333333333333}
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(
            f"name={name!r} is no name of a metric; use lower-case letters, digits and "
            "underscores, a letter first."
        )
    if name in ALIASES or (name in _METRICS and _METRICS[name].built_in):
        raise ValueError(f"name={name!r} is a metric of the library; choose another name.")
    if not callable(function):
        raise TypeError(f"function={function!r} cannot be called; pass a function.")
    check_integer("min_k", min_k)
    add_metric(name, function, min_k=min_k, built_in=False)


def add_metric(
    name: str, function: Callable[..., Any], *, min_k: int = 1, built_in: bool = True
) -> None:
    """Put a metric under its name; the library's own come this way."""
    _METRICS[name] = Metric(name, function, _quantities(function), min_k, built_in)


def _quantities(function: Callable[..., Any]) -> tuple[str, ...]:
    """Quantities that a function reads; its other parameters need defaults."""
    reads = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in QUANTITIES and parameter.kind in NAMED:
            reads.append(name)
        elif parameter.default is parameter.empty:
            raise ValueError(
                f"function has a parameter {name!r}, which is no quantity that metrics read; "
                f"known are {', '.join(QUANTITIES)}."
            )
    return tuple(reads)


def restore_metric(metric: Metric) -> None:
    """Make known a metric that another process registered, unless this one knows its name."""
    _METRICS.setdefault(metric.name, metric)


def own_metrics(names: Iterable[str]) -> list[Metric]:
    """Metrics among `names` that are not the library's."""
    metrics = [find_metric(name)[0] for name in names]
    return [metric for metric in metrics if not metric.built_in]


def find_metric(name: str) -> tuple[Metric, int]:
    """Metric and cut-off that a name such as ``mrr@5`` stands for, see :func:`parse_metric`."""
    kind, cutoff = _split(name)
    metric = _METRICS.get(ALIASES.get(kind, kind))
    if metric is None:
        raise ValueError(
            f"metric {name!r} is not known; write one of {', '.join(_known_names())}, "
            "then @ and a whole number of at least 1, such as 'mrr@5'."
        )
    if cutoff < metric.min_k:
        raise ValueError(
            f"metric {name!r} has no meaning; its cut-off must be at least {metric.min_k}."
        )
    return metric, cutoff


def _split(name: Any) -> tuple[str, int]:
    """Parts before and after the @ of a name; ("", 0) where it is not made so."""
    if not isinstance(name, str):
        return "", 0
    found = re.fullmatch(r"([a-z][a-z0-9_]*)@([1-9][0-9]*)", name)
    if found is None:
        return "", 0
    return found[1], int(found[2])


def _known_names() -> list[str]:
    names = []
    for name in _METRICS:
        names.append(name)
        names += [alias for alias, kind in ALIASES.items() if kind == name]
    return names


def parse_metric(name: str) -> tuple[str, int]:
    """Kind and cut-off of a metric; ``hr`` is another name of ``recall``.

    Parameters
    ----------
    name : str
        ``mrr@k``, ``recall@k``, ``hr@k``, ``ndcg@k``, ``precision@k``, ``map@k``, ``coverage@k``,
        ``novelty@k``, ``diversity@k``, ``gini@k`` or a registered metric, with a whole number k
        of at least 1.

    Returns
    -------
    (kind, k) : tuple of str and int

    Raises
    ------
    ValueError
        If the name is anything else.

    See Also
    --------
    register_metric : Metrics of your own.

    Examples
    --------
    >>> parse_metric("mrr@5"), parse_metric("hr@20")
    (('mrr', 5), ('recall', 20))
    """
    metric, cutoff = find_metric(name)
    return metric.name, cutoff


def metric_names(metrics: str | Iterable[str]) -> list[str]:
    """List of names, each of them checked, of one name or several.

    Parameters
    ----------
    metrics : str or iterable of str

    Returns
    -------
    list of str

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If there is no name, or one is not known.

    Examples
    --------
    >>> metric_names("mrr@5")
    ['mrr@5']
    """
    if isinstance(metrics, str):
        metrics = [metrics]
    if not isinstance(metrics, Iterable):
        raise TypeError(f"metrics={metrics!r} must be a name or a list of names, such as 'mrr@5'.")
    names = list(metrics)
    if not names:
        raise ValueError("metrics is empty; name at least one, such as 'mrr@5'.")
    for name in names:
        find_metric(name)
    return names


def list_length(names: Iterable[str]) -> int:
    """Length of the lists of best items that some metrics read; 0 if none reads lists."""
    lengths = [0]
    for name in names:
        metric, cutoff = find_metric(name)
        if "topk_codes" in metric.reads:
            lengths.append(cutoff)
    return max(lengths)


def check_reads(names: Iterable[str], known: Collection[str]) -> None:
    """Raise unless every quantity that the metrics read is known."""
    for name in names:
        for quantity in find_metric(name)[0].reads:
            if quantity != "k" and quantity not in known:
                way_out = WAYS_OUT.get(quantity, "")
                raise ValueError(
                    f"metric {name!r} reads {quantity}, which is not known here{way_out}."
                )


def check_monitor(monitor: str) -> None:
    """Raise unless a metric can be made of what is known after an epoch of training.

    Raises
    ------
    ValueError
        If the metric is not known, or reads more than ranks and training counts of the targets.

    Examples
    --------
    >>> check_monitor("mrr@5")
    """
    reads = find_metric(monitor)[0].reads
    beyond = [quantity for quantity in reads if quantity not in MONITORED]
    if beyond:
        raise ValueError(
            f"monitor={monitor!r} is no metric of ranks; choose mrr@k, recall@k or ndcg@k, or "
            f"register one that does without {', '.join(beyond)}."
        )
