"""A scorer for scikit-learn's tools that hides what is to be predicted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..sessions import Sessions, as_sessions
from .metrics import metric_names

__all__ = ["SessionScorer", "cut_last_events", "session_weights"]


class SessionScorer:
    """Scorer for scikit-learn's tools that never shows an estimator the event it is asked for.

    An estimator with a method ``evaluate`` is asked directly. For a plain Pipeline the last event
    of every session is cut off before the first transformer sees it, and handed to ``evaluate`` of
    the last step as ``last_events``. Sessions of a single event are left out there.

    Parameters
    ----------
    metrics : str or list of str, default="mrr@5"
        Names as in :func:`parse_metric`. One name gives a float; a list gives a dict, for which a
        search needs ``refit="mrr@5"`` or another of the names.
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
        raise ValueError(
            f"none of the {len(X)} sessions of X has two events; there is nothing to predict."
        )
    last_events = X.vocabulary.decode(X.codes[X.offsets[kept + 1] - 1])
    inputs = X.prefixes(kept, X.lengths[kept] - 1)
    start = None if X.target_start is None else X.target_start[kept]
    return replace(inputs, target_start=start), last_events, kept
