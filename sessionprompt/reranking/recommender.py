"""A fitted recommender whose lists keep to rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .._checks import check_count, check_fitted, check_k, check_number
from ..base import named_items, refuse_empty
from ..encoding import CodeLists, SessionEncoder, candidates_of, read_candidates
from ..metrics import last_step
from ..recommending import RecommendMixin
from ..sessions import as_sessions
from ..vocabulary import Vocabulary
from .greedy import chosen_places

__all__ = ["RerankedRecommender"]

BLOCK = 2**23  # numbers of the vectors of lists at a time
WIDER = 4  # times as many items, where rules leave too few


class RerankedRecommender(RecommendMixin):
    """A fitted recommender whose lists keep to rules.

    The model's best items are taken, and the list is chosen of them one by one: none that is
    blocked, no more of a group than may be, and each of those that are left by maximal marginal
    relevance, (1 - diversify) r - diversify c, with r the score scaled to 0..1 among the items
    taken, and c its highest cosine to an item chosen before. Scores are the model's and need not
    fall; places for new items (``min_new``) are kept before lists are chosen.

    Parameters
    ----------
    model : fitted recommender, stack or Pipeline
    exclude_items : iterable of ids, optional
        Items that are never recommended. Those that the model does not know change nothing.
    max_per_group : int, optional
        Most items of a group in a list. Items without a group are not counted.
    groups : "cluster" or mapping of id to group, default="cluster"
        ``"cluster"`` are those that a network was fitted with, the first resolution of several; a
        mapping may hold any attribute.
    diversify : float, default=0
        From 0, the order of the scores, to 1, as far apart as can be. It reads the item vectors of
        a network.
    pool : int, default=100
        Best items among which a list is chosen; at least four times `k` are taken, and more, up to
        all items, where `max_per_group` leaves fewer than `k`.

    Attributes
    ----------
    encoder_ : SessionEncoder
    items_ : ndarray of shape (n_items,)
    n_items_ : int

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of bounds, or the model has no clusters or vectors where they are
        needed.

    References
    ----------
    Carbonell and Goldstein, The use of MMR, diversity-based reranking for reordering documents and
    producing summaries, SIGIR 1998.

    Examples
    --------
    >>> from sessionprompt.baselines import SequentialRules
    >>> model = SequentialRules().fit([["tea", "cup"], ["tea", "pot"], ["tea", "pot"]])
    >>> RerankedRecommender(model, exclude_items=["pot"]).predict([["tea"]], k=1).tolist()
    [['cup']]
    """

    def __init__(
        self,
        model: Any,
        *,
        exclude_items: Iterable[Any] | None = None,
        max_per_group: int | None = None,
        groups: str | Mapping[Any, Any] = "cluster",
        diversify: float = 0.0,
        pool: int = 100,
    ) -> None:
        last = last_step(model)
        check_fitted(last, "encoder_")
        check_number("diversify", diversify, lambda share: 0 <= share <= 1, "from 0 to 1")
        check_count("pool", pool)
        self.model = model
        self.max_per_group = max_per_group
        self.diversify = float(diversify)
        self.pool = pool
        self.encoder_: SessionEncoder = last.encoder_
        self.items_ = last.items_
        self.n_items_ = last.n_items_
        self._allowed = _allowed(self.encoder_, exclude_items)
        self._groups = None
        if max_per_group is not None:
            check_count("max_per_group", max_per_group)
            self._groups = _group_codes(self.encoder_, groups)
        self._vectors = None
        if diversify > 0:
            self._vectors = _directions(last)

    def predict(self, X: Any, k: int = 10) -> np.ndarray:
        """Raw ids of the items of each list, shape (n_sessions, k); see :meth:`predict_topk`.

        Parameters
        ----------
        X : Sessions or list of lists
        k : int, default=10

        Returns
        -------
        ndarray of shape (n_sessions, k)
        """
        return self.predict_topk(X, k)

    def _topk(
        self, X: Any, k: int, exclude_seen: Any, candidates: Any, min_new: int
    ) -> tuple[np.ndarray, np.ndarray]:
        check_k(k, self.n_items_, "known items")
        sessions = as_sessions(X)
        refuse_empty(sessions)
        options = {"exclude_seen": exclude_seen, "min_new": min_new}
        allowed = self._candidates(candidates, len(sessions))
        codes = np.empty((len(sessions), k), dtype=np.int64)
        scores = np.empty((len(sessions), k), dtype=np.float32)
        size = min(max(self.pool, 4 * k), self.n_items_)
        rows = np.arange(len(sessions))
        while len(rows):
            for part in self._blocks(rows, size):
                own = candidates_of(self.encoder_, allowed, len(sessions), part)
                names, values = self.model.predict_topk(
                    sessions[part], size, return_scores=True, candidates=own, **options
                )
                codes[part], scores[part] = self._lists(names, values, k)
            if self._groups is None or size == self.n_items_:
                break
            rows = rows[(codes[rows] < 0).any(axis=1)]
            size = min(WIDER * size, self.n_items_)
        return named_items(self.items_, codes), scores

    def _candidates(self, candidates: Any, n_sessions: int) -> Any:
        """Ids that may be recommended, as the model takes them; None stands for all."""
        if self._allowed is None:
            return candidates
        if candidates is None:
            return self.items_[self._allowed]
        given = read_candidates(self.encoder_, candidates, n_sessions)
        if not isinstance(given, CodeLists):
            given = given[self._allowed[given]]
            if not len(given):
                raise ValueError(
                    "exclude_items leaves none of the candidates; give others, or block fewer."
                )
            return self.items_[given]
        row, code = given.pairs()
        kept = self._allowed[code]
        bounds = np.cumsum(np.bincount(row[kept], minlength=n_sessions))[:-1]
        return np.split(self.items_[code[kept]], bounds)

    def _blocks(self, rows: np.ndarray, size: int) -> list[np.ndarray]:
        """Rows in parts, for lists chosen among so many items."""
        dim = 1
        if self._vectors is not None:
            dim = self._vectors.shape[1]
        return np.array_split(rows, -(-len(rows) * size * dim // BLOCK))

    def _lists(
        self, items: np.ndarray, values: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Codes and scores (n, k) chosen among items (n, pool) with values (n, pool)."""
        there = values > -np.inf  # (n, pool)
        pool = np.full(values.shape, -1)  # (n, pool)
        pool[there] = self.encoder_.vocabulary.encode(items[there])
        groups = None
        if self._groups is not None:
            groups = self._groups[pool]  # (n, pool)
        vectors = None
        if self._vectors is not None:
            vectors = self._vectors[pool]  # (n, pool, d)
        places = chosen_places(
            values,
            k,
            groups=groups,
            most=self.max_per_group,
            vectors=vectors,
            diversify=self.diversify,
        )  # (n, k)
        rows = np.arange(len(pool))[:, None]
        found = places >= 0  # (n, k)
        codes = np.where(found, pool[rows, places], -1)
        return codes, np.where(found, values[rows, places], -np.inf)


