"""A graph index over item vectors, searched with the vectors of sessions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import largest_of_rows
from .._checks import check_count, check_fitted, check_k
from ..metrics import last_step
from ..sessions import as_sessions

__all__ = ["ItemIndex"]

BLOCK = 2**23  # scores held at a time


class ItemIndex:
    """Approximate best items of sessions, from a graph over the item vectors (HNSW, by faiss).

    The time of a search grows with the logarithm of the catalogue instead of with its size, for a
    few of the best items missed; :meth:`recall` says how many. Sessions for which the graph reaches
    fewer items than asked for are answered exactly. Scores are the network's own, before
    the weights of repeats (``blend_``), and nothing is filtered: use the index to draw candidates
    from catalogues that are too large to be scored in full.

    Parameters
    ----------
    model : fitted PromptedSessionRecommender, or Pipeline that ends in one
        The index keeps the vectors that the model has now.
    n_links : int, default=32
        Links of each item in the graph; more find more and take more memory.
    build_effort, search_effort : int, default=200, 128
        Items that are looked at while a place in the graph, or an answer, is sought (HNSW's
        ``efConstruction`` and ``efSearch``).

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the items.

    Raises
    ------
    ImportError
        Without faiss.

    References
    ----------
    Malkov and Yashunin, Efficient and robust approximate nearest neighbor search using hierarchical
    navigable small world graphs, IEEE TPAMI 2020.

    Examples
    --------
    >>> from sessionprompt.datasets import make_sessions
    >>> from sessionprompt.recommender import PromptedSessionRecommender
    >>> sessions = make_sessions(300, n_items=30, n_clusters=3, random_state=0)
    >>> model = PromptedSessionRecommender(prompts=(), dim=16, max_epochs=1, random_state=0)
    >>> index = ItemIndex(model.fit(sessions))
    >>> index.search([["item-03"]], k=5)[0].shape
    (1, 5)
    """

    def __init__(
        self, model: Any, *, n_links: int = 32, build_effort: int = 200, search_effort: int = 128
    ) -> None:
        faiss = _faiss()
        check_count("n_links", n_links, low=2)
        check_count("build_effort", build_effort)
        check_count("search_effort", search_effort)
        recommender = last_step(model)
        if not hasattr(type(recommender), "item_vectors_"):
            raise TypeError(
                f"model={model!r} has no item vectors; give a PromptedSessionRecommender, or a "
                "Pipeline that ends in one."
            )
        check_fitted(recommender, "net_")
        self.model = model
        self.search_effort = search_effort
        self.items_ = recommender.items_
        self._vectors = recommender.item_vectors_.copy()  # (n_items, d)
        self._graph = faiss.IndexHNSWFlat(
            self._vectors.shape[1], n_links, faiss.METRIC_INNER_PRODUCT
        )
        self._graph.hnsw.efConstruction = build_effort
        self._graph.add(self._vectors)

    def search(self, X: Any, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Items that score best for each session, as far as the graph finds them.

        Parameters
        ----------
        X : Sessions or list of lists
            Sessions so far, as in ``predict_topk``.
        k : int, default=10

        Returns
        -------
        items : ndarray of shape (n_sessions, k)
            Raw ids, best first.
        scores : ndarray of shape (n_sessions, k)
        """
        check_k(k, len(self.items_), "known items")
        codes, scores = self._search(self.model.session_vectors(as_sessions(X)), k)
        return self.items_[codes], scores

    def recall(self, X: Any, k: int = 10) -> float:
        """Share of the exact `k` best items of sessions that the index finds.

        Parameters
        ----------
        X : Sessions or list of lists
        k : int, default=10

        Returns
        -------
        float
            From 0 to 1.
        """
        check_k(k, len(self.items_), "known items")
        vectors = self.model.session_vectors(as_sessions(X))  # (n_sessions, d)
        found, _ = self._search(vectors, k)
        exact, _ = self._exact(vectors, k)
        hits = sum(map(len, map(np.intersect1d, found, exact)))
        return hits / exact.size

    def _search(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes and scores (n_sessions, k) of the best items found."""
        effort = max(self.search_effort, k)
        params = _faiss().SearchParametersHNSW(efSearch=effort)
        scores, codes = self._graph.search(vectors, k, params=params)
        short = np.flatnonzero((codes < 0).any(axis=1))  # parts of the graph were not reached
        codes[short], scores[short] = self._exact(vectors[short], k)
        return codes, scores

    def _exact(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes and scores (n_sessions, k) of the best of all items."""
        codes = np.empty((len(vectors), k), dtype=np.int64)
        scores = np.empty((len(vectors), k), dtype=np.float32)
        n_rows = max(BLOCK // len(self.items_), 1)
        for first in range(0, len(vectors), n_rows):
            rows = slice(first, first + n_rows)
            codes[rows], scores[rows] = largest_of_rows(vectors[rows] @ self._vectors.T, k)
        return codes, scores


def _faiss() -> Any:
    """The module faiss, or an ImportError that says how to get it."""
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "an approximate index needs faiss; install it with pip install 'sessionprompt[ann]'."
        ) from error
    return faiss
