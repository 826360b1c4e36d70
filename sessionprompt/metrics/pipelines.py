"""Evaluation of pipelines: the last events are cut off before the first step sees the sessions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..encoding import candidates_of
from ..sessions import Sessions, as_sessions
from .weights import session_weights

__all__ = ["evaluate_pipeline", "last_step", "split_and_transform", "transform_steps"]


def transform_steps(pipeline: Any, X: Any) -> Any:
    """Sessions as the last step of a pipeline gets them.

    In place of scikit-learn's transform, whose preliminaries take longer than the steps.
    """
    for _, step in _steps(pipeline)[:-1]:
        if step is not None and step != "passthrough":
            X = step.transform(X)
    return X


def split_and_transform(pipeline: Any, X: Any) -> tuple[Sessions, np.ndarray, np.ndarray]:
    """Sessions without their last events as the last step of a pipeline gets them.

    Returns
    -------
    inputs : Sessions
    last_events, rows
        As of :meth:`Sessions.split_last`.

    Raises
    ------
    ValueError
        If no session has two events.
    """
    sessions = as_sessions(X)
    inputs, last_events, rows = sessions.split_last()
    if not len(rows):
        raise ValueError(
            f"none of the {len(sessions)} sessions of X has {sessions.usable_if}; "
            "there is nothing to predict."
        )
    return transform_steps(pipeline, inputs), last_events, rows


def evaluate_pipeline(
    pipeline: Any, X: Any, sample_weight: npt.ArrayLike | None = None, **params: Any
) -> dict[str, Any]:
    """Result of ``evaluate`` of the last step, from which the last events are hidden.

    Parameters
    ----------
    pipeline : estimator with ``steps``, or a single estimator
        Fitted.
    X : Sessions or list of lists
    sample_weight : array-like of shape (n_sessions,), optional
    **params
        Passed on to ``evaluate``.

    Returns
    -------
    dict

    Raises
    ------
    TypeError
        If the last step cannot be asked to ``evaluate``.
    ValueError
        If no session has two events, or the weights do not fit.
    """
    last = last_step(pipeline)
    if not hasattr(last, "evaluate"):
        raise TypeError(
            f"{type(pipeline).__name__} cannot be scored: neither it nor its last step has a "
            "method evaluate; pass a session recommender or a Pipeline that ends in one."
        )
    sessions = as_sessions(X)
    weights = session_weights(sample_weight, len(sessions))
    inputs, last_events, rows = split_and_transform(pipeline, sessions)
    if weights is not None:
        weights = weights[rows]
    if params.get("candidates") is not None:
        params["candidates"] = candidates_of(
            last.encoder_, params["candidates"], len(sessions), rows
        )
    return last.evaluate(inputs, sample_weight=weights, last_events=last_events, **params)


def last_step(estimator: Any) -> Any:
    """The estimator in which a pipeline ends, or a single estimator itself.

    Parameters
    ----------
    estimator : estimator with ``steps``, or a single estimator
    """
    return _steps(estimator)[-1][1]


def _steps(pipeline: Any) -> list[tuple[str, Any]]:
    steps = getattr(pipeline, "steps", None)
    if isinstance(steps, list):
        return steps
    return [("", pipeline)]  # whose own parameter may have that name
