"""A graph index over item vectors, searched with the vectors of sessions."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np

from .._arrays import largest_of_rows
from .._checks import check_count, check_fitted, check_k
from ..metrics import last_step, transform_steps
from ..sessions import Sessions, as_sessions
from ..storage import fingerprint
from .graph import built_graph, faiss_module, opened_graph, read_head, save_graph, vectors_of
from .own_items import own_items, with_own_items

__all__ = ["ItemIndex"]

BLOCK = 2**23  # scores, or numbers of vectors, held at a time
TOLERANCE = 1e-4  # of the largest number: machines round differently, and training moves more


class ItemIndex:
    """Approximate best items of sessions, from a graph over the item vectors (HNSW, by faiss).

    The time of a search grows with the logarithm of the catalogue instead of with its size, for a
    few of the best items missed; :meth:`recall` says how many. Sessions for which the graph reaches
    fewer items than asked for are answered exactly. Scores are those of ``predict_topk``: where the
    model weighs repeats (``blend_``), the items of the session itself are scored exactly, whether
    the graph finds them or not, and weighed. Nothing is filtered, and a session of which nothing is
    known gets what is near the vector of a blank instead of popular items.

    Parameters
    ----------
    model : fitted PromptedSessionRecommender, or Pipeline that ends in one
        The index keeps the vectors that its items have now.
    n_links : int, default=32
        Links of each item in the graph; more find more and take more memory.
    build_effort, search_effort : int, default=200, 128
        Items that are looked at while a place in the graph, or an answer, is sought (HNSW's
        ``efConstruction`` and ``efSearch``).
    n_jobs : int, optional
        Threads that build the graph, as scikit-learn counts them: None is one unless joblib's
        ``parallel_config`` says otherwise, -1 all. With several, graphs differ from run to run.

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
        self,
        model: Any,
        *,
        n_links: int = 32,
        build_effort: int = 200,
        search_effort: int = 128,
        n_jobs: int | None = None,
    ) -> None:
        faiss_module()
        check_count("n_links", n_links, low=2)
        check_count("build_effort", build_effort)
        check_count("search_effort", search_effort)
        vectors = _recommender_of(model).item_vectors_  # (n_items, d)
        graph = built_graph(vectors, n_links=n_links, build_effort=build_effort, n_jobs=n_jobs)
        self._hold(model, graph, search_effort)

    def _hold(self, model: Any, graph: Any, search_effort: int) -> None:
        self.model = model
        self.search_effort = search_effort
        self.items_ = last_step(model).items_
        self._graph = graph
        self._vectors = vectors_of(graph)  # (n_items, d)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a folder, from which :meth:`open` takes it without building it again.

        ``graph.faiss`` is a file of faiss, with the vectors of the items; ``index.json`` holds its
        digest and that of the ids. The folder appears when it is complete; what was at `path` stays
        whole until then. The model is saved by itself.

        Parameters
        ----------
        path : path
            A folder that is there must be empty or hold an index.

        Raises
        ------
        ValueError
            If `path` is something else.
        OSError
            If the disk is full or may not be written.

        See Also
        --------
        sessionprompt.save : Writes the model.
        """
        entries = {"search_effort": self.search_effort, "items": fingerprint(self.items_)}
        save_graph(path, self._graph, entries)

    @classmethod
    def open(cls, path: str | os.PathLike[str], model: Any) -> Self:
        """Index of a folder that :meth:`save` has written.

        The file is read once for its digest. From faiss 1.11 on it is then mapped, so that it is in
        memory once for all processes of a machine.

        Parameters
        ----------
        path : path
            faiss believes what the file says, so open what comes from where the model does.
        model : fitted PromptedSessionRecommender, or Pipeline that ends in one
            Its items must be those of the index, and have the same vectors within rounding.

        Returns
        -------
        ItemIndex

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        ValueError
            If the folder was never finished, is damaged, was written by a newer version, or is of
            another model.

        Examples
        --------
        >>> import tempfile
        >>> from sessionprompt.datasets import make_sessions
        >>> from sessionprompt.recommender import PromptedSessionRecommender
        >>> sessions = make_sessions(300, n_items=30, n_clusters=3, random_state=0)
        >>> model = PromptedSessionRecommender(prompts=(), dim=16, max_epochs=1, random_state=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ItemIndex(model.fit(sessions)).save(f"{folder}/index")
        ...     index = ItemIndex.open(f"{folder}/index", model)
        >>> index.search([["item-03"]], k=5)[0].shape
        (1, 5)
        """
        faiss = faiss_module()
        recommender = _recommender_of(model)
        head = read_head(path)
        if head["items"] != fingerprint(recommender.items_):
            raise ValueError(_of_another_model(path, "items"))
        graph = opened_graph(path, head)
        vectors = recommender.item_vectors_  # (n_items, d)
        if not isinstance(graph, faiss.IndexHNSWFlat) or (graph.ntotal, graph.d) != vectors.shape:
            raise ValueError(_of_another_model(path, "dimensions"))
        index = cls.__new__(cls)
        index._hold(model, graph, head["search_effort"])
        if not _are_close(index._vectors, vectors):
            raise ValueError(_of_another_model(path, "vectors"))
        return index

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

        Raises
        ------
        ValueError
            If `k` is not within 1..n_items, a session is empty, or the model has been fitted since.
        """
        check_k(k, len(self.items_), "known items")
        sessions = as_sessions(X)
        vectors = self._vectors_of(sessions)  # (n_sessions, d)
        blend = last_step(self.model).blend_
        if blend is None:
            codes, scores = self._search(vectors, k)
            return self.items_[codes], scores
        own = own_items(last_step(self.model), sessions)
        own_scores = np.einsum("nd,nd->n", vectors[own.row], self._vectors[own.item])  # (n_pairs,)
        widest = int(np.bincount(own.row, minlength=1).max())
        found = self._search(vectors, min(k + widest, len(self.items_)))
        codes, scores = with_own_items(*found, own, own_scores, blend, k)
        return self.items_[codes], scores

    def recall(self, X: Any, k: int = 10) -> float:
        """Share of the network's exact `k` best items of sessions that the index finds.

        Parameters
        ----------
        X : Sessions or list of lists
        k : int, default=10

        Returns
        -------
        float
            From 0 to 1, before repeats are weighed: what a session holds is then never missed.
        """
        check_k(k, len(self.items_), "known items")
        vectors = self._vectors_of(as_sessions(X))  # (n_sessions, d)
        found, _ = self._search(vectors, k)
        exact, _ = self._exact(vectors, k)
        hits = sum(map(len, map(np.intersect1d, found, exact)))
        return hits / exact.size

    def _vectors_of(self, sessions: Sessions) -> np.ndarray:
        """Vectors (n_sessions, d) of sessions."""
        if last_step(self.model).items_ is not self.items_:
            raise ValueError("the model was fitted after its index was built; build it anew.")
        return last_step(self.model).session_vectors(transform_steps(self.model, sessions))

    def _search(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes and scores (n_sessions, k) of the best items found."""
        effort = max(self.search_effort, int(k))
        params = faiss_module().SearchParametersHNSW(efSearch=effort)
        scores, codes = self._graph.search(vectors, int(k), params=params)
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


def _recommender_of(model: Any) -> Any:
    """The fitted recommender in which a model ends, whose items have vectors."""
    recommender = last_step(model)
    if not hasattr(type(recommender), "item_vectors_"):
        raise TypeError(
            f"model={model!r} has no item vectors; give a PromptedSessionRecommender, or a "
            "Pipeline that ends in one."
        )
    check_fitted(recommender, "net_")
    return recommender


def _of_another_model(path: str | os.PathLike[str], what: str) -> str:
    """Sentence about an index and a model that differ."""
    return (
        f"{path} holds the index of another model: its {what} are not those of this one; build "
        "one for this model, in another folder or after removing this one."
    )


def _are_close(vectors: np.ndarray, others: np.ndarray) -> bool:
    """Whether vectors (n_items, d) are the same within rounding."""
    bound = TOLERANCE * max(others.max(), -others.min())
    n_rows = max(BLOCK // vectors.shape[1], 1)
    for first in range(0, len(vectors), n_rows):
        rows = slice(first, first + n_rows)
        if np.abs(vectors[rows] - others[rows]).max() > bound:
            return False
    return True
