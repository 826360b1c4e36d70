"""The whole network: item table, prompts, backbone and scoring in one torch module."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..backbones import Backbone, unit
from ..batches import SessionBatch
from ..scoring import TargetAttention
from .prompts import FixedCodes, PromptBlend, scaled_table

__all__ = ["SCORINGS", "SessionNetwork"]

SCORINGS = ("cosine", "dot")


class SessionNetwork(nn.Module):
    """Embed, prompt, encode: a batch of sessions in, session embeddings and the candidate table out.

    A score is the product of the two. With cosine scoring both are scaled to unit length and the
    session embedding is divided by the temperature, so scores lie within 1 / temperature of zero.

    Parameters
    ----------
    backbone : Backbone
    n_items : int
    candidate_codes : dict of str to LongTensor of shape (n_items, n_columns)
        Prompt codes of the items; empty without cluster prompts.
    popularity : Tensor of shape (n_items,)
        Answer to a prefix of which nothing is known: no item and no prompt.
    blend : PromptBlend or None
        None is the plain backbone.
    prompt_candidates : bool
        Whether candidates are prompted like inputs.
    scoring : {"cosine", "dot"}
    temperature : float

    Attributes
    ----------
    sparse : bool
        Whether the gradient of a lookup holds only the rows that were looked up. It is added to
        that of the whole table, if the loss asks for one; else the optimizer must understand it.
    """

    def __init__(
        self,
        backbone: Backbone,
        n_items: int,
        candidate_codes: dict[str, Tensor],
        popularity: Tensor,
        blend: PromptBlend | None,
        prompt_candidates: bool,
        scoring: str,
        temperature: float,
    ) -> None:
        super().__init__()
        self.items = scaled_table(n_items, backbone.dim)
        self.backbone = backbone
        self.blend = blend
        self.prompt_candidates = prompt_candidates and bool(candidate_codes)
        self.scoring, self.temperature, self.sparse = scoring, temperature, False
        self.popularity: Tensor
        self.register_buffer("popularity", popularity)
        self._candidate_codes = candidate_codes
        self._fixed: dict[str, FixedCodes] = {}

    def forward(self, batch: SessionBatch) -> tuple[Tensor | TargetAttention, Tensor]:
        """Session embeddings (P, d), ready to be multiplied with the candidate table (N, d)."""
        return self.states(batch), self.table()

    def states(self, batch: SessionBatch, inputs: Tensor | None = None) -> Tensor | TargetAttention:
        """Session embeddings of the prefixes asked for, (P, d); `inputs` may hold what :meth:`inputs` gives."""
        known = batch.items >= 0
        if inputs is not None and known.all():
            x = inputs[batch.items]  # (T, d)
        else:
            x = F.embedding(batch.items.clamp(min=0), self.items, sparse=self.sparse)  # (T, d)
            x = x * known.unsqueeze(1)  # unknown items are blank
            x = x if self.blend is None else self.blend(x, batch.prompts)  # (T, d)
        extra = (self.lookup,) if self.backbone.needs_items else ()
        states = self.backbone(x, batch, *extra)  # (P, d)
        return unit(states) / self.temperature if self.scoring == "cosine" else states

    def lookup(self, items: Tensor) -> Tensor:
        """Vectors (n, d) of known items, prompted like inputs by what is known of an item alone."""
        x = F.embedding(items, self.items, sparse=self.sparse)  # (n, d)
        return x if self.blend is None else self.blend(x, self._codes_of(items))

    def inputs(self) -> Tensor | None:
        """Input vectors of all items, (N, d), where nothing but the item decides on them."""
        if self.blend is not None and set(self.blend.tables) != set(self._candidate_codes):
            return None
        return self.lookup(torch.arange(len(self.items), device=self.items.device))

    def table(self, items: Tensor | None = None) -> Tensor:
        """Candidate embeddings: of all items, (N, d), or of some item codes, (n, d)."""
        if items is not None:
            table = (
                self.lookup(items)
                if self.prompt_candidates
                else F.embedding(items, self.items, sparse=self.sparse)
            )
        else:
            table = (
                self.blend(self.items, self._fixed_codes())
                if self.prompt_candidates
                else self.items
            )  # type: ignore[misc]
        table = self.backbone.candidates(table)
        return unit(table) if self.scoring == "cosine" else table

    @torch.no_grad()
    def center_prompts(self, noise: float) -> None:
        """Move the prompt of every cluster to the mean of its items' vectors; some of where it was stays as noise."""
        if self.blend is not None:
            for kind, codes in self._fixed_codes().items():
                self.blend.tables[kind].mul_(noise).add_(unit(codes.mean_rows(self.items)))

    def _codes_of(self, items: Tensor) -> dict[str, Tensor]:
        return {
            kind: codes.to(items.device)[items] for kind, codes in self._candidate_codes.items()
        }

    def _fixed_codes(self) -> dict[str, FixedCodes]:
        """Candidate codes on the device of the table, made when first needed there."""
        device = self.items.device
        if not self._fixed or next(iter(self._fixed.values())).matrix.device != device:
            tables = self.blend.tables  # type: ignore[union-attr]
            self._fixed = {
                kind: FixedCodes(codes.to(device), len(tables[kind]))
                for kind, codes in self._candidate_codes.items()
            }
        return self._fixed

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_fixed": {}}  # made anew: torch cannot copy them

    @torch.no_grad()
    def copy_weights_from(self, other: SessionNetwork, rows: dict[str, np.ndarray]) -> None:
        """Take over the weights of a network that knew less.

        Parameters
        ----------
        other : SessionNetwork
        rows : dict of str to ndarray
            Per table ("item" or a prompt kind), where the other's rows stand in this one's.
        """
        tables = {"items": "item", **{f"blend.tables.{kind}": kind for kind in rows}}
        seen_in_training = {"popularity", *(f"backbone.{name}" for name in self.backbone.precomputed)}
        mine, theirs = self.state_dict(), other.state_dict()
        if mine.keys() != theirs.keys() or any(
            mine[name].shape[1:] != theirs[name].shape[1:] for name in mine
        ):
            raise ValueError(
                "the network of the previous fit has other layers than the parameters ask for now; restore them, "
                "or start anew with fit and warm_start=False."
            )
        for name, weights in theirs.items():
            if name in tables:
                mine[name][torch.from_numpy(rows[tables[name]]).long()] = weights.to(
                    mine[name].device
                )
            elif name not in seen_in_training:
                mine[name].copy_(weights)
        self.backbone.merge_precomputed(other.backbone, rows["item"])
