"""The whole network: item table, prompts, backbone and scoring in one torch module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..backbones import Backbone, unit
from ..batches import SessionBatch, generator_on
from ..clustering import Features, filled_rows
from ..scoring import EncodedPrefixes, TargetAttention
from .features import ItemFeatures
from .prompts import DenseRows, FixedCodes, PromptBlend, scaled_table, table_name

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
    features : mapping of str to features of shape (n_items, n_rows), optional
        Attributes of the items by kind.
    withhold : float, default=0
        Share of the items with attributes whose own vector a step of training does without, in
        inputs and candidates alike, so that attributes learn to stand alone.

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
        features: Mapping[str, Features] | None = None,
        withhold: float = 0.0,
    ) -> None:
        super().__init__()
        self.items = scaled_table(n_items, backbone.dim)
        self.backbone = backbone
        self.blend = blend
        self.prompt_candidates = prompt_candidates and bool(candidate_codes or features)
        self.scoring = scoring
        self.temperature = temperature
        self.sparse = False
        self.popularity: Tensor
        self.register_buffer("popularity", popularity)
        self.withhold = withhold
        self._candidate_codes = candidate_codes
        self._item_features = dict(features or {})
        filled = [filled_rows(one) for one in self._item_features.values()]
        self._blank = torch.ones(n_items, dtype=torch.bool)  # items without any attribute
        if filled:
            self._blank = torch.from_numpy(~np.any(filled, axis=0))
        self._kept: Tensor | None = None
        self._fixed: dict[str, FixedCodes | DenseRows] = {}
        self._features: dict[str, ItemFeatures] = {}
        self._made_on: torch.device | None = None

    def forward(self, batch: SessionBatch) -> EncodedPrefixes:
        """Encoded prefixes, which a criterion scores against all candidates or a sample of them."""
        self._withhold()
        last_items = batch.items[batch.ends]  # (P,)
        states = self.states(batch)
        return EncodedPrefixes(states, self.candidate_vectors, last_items, batch.elsewhere)

    def _withhold(self) -> None:
        """Draw the items whose own vectors this step does without; none outside of training."""
        self._kept = None
        if not self.training or not self.withhold or not self._item_features:
            return
        device = self.items.device
        drawn = torch.rand(len(self.items), device=device, generator=generator_on(device))  # (N,)
        kept = (drawn >= self.withhold) | self._blank.to(device)  # (N,)
        self._kept = kept.to(self.items.dtype).unsqueeze(1)  # (N, 1)

    def _own_vectors(self, items: Tensor | None = None) -> Tensor:
        """Vectors (N, d) of all items without their prompts, or those of some codes, (n, d)."""
        x: Tensor = self.items  # (N, d)
        if items is not None:
            x = F.embedding(items, self.items, sparse=self.sparse)  # (n, d)
        if self._kept is None or not self.training:
            return x
        if items is None:
            return x * self._kept
        return x * self._kept[items]

    def _counts(self, items: Tensor | None = None) -> Tensor | None:
        """Events of all items (N,), or of some codes (n,): 0 if unknown or withheld.

        None where nothing depends on them.
        """
        if self.blend is None or not self.blend.needs_counts:
            return None
        counts = self.popularity  # (N,)
        if self._kept is not None and self.training:
            counts = counts * self._kept.squeeze(1)  # (N,)
        if items is None:
            return counts
        return counts[items.clamp(min=0)] * (items >= 0)  # (n,)

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
        x = self._own_vectors(batch.items.clamp(min=0))  # (T, d)
        x = x * known.unsqueeze(1)  # (T, d)
        if self.blend is None:
            return x
        codes: dict[str, Any] = dict(batch.prompts)
        for kind, features in self._features_here().items():
            codes[kind] = features.some(codes[kind].squeeze(1), batch.described.get(kind))
        return self.blend(x, codes, self._counts(batch.items))  # (T, d)

    def lookup(self, items: Tensor) -> Tensor:
        """Vectors (n, d) of known items, prompted like inputs by what is known of an item alone."""
        x = self._own_vectors(items)  # (n, d)
        if self.blend is None:
            return x
        return self.blend(x, self._codes_of(items), self._counts(items))  # (n, d)

    def input_vectors(self) -> Tensor | None:
        """Input vectors of all items, (N, d), where nothing but the item decides on them."""
        if self.blend is not None and set(self.blend.kinds) != set(self._kinds_of_items):
            return None
        return self.lookup(torch.arange(len(self.items), device=self.items.device))  # (N, d)

    def candidate_vectors(self, items: Tensor | None = None) -> Tensor:
        """Candidate vectors of all items, (N, d), or of some item codes, (n, d)."""
        if self.blend is not None and self._unit_blend:
            x = self._own_vectors(items)  # (N or n, d)
            return self.blend.unit_vectors(x, self._codes_for(items), self._counts(items))
        if items is None:
            vectors = self._all_items()  # (N, d)
        elif self.prompt_candidates:
            vectors = self.lookup(items)  # (n, d)
        else:
            vectors = self._own_vectors(items)  # (n, d)
        vectors = self.backbone.candidates(vectors)
        if self.scoring == "cosine":
            return unit(vectors)
        return vectors

    @property
    def prompt_kinds(self) -> tuple[str, ...]:
        """Kinds of the prompts, none of the plain backbone."""
        if self.blend is None:
            return ()
        return self.blend.kinds

    @property
    def _unit_blend(self) -> bool:
        """Whether candidates are prompted and scaled to unit length, with nothing in between."""
        as_they_are = type(self.backbone).candidates is Backbone.candidates
        return self.prompt_candidates and self.scoring == "cosine" and as_they_are

    def _all_items(self) -> Tensor:
        """Vectors (N, d) of all items, prompted if candidates are."""
        if not self.prompt_candidates or self.blend is None:
            return self._own_vectors()
        return self.blend(self._own_vectors(), self._fixed_codes(), self._counts())

    @torch.no_grad()
    def center_prompts(self, noise: float) -> None:
        """Move the prompt of every cluster to the mean of its items' vectors.

        A share `noise` of the place where it was stays.
        """
        if self.blend is None:
            return
        for kind, codes in self._fixed_codes().items():
            means = unit(codes.mean_rows(self.items))  # (n_clusters, d)
            self.blend.table_of(kind).mul_(noise).add_(means)

    @property
    def _kinds_of_items(self) -> tuple[str, ...]:
        """Kinds of prompts that an item has by itself."""
        return (*self._candidate_codes, *self._item_features)

    def _codes_for(self, items: Tensor | None) -> Mapping[str, Any]:
        """Candidate codes of all items, or of some."""
        if items is None:
            return self._fixed_codes()
        return self._codes_of(items)

    def _codes_of(self, items: Tensor) -> dict[str, Any]:
        codes: dict[str, Any] = {
            kind: codes.to(items.device)[items] for kind, codes in self._candidate_codes.items()
        }
        for kind, features in self._features_here().items():
            codes[kind] = features.some(items)
        return codes

    def _fixed_codes(self) -> dict[str, FixedCodes | DenseRows]:
        """Candidate codes on the device of the table, made when first needed there."""
        features = self._features_here()
        if not self._fixed and self.blend is not None:
            for kind, codes in self._candidate_codes.items():
                n_rows = len(self.blend.table_of(kind))
                self._fixed[kind] = FixedCodes(codes.to(self.items.device), n_rows)
            self._fixed |= {kind: one.whole for kind, one in features.items()}
        return self._fixed

    def _features_here(self) -> dict[str, ItemFeatures]:
        """Attributes on the device of the table; what was made on another one is forgotten."""
        device = self.items.device
        if self._made_on != device:
            self._made_on = device
            self._fixed = {}
            self._features = {
                kind: ItemFeatures(one, device) for kind, one in self._item_features.items()
            }
        return self._features

    def __getstate__(self) -> dict[str, Any]:
        # made anew: torch cannot copy them
        made: dict[str, Any] = {"_fixed": {}, "_features": {}, "_made_on": None, "_kept": None}
        return {**self.__dict__, **made}

    @torch.no_grad()
    def copy_weights_from(self, other: SessionNetwork, rows: dict[str, np.ndarray]) -> None:
        """Take over the weights of a network that knew less.

        Parameters
        ----------
        other : SessionNetwork
        rows : dict of str to ndarray
            Per table ("item" or a prompt kind), where the other's rows stand in this one's; -1
            for those that it lacks.
        """
        mine = self.state_dict()
        theirs = other.state_dict()
        _check_layers(mine, theirs)
        tables = {f"blend.tables.{table_name(kind)}": kind for kind in rows}
        tables["items"] = "item"
        precomputed = {f"backbone.{name}" for name in self.backbone.precomputed}
        for name, weights in theirs.items():
            if name in tables:
                places = torch.from_numpy(rows[tables[name]]).long()
                kept = places >= 0  # (n,)
                mine[name][places[kept]] = weights.to(mine[name].device)[kept]
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
