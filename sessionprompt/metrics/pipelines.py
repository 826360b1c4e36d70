"""Evaluation of pipelines: the last events are cut off before the first step sees the sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy.typing as npt

from ..encoding import candidates_of
from ..sessions import Sessions, as_sessions
from .pieces import EvaluationPiece, evaluation_pieces, pipeline_steps
from .weights import session_weights

__all__ = ["evaluate_pipeline", "last_step", "pipeline_pieces", "transform_steps"]


def transform_steps(pipeline: Any, X: Any) -> Any:
    """Sessions as the last step of a pipeline gets them.

    In place of scikit-learn's transform, whose preliminaries take longer than the steps.
    """
    for _, step in pipeline_steps(pipeline)[:-1]:
        if step is not None and step != "passthrough":
            X = step.transform(X)
    return X


def pipeline_pieces(pipeline: Any, sessions: Sessions) -> Iterator[EvaluationPiece]:
    """Sessions without their last events as the last step of a pipeline gets them, in pieces.

    Parameters
    ----------
    pipeline : estimator with ``steps``, or a single estimator
        Fitted.
    sessions : Sessions
        Those without two events are left out.

    Raises
    ------
    ValueError
        If no session has two events.
    """
    found = False
    for piece in evaluation_pieces(sessions, pipeline):
        inputs, last_events, rows = piece.sessions.split_last()
        if len(rows):
            found = True
            inputs = transform_steps(pipeline, inputs)
            yield EvaluationPiece(inputs, last_events, piece.rows[rows])
    if not found:
        _refuse_without_targets(sessions)


def _refuse_without_targets(sessions: Sessions) -> NoReturn:
    raise ValueError(
        f"none of the {len(sessions)} sessions of X has {sessions.usable_if}; "
        "there is nothing to predict."
    )


def evaluate_pipeline(
    pipeline: Any, X: Any, sample_weight: npt.ArrayLike | None = None, **params: Any
) -> dict[str, Any]:
    """Result of ``evaluate`` of the last step, from which the last events are hidden.

    Recommenders of this library are asked piece by piece, another last step, or one with an
    ``evaluate`` of its own, for all at once.

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
    if _evaluates_pieces(last):
        pieces = pipeline_pieces(pipeline, sessions)
        return last._evaluate_pieces(sessions, pieces, sample_weight=weights, **params)
    inputs, last_events, rows = sessions.split_last()
    if not len(rows):
        _refuse_without_targets(sessions)
    inputs = transform_steps(pipeline, inputs)
    if weights is not None:
        weights = weights[rows]
    if params.get("candidates") is not None:
        params["candidates"] = candidates_of(
            last.encoder_, params["candidates"], len(sessions), rows
        )
    return last.evaluate(inputs, sample_weight=weights, last_events=last_events, **params)


def _evaluates_pieces(model: Any) -> bool:
    """Whether what a model's ``evaluate`` does can be asked of it piece by piece."""
    owners = (cls for cls in type(model).__mro__ if "evaluate" in vars(cls))
    owner = next(owners, type(model))
    return "_evaluate_pieces" in vars(owner)


def last_step(estimator: Any) -> Any:
    """The estimator in which a pipeline ends, or a single estimator itself.

    Parameters
    ----------
    estimator : estimator with ``steps``, or a single estimator
    """
    return pipeline_steps(estimator)[-1][1]
