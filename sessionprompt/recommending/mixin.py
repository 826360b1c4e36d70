"""The methods of recommenders and pipelines that list recommendations, as arrays and as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, overload

import numpy as np

from ..encoding import candidates_of
from ..metrics import last_step
from ..sessions import Sessions, as_sessions
from ..tables import Backend, Titles, native_table
from .columns import answered_rows, owner_columns, recommended_columns

__all__ = ["RecommendMixin"]


class RecommendMixin:
    """Recommendations as arrays and as a table, of what has ``_topk``."""

    def _topk(
        self, X: Any, k: int, exclude_seen: Any, candidates: Any, min_new: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Items and scores of :meth:`predict_topk`."""
        raise NotImplementedError

    @overload
    def predict_topk(
        self,
        X: Any,
        k: int = 10,
        *,
        return_scores: Literal[False] = False,
        exclude_seen: bool | Sessions = False,
        candidates: Iterable[Any] | None = None,
        min_new: int = 0,
    ) -> np.ndarray: ...

    @overload
    def predict_topk(
        self,
        X: Any,
        k: int = 10,
        *,
        return_scores: Literal[True],
        exclude_seen: bool | Sessions = False,
        candidates: Iterable[Any] | None = None,
        min_new: int = 0,
    ) -> tuple[np.ndarray, np.ndarray]: ...

    @overload
    def predict_topk(
        self,
        X: Any,
        k: int = 10,
        *,
        return_scores: bool,
        exclude_seen: bool | Sessions = False,
        candidates: Iterable[Any] | None = None,
        min_new: int = 0,
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]: ...

    def predict_topk(
        self,
        X: Any,
        k: int = 10,
        *,
        return_scores: bool = False,
        exclude_seen: bool | Sessions = False,
        candidates: Iterable[Any] | None = None,
        min_new: int = 0,
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Best `k` next items for each session, with more say in which.

        Equal scores come in the order of ``items_``, so a shorter list is the head of a longer one.

        Parameters
        ----------
        X : Sessions or list of lists
        k : int, default=10
        return_scores : bool, default=False
            Also return the scores; they order items within a session.
        exclude_seen : bool or Sessions, default=False
            Leave out the items of the session itself. Sessions with users, such as those of the
            training, say what else each user of X has seen.
        candidates : iterable of ids, or a list of ids for each session, optional
            Recommend among these items only. Unknown ones are left out, with a warning.
        min_new : int, default=0
            Places of each list that are kept for items that no training session held, see
            ``cold_items`` of :class:`~sessionprompt.PromptedSessionRecommender`: the best of them
            stand in the place of the last others.

        Returns
        -------
        items : ndarray of shape (n_sessions, k)
            Where fewer than `k` items may be recommended, the rest of the list is blank: None, NaN
            or NaT by type, and -1 among whole numbers (if -1 is an item, the lowest number of the
            type, and the highest if none is negative).
        scores : ndarray of shape (n_sessions, k)
            Only with `return_scores`; minus infinity for blanks.

        Raises
        ------
        ValueError
            If `k` is not within 1..n_items, no candidate is known, lists and sessions differ in
            number, users are needed and not there, a session is empty, or `min_new` is not within
            0..k, or above 0 where the model knows no new items.
        """
        items, scores = self._topk(X, k, exclude_seen, candidates, min_new)
        if return_scores:
            return items, scores
        return items

    def recommend(
        self,
        X: Any,
        k: int = 10,
        *,
        titles: Titles | None = None,
        as_frame: Backend = "pandas",
        exclude_seen: bool | Sessions = False,
        candidates: Iterable[Any] | None = None,
        min_new: int = 0,
        per: Literal["session", "user"] = "session",
    ) -> Any:
        """Best next items as a table, one row each.

        Parameters
        ----------
        X : Sessions or list of lists
            Sessions so far, oldest event first; each holds at least one.
        k : int, default=10
        titles : dict of id to title, pandas Series, or table, optional
            A Series has the ids as its index; a table of pandas, polars or pyarrow has the columns
            ``item`` and ``title``.
        as_frame : {"pandas", "polars", "pyarrow"}, default="pandas"
            Library of the table.
        exclude_seen, candidates, min_new
            As in ``predict_topk``.
        per : {"session", "user"}, default="session"
            ``"user"`` answers the newest session of each user alone.

        Returns
        -------
        table of that library
            Columns session, user (where users are known), rank (from 1), item, title (with
            `titles`; missing where an item has none) and score. Where fewer than `k` items may be
            recommended, there are fewer rows.

        Raises
        ------
        ImportError
            If the library is not installed.
        TypeError
            If it has no column for ids of this kind, or `titles` are none.
        ValueError
            As in ``predict_topk``, or if titles name no item, or users are needed and not known.

        Examples
        --------
        >>> from sessionprompt.baselines import SequentialRules
        >>> model = SequentialRules().fit([["tea", "cup"], ["tea", "pot"], ["tea", "pot"]])
        >>> model.recommend([["tea"]], k=2, titles={"pot": "Tea pot", "cup": "Cup"})
           session  rank item    title  score
        0        0     1  pot  Tea pot    2.0
        1        0     2  cup      Cup    1.0
        """
        sessions = as_sessions(X)
        rows = answered_rows(sessions, per)
        encoder = last_step(self).encoder_
        items, scores = self.predict_topk(
            sessions[rows],
            k=k,
            return_scores=True,
            exclude_seen=exclude_seen,
            candidates=candidates_of(encoder, candidates, len(sessions), rows),
            min_new=min_new,
        )
        owners = owner_columns(sessions[rows])
        columns = recommended_columns(owners, items, scores, titles, encoder.vocabulary.ids)
        return native_table(columns, as_frame, "as_frame")
