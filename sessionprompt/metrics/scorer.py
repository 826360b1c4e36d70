"""A scorer for scikit-learn's tools that hides what is to be predicted."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy.typing as npt
from sklearn.utils.metadata_routing import MetadataRequest

from .pipelines import evaluate_pipeline
from .registry import metric_names, own_metrics, restore_metric

__all__ = ["SessionScorer"]


class SessionScorer:
    """Scorer for scikit-learn's tools that never shows an estimator the event it is asked for.

    An estimator with a method ``evaluate`` is asked directly. For a plain Pipeline the last event
    of every session is cut off before the first transformer sees it, and handed to ``evaluate`` of
    the last step as ``last_events``. Sessions of a single event are left out there. A scorer takes
    the metrics that a user registered along to other processes.

    Parameters
    ----------
    metrics : str or list of str, default="mrr@5"
        Names as in :func:`parse_metric`. One name gives a float; a list gives a dict, for which a
        search needs ``refit="mrr@5"`` or another of the names.
    **evaluate_params
        Passed on to ``evaluate``, such as ``ties="midpoint"``. They are parameters of the scorer as
        well, as scikit-learn's ``clone``, ``get_params`` and ``set_params`` know them.

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
            results = evaluate_pipeline(estimator, X, sample_weight, **params)
        values = {name: float(results[name]) for name in names}
        if isinstance(self.metrics, str):
            return values[self.metrics]
        return values

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Ignored.

        Returns
        -------
        dict of str to object
        """
        return {"metrics": self.metrics, **self.evaluate_params}

    def set_params(self, **params: Any) -> Self:
        """Change parameters.

        Parameters
        ----------
        **params
            ``metrics``, and what is passed on to ``evaluate``.

        Returns
        -------
        self
        """
        self.__init__(**{**self.get_params(), **params})  # type: ignore[misc]
        return self

    def set_score_request(self, *, sample_weight: bool | str | None = None) -> Self:
        """Ask scikit-learn's metadata routing for weights of sessions.

        Parameters
        ----------
        sample_weight : bool, str or None
            Whether they are wanted, or the name under which they come.

        Returns
        -------
        self
        """
        self._metadata_request = self.get_metadata_routing()
        self._metadata_request.score.add_request(param="sample_weight", alias=sample_weight)
        return self

    def get_metadata_routing(self) -> MetadataRequest:
        """What scikit-learn's metadata routing should pass to the scorer.

        Returns
        -------
        MetadataRequest
        """
        found = getattr(self, "_metadata_request", None)
        if found is not None:
            return copy.deepcopy(found)
        request = MetadataRequest(owner=type(self).__name__)
        request.score.add_request(param="sample_weight", alias=None)
        return request

    def __getstate__(self) -> dict[str, Any]:
        # a search may score in processes where nobody has registered the user's metrics
        return {**self.__dict__, "registered": own_metrics(metric_names(self.metrics))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for metric in state.pop("registered"):
            restore_metric(metric)
        self.__dict__.update(state)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SessionScorer):
            return NotImplemented
        return (self.metrics, self.evaluate_params) == (other.metrics, other.evaluate_params)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        params = "".join(f", {name}={value!r}" for name, value in self.evaluate_params.items())
        return f"SessionScorer({self.metrics!r}{params})"
