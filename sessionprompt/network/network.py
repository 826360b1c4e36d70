"""The whole network: item table, prompts, backbone and scoring in one torch module."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..backbones import Backbone, unit
from ..batches import SessionBatch
from ..scoring import EncodedPrefixes, TargetAttention
from .prompts import FixedCodes, PromptBlend, scaled_table

__all__ = ["SCORINGS", "SessionNetwork"]

SCORINGS = ("cosine", "dot")


class SessionNetwork(nn.Module):
    """Item table, prompts and backbone: a batch of sessions in, scores against the candidates out.

    A score is the product of a session embedding and a candidate vector. With cosine scoring both
    are scaled to unit length and the session embedding is divided by the temperature, so scores lie
    within 1 / temperature of zero.

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
        self.scoring = scoring
        self.temperature = temperature
        self.sparse = False
        self.popularity: Tensor
        self.register_buffer("popularity", popularity)
        self._candidate_codes = candidate_codes
        self._fixed: dict[str, FixedCodes] = {}

    def forward(self, batch: SessionBatch) -> EncodedPrefixes:
        """Encoded prefixes, which a criterion scores against all candidates or a sample of them."""
        last_items = batch.items[batch.ends]  # (P,)
        return EncodedPrefixes(self.states(batch), self.candidate_vectors, last_items)

    def states(
        self, batch: SessionBatch, input_vectors: Tensor | None = None
    ) -> Tensor | TargetAttention:
        """Session embeddings (P, d) of the prefixes asked for.

        Parameters
        ----------
        batch : SessionBatch
        input_vectors : Tensor of shape (N, d), optional
            Those of :meth:`input_vectors`, to look up instead of making them.
        """
        x = self._event_vectors(batch, input_vectors)  # (T, d)
        if self.backbone.needs_items:
            states = self.backbone(x, batch, self.lookup)  # (P, d)
        else:
            states = self.backbone(x, batch)  # (P, d)
        if self.scoring == "cosine":
            return unit(states) / self.temperature
        return states

    def _event_vectors(self, batch: SessionBatch, input_vectors: Tensor | None) -> Tensor:
        """Prompted vectors (T, d) of the events of a batch; unknown items are blank."""
        known = batch.items >= 0  # (T,)
        if input_vectors is not None and known.all():
            return input_vectors[batch.items]  # (T, d)
        x = F.embedding(batch.items.clamp(min=0), self.items, sparse=self.sparse)  # (T, d)
        x = x * known.unsqueeze(1)  # (T, d)
        if self.blend is None:
            return x
        return self.blend(x, batch.prompts)  # (T, d)

    def lookup(self, items: Tensor) -> Tensor:
        """Vectors (n, d) of known items, prompted like inputs by what is known of an item alone."""
        x = F.embedding(items, self.items, sparse=self.sparse)  # (n, d)
        if self.blend is None:
            return x
        return self.blend(x, self._codes_of(items))  # (n, d)

    def input_vectors(self) -> Tensor | None:
        """Input vectors of all items, (N, d), where nothing but the item decides on them."""
        if self.blend is not None and set(self.blend.tables) != set(self._candidate_codes):
            return None
        return self.lookup(torch.arange(len(self.items), device=self.items.device))  # (N, d)

    def candidate_vectors(self, items: Tensor | None = None) -> Tensor:
        """Candidate vectors of all items, (N, d), or of some item codes, (n, d)."""
        if items is None and self.blend is not None and self._unit_blend:
            return self.blend.unit_vectors(self.items, self._fixed_codes())  # (N, d)
        if items is None:
            vectors = self._all_items()  # (N, d)
        elif self.prompt_candidates:
            vectors = self.lookup(items)  # (n, d)
        else:
            vectors = F.embedding(items, self.items, sparse=self.sparse)  # (n, d)
        vectors = self.backbone.candidates(vectors)
        if self.scoring == "cosine":
            return unit(vectors)
        return vectors

    @property
    def _unit_blend(self) -> bool:
        """Whether candidates are prompted and scaled to unit length, with nothing in between."""
        as_they_are = type(self.backbone).candidates is Backbone.candidates
        return self.prompt_candidates and self.scoring == "cosine" and as_they_are

    def _all_items(self) -> Tensor:
        """Vectors (N, d) of all items, prompted if candidates are."""
        if not self.prompt_candidates or self.blend is None:
            return self.items
        return self.blend(self.items, self._fixed_codes())

    @torch.no_grad()
    def center_prompts(self, noise: float) -> None:
        """Move the prompt of every cluster to the mean of its items' vectors.

        A share `noise` of the place where it was stays.
        """
        if self.blend is None:
            return
        for kind, codes in self._fixed_codes().items():
            means = unit(codes.mean_rows(self.items))  # (n_clusters, d)
            self.blend.tables[kind].mul_(noise).add_(means)

    def _codes_of(self, items: Tensor) -> dict[str, Tensor]:
        return {
            kind: codes.to(items.device)[items] for kind, codes in self._candidate_codes.items()
        }

    def _fixed_codes(self) -> dict[str, FixedCodes]:
        """Candidate codes on the device of the table, made when first needed there."""
        device = self.items.device
        made_on = {codes.matrix.device for codes in self._fixed.values()}
        if made_on != {device} and self.blend is not None:
            tables = self.blend.tables
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
        mine = self.state_dict()
        theirs = other.state_dict()
        _check_layers(mine, theirs)
        tables = {"items": "item", **{f"blend.tables.{kind}": kind for kind in rows}}
        precomputed = {f"backbone.{name}" for name in self.backbone.precomputed}
        for name, weights in theirs.items():
            if name in tables:
                places = torch.from_numpy(rows[tables[name]]).long()
                mine[name][places] = weights.to(mine[name].device)
            elif name != "popularity" and name not in precomputed:
                mine[name].copy_(weights)
        self.backbone.merge_precomputed(other.backbone, rows["item"])


def _check_layers(mine: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Raise unless two networks have the same layers, of whatever number of rows."""
    mine_without_rows = {name: weights.shape[1:] for name, weights in mine.items()}
    theirs_without_rows = {name: weights.shape[1:] for name, weights in theirs.items()}
    if mine_without_rows != theirs_without_rows:
        raise ValueError(
            "the network of the previous fit has other layers than the parameters ask for now; "
            "restore them, or start anew with fit and warm_start=False."
        )
