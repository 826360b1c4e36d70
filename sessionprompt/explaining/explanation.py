"""Why a model scores an item as it does for a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .._checks import check_choice, check_count, check_fitted
from ..metrics import last_step
from ..sessions import Sessions, as_sessions
from ..tables import Backend, native_table
from .attribution import MOST_EXACT, attributed
from .events import SubsetScores
from .evidence import nearest_sessions
from .parts import parts_of

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a score is made of.

    Attributes
    ----------
    item : id
    score : float
        As :meth:`predict_topk` gives it.
    events : list of ids
        The session.
    shares : ndarray of shape (n_events,)
        What each event adds to the score; a session without events scores 0.
    rest : float
        What events add together but not singly; 0 where shares are exact. ``shares.sum() + rest``
        is the score.
    method : {"all subsets", "leave one out"}
        Exact Shapley values up to 8 events; beyond, what is lost without an event alone.
    parts : dict of str to float
        Parts of the model, which add up to the score: the item vectors without prompts, each kind
        of prompts (Shapley values over the kinds), and the weights of repeats; the members of a
        stack and its repeats; or the model as a whole.
    evidence : dict of str to ndarray or list, or None
        Columns ``session``, ``events``, ``chosen`` and ``similarity`` of the nearest sessions.
    """

    item: Any
    score: float
    events: list[Any]
    shares: np.ndarray
    rest: float
    method: str
    parts: dict[str, float]
    evidence: dict[str, Any] | None

    def to_frame(
        self,
        part: Literal["events", "parts", "evidence"] = "events",
        as_frame: Backend = "pandas",
    ) -> Any:
        """One of the three views as a table.

        Parameters
        ----------
        part : {"events", "parts", "evidence"}, default="events"
        as_frame : {"pandas", "polars", "pyarrow"}, default="pandas"

        Returns
        -------
        table of that library
            Of events: place (from 0), item, share, method, with a last row for the rest where there
            is one. Of parts: part, share. Of evidence: session, events, chosen, similarity.
        """
        check_choice("part", part, ("events", "parts", "evidence"))
        if part == "evidence" and self.evidence is None:
            raise ValueError("no evidence was asked for; give explain the training sessions: log=.")
        columns: dict[str, Any] = {
            "part": list(self.parts),
            "share": np.array(list(self.parts.values())),
        }
        if part == "events":
            columns = self._event_columns()
        elif self.evidence is not None and part == "evidence":
            columns = self.evidence
        return native_table(columns, as_frame, "as_frame")

    def _event_columns(self) -> dict[str, Any]:
        places: list[int | None] = [*range(len(self.events))]
        items = [*self.events]
        shares = self.shares.tolist()
        if self.method != "all subsets":
            places.append(None)
            items.append(None)
            shares.append(self.rest)
        methods = [self.method] * len(self.events) + ["together"] * (len(items) - len(self.events))
        return {"place": places, "item": items, "share": shares, "method": methods}


def explain(
    model: Any, session: Any, item: Any, *, log: Any = None, n_sessions: int = 5
) -> Explanation:
    """Explanation of the score of an item for a session.

    Parameters
    ----------
    model : fitted recommender, stack or Pipeline
    session : list of ids, or Sessions of one session
    item : id
        An item that the model knows.
    log : Sessions or list of lists, optional
        Sessions to look for evidence in, such as those of the training: the nearest to `session`,
        by the cosine of the network's vectors, or of sets of items for models without.
    n_sessions : int, default=5
        Nearest sessions to show.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        If the item is unknown, or the session is none or holds no item that the model knows.

    Examples
    --------
    >>> from sessionprompt.baselines import SequentialRules
    >>> model = SequentialRules().fit([["tea", "cup"], ["tea", "pot"], ["tea", "cup", "pot"]])
    >>> found = explain(model, ["tea", "cup"], "pot")
    >>> found.score, found.shares.round(2).tolist()
    (1.0, [0.75, 0.25])
    """
    last = last_step(model)
    check_fitted(last, "encoder_")
    check_count("n_sessions", n_sessions)
    sessions = _one_session(session)
    events = sessions.to_lists()[0]
    vocabulary = last.encoder_.vocabulary
    code = int(vocabulary.encode([item], name="item")[0])
    if code < 0:
        raise ValueError(f"item={item!r} is not known to the model; give an id of items_.")
    if (vocabulary.encode(events) < 0).all():
        raise ValueError(
            f"session={events!r} holds no item that the model knows; what it is answered by does "
            "not come from its events."
        )
    shares, rest = attributed(SubsetScores(model, sessions, item), len(events))
    score = float(shares.sum() + rest)
    evidence = None
    if log is not None:
        evidence = nearest_sessions(model, sessions, as_sessions(log, "log"), n_sessions)
    method = "all subsets"
    if len(events) > MOST_EXACT:
        method = "leave one out"
    parts = parts_of(model, sessions, code, score)
    return Explanation(item, score, events, shares, rest, method, parts, evidence)


def _one_session(session: Any) -> Sessions:
    """Sessions of the one session that was given."""
    if not isinstance(session, Sessions):
        session = Sessions.from_lists([list(session)])
    if len(session) != 1 or not session.n_events:
        raise ValueError(
            f"session holds {len(session)} sessions and {session.n_events} events; give one "
            "session of one event or more."
        )
    return session