def _allowed(encoder: SessionEncoder, blocked: Iterable[Any] | None) -> np.ndarray | None:
    """Whether each item may be recommended; None if all of them may."""
    if blocked is None:
        return None
    if isinstance(blocked, str | bytes):
        raise TypeError(f"exclude_items={blocked!r} must be a list of ids.")
    ids = list(blocked)
    if not ids:
        return None
    codes = encoder.vocabulary.encode(ids, name="exclude_items")
    allowed = np.ones(encoder.n_items, dtype=bool)
    allowed[codes[codes >= 0]] = False
    if not allowed.any():
        raise ValueError("exclude_items holds all items that the model knows; leave some of them.")
    return allowed


def _group_codes(encoder: SessionEncoder, groups: Any) -> np.ndarray:
    """Group of each item, (n_items,); -1 is none."""
    if isinstance(groups, Mapping):
        ids = encoder.vocabulary.ids.tolist()
        known = [place for place, id_ in enumerate(ids) if id_ in groups]
        codes = np.full(len(ids), -1, dtype=np.int64)
        if not known:
            raise ValueError(
                f"groups names {len(groups)} items, none of which the model knows; give a group to "
                "ids of items_."
            )
        names = [groups[ids[place]] for place in known]
        codes[known] = Vocabulary.from_values(names, name="group")[1]
        return codes
    if groups != "cluster":
        raise ValueError(f"groups={groups!r} must be 'cluster' or a mapping of ids to groups.")
    if not encoder.item_labels.shape[1]:
        raise ValueError(
            "groups='cluster' needs a model that was fitted with clusters; give a mapping of ids "
            "to groups, or fit with prompts=('cluster',)."
        )
    return encoder.item_labels[:, 0]


def _directions(model: Any) -> np.ndarray:
    """Item vectors of unit length, (n_items, d)."""
    if not hasattr(type(model), "item_vectors_"):
        raise ValueError(
            f"diversify reads item vectors, and {type(model).__name__} has none; give a "
            "PromptedSessionRecommender, or diversify=0."
        )
    vectors = model.item_vectors_  # (n_items, d)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
