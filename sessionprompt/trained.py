"""A trained network with its encoder and blend: lists, exact ranks, scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ._checks import check_fitted
from ._parameters import check_windows
from .base import SessionRecommenderMixin, warn_of_unknown
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
    item_vectors,
    one_pass_of,
    prefix_scores,
    rank_sessions,
    top_items,
)
from .sessions import Sessions

__all__ = ["TrainedNetworkMixin"]


class TrainedNetworkMixin(SessionRecommenderMixin):
    """Answers of an estimator that has a trained network."""

    max_length: int
    batch_size: int
    net_: Any
    encoder_: SessionEncoder
    annotator_: Any
    blend_: Blend | None
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
        check_windows(self)
        examples = last_windows(sessions, self.encoder_, self.max_length)
        n_blank, n_guessed = count_unknown(sessions, examples)
        warn_of_unknown(n_blank, stacklevel=3)
        warn_of_unknown(n_guessed, stacklevel=3, answer="the strongest cluster")
        inputs, table = self._item_vectors()
        return top_items(
            self.network_,
            PrefixData(examples, examples.sessions.items),
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

    def _item_vectors(self) -> tuple[torch.Tensor | None, torch.Tensor]:
        """All items as inputs and as candidates, computed once after training."""
        if self._table is None:
            self._table = item_vectors(self.network_)
        return self._table
