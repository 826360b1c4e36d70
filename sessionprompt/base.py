"""Mixin of the recommenders: what each offers, once it can find best items and rank targets."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ._checks import check_count, check_fitted, check_k
from .encoding import (
    CodeLists,
    ItemFilter,
    NextItemTargets,
    SeenBefore,
    SessionEncoder,
    filter_of_prefixes,
    item_filter,
    read_candidates,
    read_seen,
    with_reserved_places,
)
from .metrics import (
    EvaluationPiece,
    RankedTargets,
    Slice,
    Ties,
    check_labels,
    evaluation_pieces,
    list_length,
    metric_names,
    session_weights,
    target_ranks,
)
from .recommending import RecommendMixin
from .sessions import Sessions, as_sessions
from .tables import LearnedHtml, Summary

__all__ = [
    "SessionRecommenderMixin",
    "known_ranks",
    "leave_out",
    "named_items",
    "refuse_empty",
    "warn_of_unknown",
]


class SessionRecommenderMixin(RecommendMixin, LearnedHtml):
    """The methods of a recommender that do not depend on its model."""

    __metadata_request__predict = {"k": True}
    __metadata_request__score = {"metric": True, "k": True}

    encoder_: SessionEncoder
    items_: np.ndarray
    n_items_: int

    def _best_items(
        self, sessions: Sessions, k: int, items: ItemFilter | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Codes and scores of the `k` best items of each session, each of shape (n_sessions, k).

        `items` says which may be recommended to each session; where it leaves fewer than `k`, the
        rest has the code -1 and the score minus infinity.
        """
        raise NotImplementedError

    def _rank_targets(
        self, cut: NextItemTargets, ties: str, top: int, items: ItemFilter | None
    ) -> RankedTargets:
        """Rank of every next item of cut sessions, and the `top` best items.

        `items` has a row for the prefix that ends at each event of ``cut.inputs``. A target that it
        leaves out has the rank infinity.
        """
        raise NotImplementedError

    def _log_scores(self, inputs: Sessions) -> np.ndarray:
        """Scores of all items for every prefix of some sessions, as logarithms, to be blended.

        A prefix counts from ``inputs.target_start`` on; the rows, of shape (n_prefixes, n_items),
        come session by session, the shortest prefix first. A constant may be missing in a row.
        """
        raise NotImplementedError

    def _annotated(self, sessions: Sessions) -> Sessions:
        """Sessions as the model reads them; a model may label them by an annotator of its own."""
        return sessions

    def _learned(self) -> Summary:
        """Figures of what was learned, none before `fit`."""
        if not hasattr(self, "encoder_"):
            return Summary()
        return Summary(items=self.n_items_)

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

    def _topk(
        self, X: Any, k: int, exclude_seen: Any, candidates: Any, min_new: int
    ) -> tuple[np.ndarray, np.ndarray]:
        check_fitted(self, "encoder_")
        check_k(k, self.n_items_, "known items")
        sessions = self._annotated(as_sessions(X))
        refuse_empty(sessions)
        allowed = None
        if candidates is not None:
            allowed = read_candidates(self.encoder_, candidates, len(sessions))
        seen = read_seen(self.encoder_, exclude_seen, sessions)
        rows = np.arange(len(sessions))
        items = item_filter(self.encoder_, sessions, rows, sessions.lengths, seen, allowed)
        codes, scores = self._best_items(sessions, k, items)
        if min_new:
            codes, scores = self._with_new_items(sessions, (codes, scores), items, min_new)
        return named_items(self.items_, codes), scores

    def _with_new_items(
        self,
        sessions: Sessions,
        best: tuple[np.ndarray, np.ndarray],
        items: ItemFilter | None,
        min_new: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lists with so many places for items that no training session held."""
        k = best[0].shape[1]
        check_count("min_new", min_new, 0, k)
        is_new = self.encoder_.item_counts == 0
        if not is_new.any():
            raise ValueError(
                f"min_new={min_new} keeps places for items that no training session held, and the "
                "model knows none; fit with cold_items='attributes', or set min_new=0."
            )
        if items is None:
            items = ItemFilter(self.n_items_)
        among = items.among(np.flatnonzero(is_new))
        new = self._best_items(sessions, min_new, among)
        return with_reserved_places(best, new, is_new)

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
        slices: Slice | Iterable[Slice] | None = None,
        ties: Ties = "pessimistic",
        sample_weight: Any = None,
        last_events: Any = None,
        exclude_seen: bool | Sessions = False,
        candidates: Iterable[Any] | None = None,
    ) -> dict[str, Any]:
        """Metrics of the next item of every prefix, ranked among all known items.

        What is served filtered is measured filtered: `exclude_seen` and `candidates` are those of
        :meth:`predict_topk`. ``exclude_seen=True`` ranks what the session does not hold yet, with
        ``exclude_seen=train`` what the user has not met either. A target that is left out counts as
        a miss, as it would be in service.

        Sessions are annotated, encoded and ranked some 260,000 events at a time, wherever they are.
        What grows with them are some 60 bytes a target, and 8 for each place of the lists that
        metrics such as ``coverage@20`` read.

        Parameters
        ----------
        X : Sessions or list of lists
        metrics : str or list of str
            Such as ``"mrr@20"``, ``"recall@20"`` (= ``"hr@20"``), ``"ndcg@10"``, ``"coverage@20"``,
            ``"novelty@20"`` or one of your own, see
            :func:`~sessionprompt.metrics.register_metric`.
        slices : list of {"length", "popularity", "repeat", "cold"}, optional
            Also report the metrics by length of the prefix, by training frequency of the target,
            and apart for targets that occurred in the prefix, and for those that no training
            session held: ``"cold"`` where their attributes are known, else ``"unknown"``.
        ties : {"pessimistic", "midpoint", "optimistic"}, default="pessimistic"
            Where a target stands among items of the same score.
        sample_weight : array-like of shape (n_sessions,), optional
            Weight of every target of a session.
        last_events : array-like of shape (n_sessions,), optional
            The last item of each session, if X comes without them.
        exclude_seen : bool or Sessions, default=False
            Leave out the items of each prefix, and of the other sessions of its user.
        candidates : iterable of ids, or a list of ids for each session, optional
            Rank among these items only.

        Returns
        -------
        dict
            The metrics by name, ``n_targets``, ``n_unknown_targets`` (targets not known to the
            model: they count as misses), ``n_excluded_targets`` (known ones that the filters leave
            out, if there are filters) and ``slices`` if asked for.

        Raises
        ------
        ValueError
            If a metric is not known or reads what the model does not know, no session has a next
            item, or the weights do not fit.
        """
        sessions = as_sessions(X)
        return self._evaluate_pieces(
            sessions,
            evaluation_pieces(sessions, self, last_events),
            metrics=metrics,
            slices=slices,
            ties=ties,
            sample_weight=sample_weight,
            exclude_seen=exclude_seen,
            candidates=candidates,
        )

    def _evaluate_pieces(
        self,
        sessions: Sessions,
        pieces: Iterator[EvaluationPiece],
        *,
        metrics: str | Iterable[str],
        slices: Slice | Iterable[Slice] | None = None,
        ties: Ties = "pessimistic",
        sample_weight: Any = None,
        exclude_seen: bool | Sessions = False,
        candidates: Iterable[Any] | None = None,
    ) -> dict[str, Any]:
        """Metrics of sessions that come in pieces, see :meth:`evaluate`."""
        names = metric_names(metrics)
        check_fitted(self, "encoder_")
        check_labels(names, self.encoder_)
        weights = session_weights(sample_weight, len(sessions))
        top = list_length(names)
        ranked = self._rank_pieces(sessions, pieces, ties, top, exclude_seen, candidates)
        result = ranked.summary(names, slices, weights)
        _warn_of_unknown_targets(result["n_unknown_targets"], result["n_targets"])
        return result

    def ranks(
        self,
        X: Any,
        *,
        ties: Ties = "pessimistic",
        last_events: Any = None,
        top: int = 0,
        exclude_seen: bool | Sessions = False,
        candidates: Iterable[Any] | None = None,
    ) -> RankedTargets:
        """Ranks of all targets of X, one row each, for statistics of your own.

        They take 34 bytes a target, and 8 for each place of a list; what else is made of the events
        is made of some of them at a time, see :meth:`evaluate`.

        Parameters
        ----------
        X : Sessions or list of lists
        ties : {"pessimistic", "midpoint", "optimistic"}, default="pessimistic"
        last_events : array-like of shape (n_sessions,), optional
        top : int, default=0
            Length of the lists of best items to keep.
        exclude_seen, candidates
            As in :meth:`evaluate`.

        Returns
        -------
        RankedTargets
        """
        sessions = as_sessions(X)
        pieces = evaluation_pieces(sessions, self, last_events)
        return self._rank_pieces(sessions, pieces, ties, top, exclude_seen, candidates)

    def _rank_pieces(
        self,
        sessions: Sessions,
        pieces: Iterator[EvaluationPiece],
        ties: str,
        top: int,
        exclude_seen: bool | Sessions,
        candidates: Iterable[Any] | None,
    ) -> RankedTargets:
        """Ranks of the targets of sessions that come in pieces, see :meth:`ranks`."""
        check_fitted(self, "encoder_")
        if top:
            check_k(top, self.n_items_, "known items")
        allowed = None
        if candidates is not None:
            allowed = read_candidates(self.encoder_, candidates, len(sessions))
        seen = read_seen(self.encoder_, exclude_seen, sessions)
        parts = (self._ranked(piece, ties, top, seen, allowed) for piece in pieces)
        ranked = RankedTargets.join(part for part in parts if part is not None)
        if ranked is None:
            raise ValueError(
                f"X holds no session with a next item to rank; sessions need {sessions.usable_if}."
            )
        return ranked

    def _ranked(
        self,
        piece: EvaluationPiece,
        ties: str,
        top: int,
        seen: bool | SeenBefore,
        allowed: np.ndarray | CodeLists | None,
    ) -> RankedTargets | None:
        """Ranked targets of a piece; None if it holds none."""
        annotated = self._annotated(piece.sessions)
        cut = NextItemTargets.of(annotated, self.encoder_, piece.last_events)
        if not len(cut.rows):
            return None
        cut = replace(cut, rows=piece.rows[cut.rows])
        items = filter_of_prefixes(self.encoder_, cut, seen, allowed)
        return self._rank_targets(cut, ties, top, items)


def warn_of_unknown(n: int, stacklevel: int, answer: str = "popularity") -> None:
    """Warn of the `n` sessions that hold nothing that the model knows, if there are any."""
    if n:
        warnings.warn(
            f"{n} sessions hold nothing that the model knows; they are answered by {answer}.",
            stacklevel=stacklevel + 1,
        )


def leave_out(scores: np.ndarray, items: ItemFilter | None, rows: np.ndarray) -> None:
    """Give the items that may not be recommended the score minus infinity; rows of the filter."""
    if items is not None:
        scores[items.take(rows).hidden(len(rows))] = -np.inf


def known_ranks(scores: np.ndarray, targets: np.ndarray, ties: str) -> np.ndarray:
    """Rank of each target, (n,), by scores (n, n_items); infinite if it is unknown or left out."""
    codes = np.maximum(targets, 0)
    own = scores[np.arange(len(codes)), codes]
    ranks = target_ranks(scores, codes, ties=ties)
    return np.where((targets >= 0) & (own > -np.inf), ranks, np.inf)


def _warn_of_unknown_targets(n_unknown: int, n: int) -> None:
    """Warn if the model does not know more than half of the targets of an evaluation."""
    if 2 * n_unknown > n:
        warnings.warn(
            f"the model knows only {n - n_unknown} of {n} targets; the others count as misses. "
            "Evaluate on sessions closer to the training sessions, or fit on newer ones.",
            stacklevel=4,
        )


def refuse_empty(sessions: Sessions) -> None:
    """Raise a ValueError if there is no session, or one without events."""
    if len(sessions) == 0:
        raise ValueError("X holds no session; give at least one.")
    empty = np.flatnonzero(sessions.lengths == 0)
    if len(empty):
        raise ValueError(
            f"session {empty[0]} of X is empty ({len(empty)} such sessions); a session needs at "
            "least one event. For visitors without any event, recommend popular items."
        )


def named_items(ids: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Ids of codes, blank for -1."""
    if codes.min() >= 0:
        return ids[codes]
    named = ids[np.maximum(codes, 0)]
    named[codes < 0] = _blank(ids)
    return named


def _blank(ids: np.ndarray) -> Any:
    """Value of the type of some ids that is none of them."""
    kind = ids.dtype.kind
    if kind == "f":
        return np.nan
    if kind == "M":
        return np.datetime64("NaT", "s")
    if kind not in "iu":
        return None
    limits = np.iinfo(ids.dtype)
    if kind == "u":
        return limits.max
    if -1 in ids:
        return limits.min
    return -1
