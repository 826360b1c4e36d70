"""scikit-learn's Pipeline with the methods of a recommender, and the shortest way to one."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Iterable
from typing import Any, Unpack

import numpy as np
from sklearn.pipeline import Pipeline as SklearnPipeline

from ._parameters import RecommenderParams
from .clustering import ItemAttributes, ItemClusterer
from .metrics import (
    RankedTargets,
    Slice,
    Ties,
    evaluate_pipeline,
    pipeline_pieces,
    transform_steps,
)
from .recommender import PromptedSessionRecommender
from .recommending import RecommendMixin
from .sessions import Sessions, as_sessions
from .storage import save
from .tables import LearnedHtml, Summary

__all__ = ["Pipeline", "make_session_pipeline"]


class Pipeline(RecommendMixin, LearnedHtml, SklearnPipeline):
    """scikit-learn's Pipeline, ending in a session recommender, with the recommender's own methods.

    A plain ``sklearn.pipeline.Pipeline`` works as well; this one adds ``predict_topk``,
    ``recommend``, ``evaluate``, ``ranks``, ``partial_fit``, ``save`` and validation sessions in
    ``fit``. Its evaluation cuts the last event off every session before the first step sees it.

    Parameters
    ----------
    steps : list of (str, estimator)
    memory : str or joblib.Memory, optional
        Cache of the fitted steps before the last.
    verbose : bool, default=False

    Examples
    --------
    >>> from sessionprompt.datasets import make_sessions
    >>> sessions = make_sessions(300, n_items=30, n_clusters=3, random_state=0)
    >>> model = make_session_pipeline("gru4rec", dim=16, max_epochs=1, random_state=0).fit(sessions)
    >>> model.predict_topk([["item-03", "item-04"]], k=3).shape
    (1, 3)
    """

    def fit(self, X: Any, y: None = None, *, X_val: Any = None, **params: Any) -> Pipeline:
        """Fit all steps.

        Parameters
        ----------
        X : Sessions or list of lists
        y : ignored
        X_val : Sessions or list of lists, optional
            Validation sessions of the recommender. They pass through the earlier steps without
            teaching them, and so do those that a recommender with ``refit=False`` holds out of X.
        **params
            Parameters of the steps' fit methods, as ``step__parameter``.

        Returns
        -------
        self
        """
        name, last = self.steps[-1]
        if X_val is None and keeps_tail_out(last):
            from .training import held_out  # skorch is slow to import

            X, X_val = held_out(as_sessions(X), last.validation_fraction)
        if X_val is None:
            return super().fit(X, y, **params)
        own = {key.removeprefix(f"{name}__"): value for key, value in params.items()}
        annotated = self._fit_front(as_sessions(X))
        annotated_val = transform_steps(self, as_sessions(X_val, "X_val"))
        last.fit(annotated, y, X_val=annotated_val, **own)
        return self

    def _learned(self) -> Summary:
        learned = Summary()
        for name, step in self.steps:
            if isinstance(step, LearnedHtml):
                learned |= {f"{name}: {key}": value for key, value in step._learned().items()}
        return learned

    def _fit_front(self, X: Any) -> Any:
        """Sessions that the steps before the last make, once fitted, through the cache if any."""
        if len(self.steps) == 1:
            return X
        front = self[:-1]
        annotated = front.fit_transform(X)
        self.steps[:-1] = front.steps  # with a cache, they are clones
        return annotated

    def partial_fit(self, X: Any, y: None = None) -> Pipeline:
        """Go on learning from new sessions: clusters stay, the recommender trains one epoch.

        Earlier steps that have ``partial_fit`` learn first: new items join the clusters that are
        there, by all their edges so far.

        Parameters
        ----------
        X : Sessions or list of lists
        y : ignored

        Returns
        -------
        self
        """
        last = self.steps[-1][1]
        if last.__sklearn_is_fitted__():
            last.partial_fit(self._extend_front(X))
        else:
            last.partial_fit(self._fit_front(X))
        return self

    def _extend_front(self, X: Any) -> Any:
        """Sessions that the steps before the last make, once they have learned from them."""
        X = as_sessions(X)
        for _, step in self.steps[:-1]:
            if step is None or step == "passthrough":
                continue
            if hasattr(step, "partial_fit"):
                step.partial_fit(X)
            X = step.transform(X)
        return X

    def _topk(
        self, X: Any, k: int, exclude_seen: Any, candidates: Any, min_new: int
    ) -> tuple[np.ndarray, np.ndarray]:
        return self.steps[-1][1].predict_topk(
            transform_steps(self, X),
            k=k,
            return_scores=True,
            exclude_seen=exclude_seen,
            candidates=candidates,
            min_new=min_new,
        )

    def with_items(self, items: Any) -> Pipeline:
        """The same pipeline with another table of items, without training.

        Parameters
        ----------
        items : data frame or dict
            As of :class:`~sessionprompt.ItemAttributes`: the products of today.

        Returns
        -------
        Pipeline
            A copy; its recommender knows the cold items of this table and no others, see
            :meth:`PromptedSessionRecommender.with_items`.

        Raises
        ------
        ValueError
            If not exactly one step is an ItemAttributes.
        """
        steps = [(name, copy.copy(step)) for name, step in self.steps]
        attributes = [step for _, step in steps if isinstance(step, ItemAttributes)]
        if len(attributes) != 1:
            raise ValueError(
                f"{len(attributes)} steps are ItemAttributes; of exactly one it is clear whose "
                "table is meant. Use with_items of the recommender."
            )
        attributes[0].set_params(items=items)
        name, last = self.steps[-1]
        steps[-1] = (name, last.with_items(*attributes))
        return type(self)(steps, memory=self.memory, verbose=self.verbose)

    def __getitem__(self, ind: Any) -> Any:
        """A step by its name or place, or a pipeline of some; scikit-learn leaves the type open."""
        return super().__getitem__(ind)

    @property
    def items_(self) -> np.ndarray:
        """Ids of the items that the last step knows."""
        return self.steps[-1][1].items_

    @property
    def history_(self) -> list[dict[str, Any]]:
        """What training recorded of each epoch, as the last step has it."""
        return self.steps[-1][1].history_

    def similar_items(self, items: Any, k: int = 10, *, return_scores: bool = False) -> Any:
        """Items close to others, see :meth:`PromptedSessionRecommender.similar_items`.

        Parameters
        ----------
        items : list of ids
        k : int, default=10
        return_scores : bool, default=False

        Returns
        -------
        ndarray of shape (len(items), k), and the cosines with `return_scores`
        """
        return self.steps[-1][1].similar_items(items, k, return_scores=return_scores)

    def session_vectors(self, X: Any) -> np.ndarray:
        """Vectors of sessions, see :meth:`PromptedSessionRecommender.session_vectors`.

        Parameters
        ----------
        X : Sessions or list of lists

        Returns
        -------
        ndarray of shape (n_sessions, dim)
        """
        return self.steps[-1][1].session_vectors(transform_steps(self, X))

    def score(
        self,
        X: Any,
        y: None = None,
        sample_weight: Any = None,
        *,
        metric: str = "mrr",
        k: int = 5,
    ) -> float:
        """Mean metric of all next items, see :meth:`PromptedSessionRecommender.score`.

        Parameters
        ----------
        X : Sessions or list of lists
        y : ignored
        sample_weight : array-like of shape (n_sessions,), optional
        metric : {"mrr", "recall", "hr", "ndcg"} or another metric, default="mrr"
        k : int, default=5

        Returns
        -------
        float
        """
        name = f"{metric}@{k}"
        return self.evaluate(X, metrics=[name], sample_weight=sample_weight)[name]

    def evaluate(
        self,
        X: Any,
        *,
        metrics: str | Iterable[str] = ("mrr@5", "recall@5", "mrr@20", "recall@20"),
        slices: Slice | Iterable[Slice] | None = None,
        ties: Ties = "pessimistic",
        sample_weight: Any = None,
        exclude_seen: bool | Sessions = False,
        candidates: Iterable[Any] | None = None,
    ) -> dict[str, Any]:
        """Metrics of every next item, see :meth:`PromptedSessionRecommender.evaluate`.

        Parameters
        ----------
        X : Sessions or list of lists
        metrics, slices, ties, sample_weight, exclude_seen, candidates
            As in the recommender.

        Returns
        -------
        dict
        """
        return evaluate_pipeline(
            self,
            X,
            sample_weight,
            metrics=metrics,
            slices=slices,
            ties=ties,
            exclude_seen=exclude_seen,
            candidates=candidates,
        )

    def ranks(
        self,
        X: Any,
        *,
        ties: Ties = "pessimistic",
        top: int = 0,
        exclude_seen: bool | Sessions = False,
        candidates: Iterable[Any] | None = None,
    ) -> RankedTargets:
        """Ranks of all targets, see :meth:`PromptedSessionRecommender.ranks`.

        Parameters
        ----------
        X : Sessions or list of lists
        ties, top, exclude_seen, candidates
            As in the recommender.

        Returns
        -------
        RankedTargets
        """
        sessions = as_sessions(X)
        last = self.steps[-1][1]
        pieces = pipeline_pieces(self, sessions)
        return last._rank_pieces(sessions, pieces, ties, top, exclude_seen, candidates)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all fitted steps, see :func:`sessionprompt.persistence.save`.

        Parameters
        ----------
        path : path
        """
        save(self, path)


