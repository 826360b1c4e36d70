"""The interface between session models and the rest of the library."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from ..batches import SessionBatch
from ..scoring import TargetAttention

__all__ = ["Backbone"]


class Backbone(nn.Module):
    """Network between item vectors and scores: event rows in, one session embedding per prefix out.

    A subclass owns no item table and never sees item ids, prompts or data frames; item codes tell
    it no more than which events are of the same item. It is built as ``cls(dim,
    **backbone_params)`` and called as ``backbone(x, batch)``.

    Attributes
    ----------
    causal : bool
        Whether the embedding of a prefix depends on nothing after its end, so that one window can
        serve all prefixes of a session. Otherwise every window comes with a single prefix: the
        whole window.
    causal_if_distinct : bool
        Whether that holds for windows in which no item occurs twice, when not for all; others come
        with one prefix.
    scoring : {"dot", "cosine"} or None
        The scoring that the model is defined with; None leaves it to the recommender.
    needs_items : bool
        Whether the model is called as ``backbone(x, batch, lookup)`` with a function that gives the
        vectors, prompted like the inputs, of any known item codes.
    attends_to_candidates : bool
        Whether the session embedding depends on the candidate, as a :class:`TargetAttention` says.
    n_positions : int or None
        Longest window that the model has positions for; None reads windows of any length.
    part_items : int
        About how many items the clusters hold in which the sessions of a training batch end, under
        ``loss="clusters"``: fewer cost less, and more make batches alike.
    precomputed : tuple of str
        Buffers that `precompute` fills; a model that goes on learning fills them from the new
        sessions, and `merge_precomputed` then adds what the earlier model held.
    """

    causal: bool = False
    causal_if_distinct: bool = False
    scoring: ClassVar[str | None] = None
    needs_items: ClassVar[bool] = False
    attends_to_candidates: ClassVar[bool] = False
    part_items: ClassVar[int] = 4096
    precomputed: ClassVar[tuple[str, ...]] = ()
    n_positions: int | None = None

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @property
    def one_pass(self) -> bool | str:
        """Windows that may serve many prefixes: all, none, or those of ``"distinct"`` items."""
        if self.causal_if_distinct and not self.causal:
            return "distinct"
        return self.causal

    def precompute(self, codes: np.ndarray, offsets: np.ndarray, n_items: int) -> None:
        """Fill the buffers that come from all training sessions, before training.

        Most models have none.

        Parameters
        ----------
        codes : ndarray of shape (n_events,)
            Item code of each event, in 0..n_items-1.
        offsets : ndarray of shape (n_sessions + 1,)
            Session i holds the events ``offsets[i]`` to ``offsets[i + 1] - 1``.
        n_items : int
        """

    def merge_precomputed(self, earlier: Backbone, rows: np.ndarray) -> None:
        """Add the buffers that an earlier model took from its sessions to those of this one.

        Most models have none.

        Parameters
        ----------
        earlier : Backbone
            Of the same class and parameters.
        rows : ndarray of shape (n_earlier_items,)
            The codes that the earlier model's items have now.
        """

    def check_precomputed(self, n_items: int) -> None:
        """Raise a ValueError if those buffers, as read from a file, are none that it can fill.

        Parameters
        ----------
        n_items : int
        """

    @staticmethod
    def start_vectors(rows: Tensor, /) -> Tensor:
        """Fill a table (n, d) as the model's published code does; from N(0, 1/d) by default."""
        return nn.init.normal_(rows, std=rows.shape[1] ** -0.5)

    @staticmethod
    def start_map(linear: Any) -> None:
        """Start a linear map as that code does; most codes leave it as torch made it."""

    def candidates(self, table: Tensor) -> Tensor:
        """Candidate embeddings (N, d) to be scored; most models take the table as it is."""
        return table

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor | TargetAttention:
        """Encode the prefixes that a batch asks for.

        Parameters
        ----------
        x : Tensor of shape (T, d)
            One vector per event of the batch, windows one after another.
        batch : SessionBatch
            Where windows start and which events end a prefix.

        Returns
        -------
        Tensor of shape (P, d)
            Session embeddings, in the order of ``batch.ends``; a :class:`TargetAttention` where
            they depend on the candidate.
        """
        raise NotImplementedError
