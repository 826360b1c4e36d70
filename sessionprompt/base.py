"""Mixin of the recommenders: what each offers, once it can find best items and rank targets."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from ._checks import check_fitted, check_k
from .encoding import EncodedSessions, NextItemTargets, SessionEncoder
from .metrics import (
    RankedTargets,
    check_labels,
    list_length,
    metric_names,
    session_weights,
)
from .sessions import Sessions, as_sessions
from .vocabulary import Vocabulary

__all__ = ["SessionRecommenderMixin", "warn_of_unknown"]


class SessionRecommenderMixin:
    """The methods of a recommender that do not depend on its model."""

    __metadata_request__predict = {"k": True}
    __metadata_request__score = {"metric": True, "k": True}

    encoder_: SessionEncoder
    items_: np.ndarray
    n_items_: int

    def _best_items(
        self,
        encoded: EncodedSessions,
        k: int,
        allowed: np.ndarray | None,
        excluded: tuple[np.ndarray, np.ndarray] | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Codes and scores of the `k` best items of each session, each of shape (n_sessions, k).

        `allowed` are the codes that may be recommended, `excluded` pairs (session, code) that may
        not.
        """
        raise NotImplementedError

    def _rank_targets(self, cut: NextItemTargets, ties: str, top: int) -> RankedTargets:
        """Rank of every next item of cut sessions, and the `top` best items."""
        raise NotImplementedError

    # ------------------------------------------------------------------ recommending
    def predict(self, X: Any, k: int = 10) -> np.ndarray:
        """Best `k` next items for each session.

        Parameters
        ----------
        X : Sessions or list of lists
            Sessions so far, oldest event first; each holds at least one.
        k : int, default=10

        Returns
        -------
        ndarray of shape (n_sessions, k)
            Raw item ids, best first.

        Raises
        ------
        ValueError
            If `k` is not within 1..n_items or a session is empty.
        """
        return self.predict_topk(X, k=k)

    def predict_topk(
        self,
        X: Any,
        k: int = 10,
        *,
        return_scores: bool = False,
        exclude_seen: bool = False,
        candidates: Iterable[Any] | None = None,
    ) -> Any:
        """Best `k` next items for each session, with more say in which.

        Parameters
        ----------
        X : Sessions or list of lists
        k : int, default=10
        return_scores : bool, default=False
            Also return the scores; they order items within a session.
        exclude_seen : bool, default=False
            Leave out the items of the session itself.
        candidates : iterable of ids, optional
            Recommend among these items only.

        Returns
        -------
        items : ndarray of shape (n_sessions, k)
        scores : ndarray of shape (n_sessions, k)
            Only with `return_scores`.

        Raises
        ------
        ValueError
            If `k` is larger than what is left to recommend, a candidate is unknown, or a session is
            empty.
        """
        check_fitted(self, "encoder_")
        sessions = as_sessions(X)
        allowed = None
        excluded = None
        if candidates is None:
            check_k(k, self.n_items_, "known items")
        else:
            allowed = _candidate_codes(self.encoder_.vocabulary, candidates)
            check_k(k, len(allowed), "candidates")
        _refuse_empty(sessions)
        encoded = self.encoder_.encode(sessions)
        if exclude_seen:
            excluded = _seen_pairs(encoded, self.n_items_)
            _check_left(excluded, len(encoded), k, allowed, self.n_items_)
        codes, scores = self._best_items(encoded, k, allowed, excluded)
        items = self.items_[codes]
        if return_scores:
            return items, scores
        return items

    # ------------------------------------------------------------------ scoring
    def score(
        self, X: Any, y: None = None, sample_weight: Any = None, *, metric: str = "mrr", k: int = 5
    ) -> float:
        """Mean metric over the next items of all prefixes of X, ranked among all known items.

        Parameters
        ----------
        X : Sessions or list of lists
            Whole sessions; each event but the first is a target.
        y : ignored
        sample_weight : array-like of shape (n_sessions,), optional
        metric : {"mrr", "recall", "hr", "ndcg"} or another metric, default="mrr"
            Name before the @, see :func:`~sessionprompt.metrics.parse_metric`.
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
        slices: Iterable[str] | None = None,
        ties: str = "pessimistic",
        sample_weight: Any = None,
        last_events: Any = None,
    ) -> dict[str, Any]:
        """Metrics of the next item of every prefix, ranked among all known items.

        Parameters
        ----------
        X : Sessions or list of lists
        metrics : str or list of str
            Such as ``"mrr@20"``, ``"recall@20"`` (= ``"hr@20"``), ``"ndcg@10"``, ``"coverage@20"``,
            ``"novelty@20"`` or one of your own, see
            :func:`~sessionprompt.metrics.register_metric`.
        slices : list of {"length", "popularity", "repeat"}, optional
            Also report the metrics by length of the prefix, by training frequency of the target,
            and apart for targets that occurred in the prefix.
        ties : {"pessimistic", "midpoint", "optimistic"}, default="pessimistic"
            Where a target stands among items of the same score.
        sample_weight : array-like of shape (n_sessions,), optional
            Weight of every target of a session.
        last_events : array-like of shape (n_sessions,), optional
            The last item of each session, if X comes without them.

        Returns
        -------
        dict
            The metrics by name, ``n_targets``, ``n_unknown_targets`` (targets not known to the
            model: they count as misses) and ``slices`` if asked for.

        Raises
        ------
        ValueError
            If a metric is not known or reads what the model does not know, no session has a next
            item, or the weights do not fit.
        """
        names = metric_names(metrics)
        check_fitted(self, "encoder_")
        check_labels(names, self.encoder_)
        sessions = as_sessions(X)
        weights = session_weights(sample_weight, len(sessions))
        top = list_length(names)
        ranked = self.ranks(sessions, ties=ties, last_events=last_events, top=top)
        return ranked.summary(names, slices, weights)

    def ranks(
        self, X: Any, *, ties: str = "pessimistic", last_events: Any = None, top: int = 0
    ) -> RankedTargets:
        """Ranks of all targets of X, one row each, for statistics of your own.

        Parameters
        ----------
        X : Sessions or list of lists
        ties : {"pessimistic", "midpoint", "optimistic"}, default="pessimistic"
        last_events : array-like of shape (n_sessions,), optional
        top : int, default=0
            Length of the lists of best items to keep.

        Returns
        -------
        RankedTargets
        """
        check_fitted(self, "encoder_")
        if top:
            check_k(top, self.n_items_, "known items")
        sessions = as_sessions(X)
        cut = NextItemTargets.of(sessions, self.encoder_, last_events)
        if not len(cut.rows):
            raise ValueError(
                "X holds no session with a next item to rank; sessions need two events."
            )
        return self._rank_targets(cut, ties, top)


def warn_of_unknown(n: int, stacklevel: int) -> None:
    """Warn of the `n` sessions that hold nothing that the model knows, if there are any."""
    if n:
        warnings.warn(
            f"{n} sessions hold nothing that the model knows; they are answered by popularity.",
            stacklevel=stacklevel + 1,
        )


def _candidate_codes(vocabulary: Vocabulary, candidates: Iterable[Any]) -> np.ndarray:
    if not isinstance(candidates, np.ndarray):
        candidates = list(candidates)
    codes = vocabulary.encode(candidates, name="candidates")
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        raise ValueError(
            f"candidates holds {candidates[unknown[0]]!r}, which the model does not know "
            f"({len(unknown)} such ids); leave out ids that are not in items_."
        )
    return np.unique(codes)


def _refuse_empty(sessions: Sessions) -> None:
    if len(sessions) == 0:
        raise ValueError("X holds no session; give at least one.")
    empty = np.flatnonzero(sessions.lengths == 0)
    if len(empty):
        raise ValueError(
            f"session {empty[0]} of X is empty ({len(empty)} such sessions); a session needs at "
            "least one event. For visitors without any event, recommend popular items."
        )


def _seen_pairs(encoded: EncodedSessions, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (session, code) of the known items of each session, each once, in order."""
    session = np.repeat(np.arange(len(encoded)), encoded.lengths)
    known = encoded.items >= 0
    pairs = np.unique((session * n_items + encoded.items)[known])
    row, code = np.divmod(pairs, n_items)
    return row, code


def _check_left(
    excluded: tuple[np.ndarray, np.ndarray],
    n_sessions: int,
    k: int,
    allowed: np.ndarray | None,
    n_items: int,
) -> None:
    """Raise if a session leaves fewer than `k` items to recommend."""
    row, code = excluded
    n_allowed = n_items
    if allowed is not None:
        row = row[np.isin(code, allowed)]
        n_allowed = len(allowed)
    left = n_allowed - np.bincount(row, minlength=n_sessions)
    worst = int(left.argmin())
    if left[worst] < k:
        raise ValueError(
            f"k={k} is larger than the {left[worst]} items that session {worst} leaves after "
            f"exclude_seen; ask for at most {left[worst]}."
        )
