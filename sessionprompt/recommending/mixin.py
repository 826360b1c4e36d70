"""The method of recommenders and pipelines that lists recommendations as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from ..encoding import candidates_of
from ..metrics import last_step
from ..sessions import Sessions, as_sessions
from ..tables import Backend, Titles, native_table
from .columns import answered_rows, owner_columns, recommended_columns

__all__ = ["RecommendMixin"]


class RecommendMixin:
    """Recommendations as a table, of what has ``predict_topk``."""

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
        items, scores = self.predict_topk(  # type: ignore[attr-defined]
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
