"""A trained network with its encoder and blend: lists, exact ranks, scores."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from ._checks import check_fitted, check_k
from ._parameters import check_windows
from .base import SessionRecommenderMixin, refuse_empty, warn_of_unknown
from .blending import Blend
from .encoding import (
    ItemFilter,
    NextItemTargets,
    PrefixData,
    SessionEncoder,
    count_unknown,
    labelled_by,
    last_windows,
)
from .metrics import RankedTargets
from .network import (
    SessionNetwork,
    close_items,
    item_vectors,
    one_pass_of,
    prefix_scores,
    rank_sessions,
    score_without,
    session_vectors,
    top_items,
)
from .sessions import Sessions, as_sessions

__all__ = ["TrainedNetworkMixin"]


class TrainedNetworkMixin(SessionRecommenderMixin):
    """Answers of an estimator that has a trained network."""

    max_length: int
    batch_size: int
    net_: Any
    encoder_: SessionEncoder
    annotator_: Any
    blend_: Blend | None
    cold_scale_: float
    _table: tuple[torch.Tensor | None, torch.Tensor] | None

    def _annotated(self, sessions: Sessions) -> Sessions:
        """Sessions as this model's own annotator labels them, if it has one."""
        if getattr(self, "annotator_", None) is None:
            return sessions
        return labelled_by(sessions, self.annotator_)

    def _set_learned(self, encoder: SessionEncoder, outcome: dict[str, Any]) -> None:
        self.encoder_ = encoder
        self.items_ = encoder.vocabulary.ids
        self.n_items_ = encoder.n_items
        self._table = None
        self.__dict__.update(outcome)

    @property
    def network_(self) -> SessionNetwork:
        """The trained torch module."""
        check_fitted(self, "net_")
        return self.net_.network

    def _best_items(
        self, sessions: Sessions, k: int, items: ItemFilter | None
    ) -> tuple[np.ndarray, np.ndarray]:
        windows = self._windows(sessions, "popularity", stacklevel=5)
        inputs, table = self._item_vectors()
        return top_items(
            self.network_,
            windows,
            table,
            k,
            batch_size=self.batch_size,
            items=items,
            input_vectors=inputs,
            blend=self.blend_,
        )

    def _rank_targets(
        self, cut: NextItemTargets, ties: str, top: int, items: ItemFilter | None
    ) -> RankedTargets:
        check_windows(self)
        return rank_sessions(
            self.network_,
            self.encoder_,
            cut,
            max_length=self.max_length,
            one_pass=one_pass_of(self, self.network_),
            batch_size=self.batch_size,
            ties=ties,
            top=top,
            items=items,
            candidate_vectors=self._item_vectors()[1],
            blend=self.blend_,
        )

    def _log_scores(self, inputs: Sessions) -> np.ndarray:
        check_windows(self)
        vectors = self._item_vectors()
        return prefix_scores(
            self.network_,
            self.encoder_,
            inputs,
            max_length=self.max_length,
            one_pass=one_pass_of(self, self.network_),
            batch_size=self.batch_size,
            input_vectors=vectors[0],
            candidate_vectors=vectors[1],
        )

    def _windows(self, sessions: Sessions, answer: str, stacklevel: int) -> PrefixData:
        """The newest events of each session as one prefix; `answer` is what unknown ones get."""
        check_windows(self)
        examples = last_windows(sessions, self.encoder_, self.max_length)
        n_blank, n_guessed = count_unknown(sessions, examples)
        warn_of_unknown(n_blank, stacklevel, answer)
        warn_of_unknown(n_guessed, stacklevel, "the strongest cluster")
        return PrefixData(examples, examples.sessions.items)

    # ------------------------------------------------------------------ vectors
    @property
    def item_vectors_(self) -> np.ndarray:
        """Vectors of the known items as candidates, shape (n_items, dim), read-only.

        Row i is that of ``items_[i]``, with its prompts. Its inner product with a session's vector
        is the network's score, before the weights of repeats; cold items have `cold_scale_` in it.
        """
        check_fitted(self, "net_")
        vectors = self._item_vectors()[1].cpu().numpy().view()
        vectors.flags.writeable = False
        return vectors

    def session_vectors(self, X: Any) -> np.ndarray:
        """Vectors of sessions, to search items with or to compare sessions by.

        Parameters
        ----------
        X : Sessions or list of lists
            Sessions so far, as in :meth:`predict_topk`.

        Returns
        -------
        ndarray of shape (n_sessions, dim), float32
            With cosine scores of the length 1 / temperature.

        Raises
        ------
        ValueError
            If a session is empty, or the backbone attends to each candidate (``"tagnn"``).

        See Also
        --------
        sessionprompt.retrieval.ItemIndex : Fast approximate search with these vectors.

        Examples
        --------
        >>> from sessionprompt.datasets import make_sessions
        >>> from sessionprompt.recommender import PromptedSessionRecommender
        >>> sessions = make_sessions(300, n_items=30, n_clusters=3, random_state=0)
        >>> model = PromptedSessionRecommender(prompts=(), dim=16, max_epochs=1, random_state=0)
        >>> model = model.fit(sessions)
        >>> vectors = model.session_vectors([["item-03"], ["item-01", "item-02"]])
        >>> (vectors @ model.item_vectors_.T).shape
        (2, 30)
        """
        check_fitted(self, "net_")
        sessions = self._annotated(as_sessions(X))
        refuse_empty(sessions)
        windows = self._windows(sessions, "the vector of a blank", stacklevel=3)
        inputs, _ = self._item_vectors()
        return session_vectors(self.network_, windows, self.batch_size, inputs)

    def similar_items(self, items: Any, k: int = 10, *, return_scores: bool = False) -> Any:
        """Items whose vectors point most nearly the same way.

        Parameters
        ----------
        items : list of ids
            Known items.
        k : int, default=10
        return_scores : bool, default=False
            Also return the cosines.

        Returns
        -------
        neighbours : ndarray of shape (len(items), k)
            Raw ids, the closest first, without the item itself.
        cosines : ndarray of shape (len(items), k)
            Only with `return_scores`.

        Raises
        ------
        ValueError
            If `k` is not within 1..n_items - 1 or an item is unknown.
        """
        check_fitted(self, "net_")
        check_k(k, self.n_items_ - 1, "other items")
        codes = self.encoder_.vocabulary.encode(items, name="items")
        unknown = np.flatnonzero(codes < 0)
        if len(unknown):
            raise ValueError(
                f"items holds {len(unknown)} ids that the model does not know, such as "
                f"{items[unknown[0]]!r}; give ids that are in items_."
            )
        found, cosines = close_items(self._item_vectors()[1], codes, k)
        neighbours = self.items_[found]
        if return_scores:
            return neighbours, cosines
        return neighbours

    def _score_without(self, session: Sessions, code: int, kinds: list[str]) -> float:
        """The network's score of an item for one annotated session, without prompts of kinds."""
        windows = self._windows(session, "the vector of a blank", stacklevel=5)
        return score_without(self.network_, windows, code, kinds, self.cold_scale_)

    def export_onnx(
        self, path: str | os.PathLike[str], *, k: int = 20, length: int | None = None
    ) -> None:
        """Write the network as an ONNX file, to be served without torch and this library.

        The file takes ``session``, int64 of shape (length,): codes of the newest events, the oldest
        of them first (the code of an item is its place in ``items_``), -1 for items that the model
        does not know, and -2 after the last event. It gives ``items`` and ``scores`` of shape (k,),
        those of :meth:`predict_topk`: cluster prompts, weights of repeats and the answer by
        popularity are inside. Its metadata hold ``ids``, the raw ids as a JSON list.

        Parameters
        ----------
        path : path
        k : int, default=20
        length : int, optional
            Events of the longest session; None is `max_length`. At most 100.

        Raises
        ------
        ImportError
            Without the packages of the extra ``onnx``.
        ValueError
            If the network reads users or sessions, or its shapes depend on what a session holds, as
            those of graphs do.

        Notes
        -----
        An unknown item enters as a blank alone, since no clusterer is at hand to attach it.
        """
        from .exporting import export_onnx  # brings the exporter of torch

        check_fitted(self, "net_")
        if length is None:
            length = self.max_length
        vectors = self._item_vectors()
        export_onnx(self.network_, vectors, self.blend_, self.items_, path, k=k, length=length)

    def _item_vectors(self) -> tuple[torch.Tensor | None, torch.Tensor]:
        """All items as inputs and as candidates, computed once after training."""
        if self._table is None:
            self._table = item_vectors(self.network_, self.cold_scale_)
        return self._table