def keeps_tail_out(model: Any) -> bool:
    """Whether a model never learns from the newest sessions of those it is fitted on."""
    if not isinstance(model, PromptedSessionRecommender) or model.refit:
        return False
    return model.validation_fraction is not None


def make_session_pipeline(
    backbone: str | Callable[..., Any] = "gru4rec",
    *,
    resolution: float | tuple[float, ...] = (1.0, 8.0, 64.0),
    random_state: Any = None,
    **params: Unpack[RecommenderParams],
) -> Pipeline:
    """Clusterer and recommender in a Pipeline, with the step names ``clu`` and ``rec``.

    Parameters
    ----------
    backbone : str or callable, default="gru4rec"
    resolution : float or tuple of float, default=(1, 8, 64)
        Resolution of the clustering; several give one prompt each, added up.
    random_state : int, RandomState, Generator or None
        For both steps.
    **params
        Further parameters of :class:`PromptedSessionRecommender`.

    Returns
    -------
    Pipeline

    Examples
    --------
    >>> list(make_session_pipeline("narm").named_steps)
    ['clu', 'rec']
    """
    return Pipeline(
        [
            ("clu", ItemClusterer(resolution, random_state=random_state)),
            ("rec", PromptedSessionRecommender(backbone, random_state=random_state, **params)),
        ]
    )


def _with_names_of_recommender(function: Callable[..., Any]) -> inspect.Signature:
    """Signature in which the recommender's parameters stand by name, as notebooks complete them."""
    own = inspect.signature(function)
    given = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
    named = {one.name for one in given}
    others = inspect.signature(PromptedSessionRecommender).parameters.values()
    more = [one for one in others if one.name not in named]
    return own.replace(parameters=[*given, *more])


make_session_pipeline.__signature__ = (  # type: ignore[attr-defined]
    _with_names_of_recommender(make_session_pipeline)
)
