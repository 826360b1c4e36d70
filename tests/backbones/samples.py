"""Batches and weights that the tests of the backbones share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sessionprompt.backbones import BACKBONES, Backbone, unit
from sessionprompt.batches import SessionBatch
from sessionprompt.encoding import EncodedSessions, last_prefixes, prefix_examples
from sessionprompt.scoring import TargetAttention

MIXED = [[0, 1, 0, 2], [3, 3], [1], [4, 2, 4, 2, 0], [2, 1, 1, 3, 2]]
N_ITEMS = 5


def encoded(sessions: Sequence[Sequence[int]]) -> EncodedSessions:
    """Sessions of item codes, -1 for unknown, without prompts; every prefix is asked for."""
    items = np.concatenate([np.asarray(session, np.int64) for session in sessions])
    offsets = np.append(0, np.cumsum([len(session) for session in sessions]))
    return EncodedSessions(items, offsets, {}, np.ones(len(sessions), np.int64))


def whole(sessions: Sequence[Sequence[int]]) -> SessionBatch:
    """Every session as one window and one prefix."""
    return SessionBatch.collate(last_prefixes(encoded(sessions), max_length=50))


def prefixes(sessions: Sequence[Sequence[int]], one_pass: bool) -> SessionBatch:
    """Every prefix of every session."""
    return SessionBatch.collate(prefix_examples(encoded(sessions), 50, one_pass))


def build(name: str, dim: int = 4, seed: int = 0, **params: Any) -> Backbone:
    """A model in float64 and evaluation mode that knows the sessions above, with random weights."""
    torch.manual_seed(seed)
    model = BACKBONES[name](dim, **params)
    for parameter in model.parameters():
        parameter.data = 0.7 * torch.randn_like(parameter)
    known = encoded(MIXED)
    model.precompute(known.items, known.offsets, N_ITEMS)
    return model.double().eval()


def vectors(dim: int = 4, n_items: int = N_ITEMS) -> Tensor:
    """Item vectors, the same each time."""
    return torch.randn(
        n_items, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )


def run(model: Backbone, batch: SessionBatch, table: Tensor) -> Tensor:
    """Session embeddings of a batch, or scores where there are none; unknown items are zero."""
    x = table[batch.items.clamp(min=0)] * (batch.items >= 0).unsqueeze(1)
    if model.needs_items:
        states = model(x, batch, lambda items: table[items])
    else:
        states = model(x, batch)
    if isinstance(states, TargetAttention):
        return states.scores(table)
    if model.scoring == "cosine":
        return unit(states)
    return states


def same(found: Tensor, expected: Any, tolerance: float = 1e-10) -> None:
    """Assert that two tensors are equal up to rounding."""
    expected = torch.as_tensor(expected, dtype=found.dtype)
    assert found.shape == expected.shape
    gap = (found - expected).abs().max().item()
    assert gap <= tolerance, f"they differ by {gap:.2g}"
