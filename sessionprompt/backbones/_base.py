"""What the rest of the library asks of a session model, and nothing else."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ..batches import SessionBatch

__all__ = ["Backbone"]


class Backbone(nn.Module):
    """Network between item vectors and scores: event rows in, one session embedding per prefix out.

    A subclass owns no item table and never sees item ids, prompts or data frames. It is built as
    ``cls(dim, **backbone_params)`` and called as ``backbone(x, batch)``.

    Attributes
    ----------
    causal : bool
        Whether the embedding of a prefix depends on nothing after its end, so that one window can serve all
        prefixes of a session. Otherwise every window comes with a single prefix: the whole window.
    scoring : {"dot", "cosine"} or None
        The scoring that the model is defined with; None leaves it to the recommender.
    """

    causal: ClassVar[bool] = False
    scoring: ClassVar[str | None] = None

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
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
            Session embeddings, in the order of ``batch.ends``.
        """
        raise NotImplementedError
