"""Answers to queries, several of them in one pass of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..metrics import last_step
from ..reranking import RerankedRecommender
from ..sessions import Sessions

__all__ = ["FAULTS", "Answer", "Answers", "Query", "Rules"]

MOST_KEPT = 32  # models with rules: each holds an array of the items, or their vectors

FAULTS = (ValueError, TypeError, OverflowError)  # of a query, as the library reports them


class Rules(NamedTuple):
    """Rules that lists keep to, as :class:`~sessionprompt.reranking.RerankedRecommender` has them.

    Attributes
    ----------
    exclude_items : tuple of ids
    max_per_group : int or None
    diversify : float
    """

    exclude_items: tuple[Any, ...] = ()
    max_per_group: int | None = None
    diversify: float = 0.0


class Query(NamedTuple):
    """Sessions of one request, and what is wanted for them.

    Attributes
    ----------
    sessions : list of lists of ids
    k : int
    users : list of ids, or None
    exclude_seen : bool
    candidates : list of lists of ids, or None
        One list for each session.
    min_new : int
    rules : Rules
    """

    sessions: list[list[Any]]
    k: int
    users: list[Any] | None = None
    exclude_seen: bool = False
    candidates: list[list[Any]] | None = None
    min_new: int = 0
    rules: Rules = Rules()

    @property
    def is_plain(self) -> bool:
        """Whether nothing is wanted but the best items."""
        return self._replace(sessions=[], k=0, users=None) == Query([], 0)

    @property
    def options(self) -> tuple[Any, ...]:
        """What decides on whether two queries can be answered together."""
        given = (self.users is None, self.candidates is None)
        k = None
        if self.min_new or self.rules != Rules():
            k = self.k  # a shorter list is then no head of a longer one
        return (*given, self.exclude_seen, self.min_new, self.rules, k)


@dataclass(frozen=True)
class Answer:
    """Best items of one session with their scores, and its number of events of known items."""

    items: list[Any]
    scores: list[float]
    known_events: int


class Answers:
    """Answers of a fitted model to queries.

    Parameters
    ----------
    model : fitted recommender or Pipeline
    index : ItemIndex, optional
        Answers where nothing but the best items is asked for.

    Raises
    ------
    TypeError
        If JSON cannot write the ids of its items.
    """

    def __init__(self, model: Any, index: Any = None) -> None:
        self.model = model
        self.index = index
        self._kept: dict[Rules, RerankedRecommender] = {}
        self.encoder = last_step(model).encoder_
        ids = self.encoder.vocabulary.ids
        written = ids.dtype.kind in "iuf"
        if ids.dtype == object:
            written = all(isinstance(id_, str) for id_ in ids)
        if not written:
            raise TypeError(
                f"item ids such as {ids[0]!r} have no form in JSON; fit the model on text or "
                "numbers."
            )

    def __call__(self, queries: Sequence[Query]) -> list[list[Answer] | Exception]:
        """Answers to each session of each query, or what is wrong with a query.

        Queries of the same options share a pass of the model; a fault of one does not reach the
        others.
        """
        found: list[list[Answer] | Exception] = [[] for _ in queries]
        places: dict[tuple[Any, ...], list[int]] = {}
        for place, query in enumerate(queries):
            places.setdefault(query.options, []).append(place)
        for group in places.values():
            answers = self._answered([queries[place] for place in group])
            for place, answer in zip(group, answers, strict=True):
                found[place] = answer
        return found

    def _answered(self, queries: list[Query]) -> list[list[Answer] | Exception]:
        """Answers to queries of the same options."""
        try:
            return list(self._together(queries))
        except FAULTS as error:
            if len(queries) == 1:
                return [error]
        return [answer for query in queries for answer in self._answered([query])]

    def _together(self, queries: list[Query]) -> Iterable[list[Answer]]:
        """Answers to queries of the same options, in one pass."""
        k = max(query.k for query in queries)
        sessions = [session for query in queries for session in query.sessions]
        users = _joined(query.users for query in queries)
        candidates = _joined(query.candidates for query in queries)
        items, scores = self._best(queries[0], sessions, k, users, candidates)
        known = [self._count_known(session) for session in sessions]
        first = 0
        answers = []
        for query in queries:
            rows = range(first, first + len(query.sessions))
            answers.append([_answer(items[r], scores[r], query.k, known[r]) for r in rows])
            first += len(query.sessions)
        return answers

    def _best(
        self,
        query: Query,
        sessions: list[list[Any]],
        k: int,
        users: list[Any] | None,
        candidates: list[list[Any]] | None,
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Ids and scores of the best items of each session; of popular ones without events."""
        items = [np.empty(0)] * len(sessions)
        scores = [np.empty(0)] * len(sessions)
        for ask, rows in self._ways(query, sessions).items():
            some = Sessions.from_lists([sessions[row] for row in rows], users=_taken(users, rows))
            best = ask(query, some, k, _taken(candidates, rows))
            for row, own_items, own_scores in zip(rows, *best, strict=True):
                items[row] = own_items
                scores[row] = own_scores
        for row, session in enumerate(sessions):
            if not session:
                own = _taken(candidates, [row])
                items[row], scores[row] = self._popular(k, own, query.rules.exclude_items)
        return items, scores

    def _ways(
        self, query: Query, sessions: list[list[Any]]
    ) -> dict[Callable[..., tuple[np.ndarray, np.ndarray]], list[int]]:
        """What answers which of the sessions that have events."""
        plain = self.index is not None and query.is_plain
        ways: dict[Any, list[int]] = {}
        for row, session in enumerate(sessions):
            if session and plain and self._count_known(session):
                ways.setdefault(self._of_index, []).append(row)
            elif session:
                ways.setdefault(self._of_model, []).append(row)
        return ways

    def _of_index(
        self, query: Query, sessions: Sessions, k: int, candidates: None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Items and scores (n_sessions, k) that the index finds."""
        return self.index.search(sessions, k)

    def _of_model(
        self, query: Query, sessions: Sessions, k: int, candidates: list[list[Any]] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Items and scores (n_sessions, k) of the model, or of one that keeps to rules."""
        return self._model_of(query.rules).predict_topk(
            sessions,
            k=k,
            return_scores=True,
            exclude_seen=query.exclude_seen,
            candidates=candidates,
            min_new=query.min_new,
        )

    def _model_of(self, rules: Rules) -> Any:
        """The model, or one whose lists keep to rules; the last few of them are kept."""
        if rules == Rules():
            return self.model
        if rules not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[rules] = RerankedRecommender(self.model, **rules._asdict())
        return self._kept[rules]

    def _popular(
        self, k: int, candidates: list[list[Any]] | None, blocked: tuple[Any, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids and numbers of events of the most frequent items, or of such candidates."""
        vocabulary = self.encoder.vocabulary
        codes = np.arange(len(vocabulary))
        if candidates is not None:
            codes = np.unique(vocabulary.encode(candidates[0], name="candidates"))
            codes = codes[codes >= 0]
        if blocked:
            codes = np.setdiff1d(codes, vocabulary.encode(list(blocked), name="exclude_items"))
        counts = self.encoder.item_counts[codes]
        best = np.argsort(-counts, kind="stable")[:k]
        return vocabulary.ids[codes[best]], counts[best]

    def _count_known(self, session: list[Any]) -> int:
        """Number of events of a session whose item the model knows."""
        if not session:
            return 0
        return int((self.encoder.vocabulary.encode(session) >= 0).sum())


def _joined(parts: Iterable[list[Any] | None]) -> list[Any] | None:
    """Entries of the lists of all queries; None where they give none."""
    given = [part for part in parts if part is not None]
    if not given:
        return None
    return [entry for part in given for entry in part]


def _taken(values: list[Any] | None, rows: list[int]) -> list[Any] | None:
    """Values of some rows, if there are values."""
    if values is None:
        return None
    return [values[row] for row in rows]


def _answer(items: np.ndarray, scores: np.ndarray, k: int, known: int) -> Answer:
    """The best `k` items that may be recommended."""
    there = np.flatnonzero(scores > -np.inf)[:k]
    return Answer(items[there].tolist(), scores[there].tolist(), known)
