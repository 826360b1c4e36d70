"""Promises that every backbone keeps, checked by plain assertions."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..backbones import Backbone
from ..batches import SessionBatch
from ..encoding import EncodedSessions, Examples, last_prefixes, prefix_examples
from ..scoring import AttentionScores, Candidates, InnerProduct, scores_against

__all__ = ["check_backbone"]

# Repeats, a single event, one item only, unknown items among others and alone, and an item that
# comes back late.
WINDOWS = ([0, 1, 0, 2], [3], [1, 1, 1], [4, -1, 5, 4, 0], [-1, -1], [2, 3, 4, 5, 1, 0])
N_ITEMS = 6
MAX_LENGTH = 8


def check_backbone(backbone: Callable[..., Backbone], dim: int = 8, **params: Any) -> None:
    """Check that a session model does what the library asks of it.

    It gives finite embeddings (or, with target attention, scores) of the right shape in both
    precisions; a window is encoded the same alone, in a batch and in any order; items are told
    apart by their vectors and by which are equal, not by their codes; windows may hold one event,
    repeats and unknown items, in training too; evaluation is deterministic; every parameter gets a
    gradient; weights can be stored and restored; and, if it claims to be causal, always or for
    distinct items, one pass over a window gives the embeddings of all its prefixes. Where there is
    a GPU, it gives the same embeddings there.

    Parameters
    ----------
    backbone : class or callable
        Called as ``backbone(dim, **params)``.
    dim : int
    **params
        Further parameters of the backbone.

    Raises
    ------
    AssertionError
        If a promise is broken; the message says which.

    Examples
    --------
    >>> from sessionprompt.backbones import NARM
    >>> check_backbone(NARM, hidden=8)
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = backbone(dim, **params)
        table = torch.randn(N_ITEMS, dim).double()  # (n_items, d)
        # as many as there are directions: other embeddings get other scores
        candidates = torch.randn(dim, dim).double()  # (n_candidates, d)
        case = _Case(model, table, candidates)
        _check_embeddings(case)
        _check_company(case)
        _check_order(case)
        _check_relabelling(case)
        _check_causality(case)
        _check_gradients(case)
        _check_training(case)
        _check_weights(case, _Case(backbone(dim, **params), table, candidates))
        if torch.cuda.is_available():
            _check_gpu(case)


@dataclass(frozen=True)
class _Case:
    """A model in double precision, vectors of the items it reads, and of candidates it scores."""

    model: Backbone
    table: Tensor
    candidates: Tensor
    numbers: tuple[int, ...] = tuple(range(N_ITEMS))

    def __post_init__(self) -> None:
        _check_attributes(self.model, self.table.shape[1])
        known = [[code for code in window if code >= 0] for window in WINDOWS]
        seen = _encoded(self.numbered(known))
        self.model.precompute(seen.items, seen.offsets, N_ITEMS)
        self.model.double().eval()

    def numbered(self, windows: Iterable[list[int]]) -> list[list[int]]:
        """Windows in the codes of this case; unknown items stay unknown."""
        numbers = {-1: -1, **dict(enumerate(self.numbers))}
        return [[numbers[code] for code in window] for window in windows]

    def encode(self, examples: Examples | Iterable[list[int]] = WINDOWS) -> Tensor:
        """Scores of the candidates for the prefixes asked for, by default for whole windows."""
        return self.scored(examples).matrix()  # (B, n_candidates)

    def scored(
        self, examples: Examples | Iterable[list[int]] = WINDOWS
    ) -> InnerProduct | AttentionScores:
        """Encoded prefixes against the candidates."""
        if not isinstance(examples, Examples):
            examples = last_prefixes(_encoded(self.numbered(examples)), MAX_LENGTH)
        return _scored(self.model, SessionBatch.collate(examples), self.table, self.candidates)


def _check_attributes(model: Backbone, dim: int) -> None:
    kind = type(model).__name__
    assert isinstance(model, Backbone), f"{kind} is no subclass of Backbone"
    assert model.dim == dim, f"it is built with dim={dim}, and its attribute dim is {model.dim}"
    known = model.scoring in (None, "dot", "cosine")
    assert known, f"scoring={model.scoring!r} is none of None, 'dot' and 'cosine'"


def _scored(
    model: Backbone, batch: SessionBatch, table: Tensor, candidates: Tensor
) -> InnerProduct | AttentionScores:
    """Encoded prefixes of a batch against some candidates."""
    known = (batch.items >= 0).unsqueeze(1)  # (E, 1)
    x = table[batch.items.clamp(min=0)] * known  # (E, d)
    arguments: list[Any] = [x, batch]
    if model.needs_items:
        arguments.append(table.__getitem__)
    states = model(*arguments)  # (B, d), or what scores candidates
    return scores_against(states, Candidates(candidates))


def _encoded(windows: Iterable[list[int]]) -> EncodedSessions:
    windows = list(windows)
    items = np.concatenate(windows).astype(np.int64)
    offsets = np.append(0, np.cumsum([len(window) for window in windows]))
    return EncodedSessions(items, offsets, {}, np.ones(len(windows), np.int64))


def _window_batch() -> SessionBatch:
    return SessionBatch.collate(last_prefixes(_encoded(WINDOWS), MAX_LENGTH))


def _same(one: Tensor, other: Tensor, promise: str, tolerance: float = 1e-9) -> None:
    gap = (one - other).abs().max().item()
    assert gap <= tolerance, f"{promise}: embeddings differ by {gap:.2g}"


def _check_embeddings(case: _Case) -> None:
    scored = case.scored()
    shape = tuple(scored.states.shape)
    expected = (len(WINDOWS), case.model.dim)
    assert shape == expected, f"embeddings have shape {shape}, not {expected}"
    assert scored.dtype == torch.float64, f"float64 vectors became {scored.dtype} embeddings"
    scores = scored.matrix()  # (B, n_candidates)
    assert scores.isfinite().all(), "embeddings are not finite"
    _same(scores, case.encode(), "evaluation is not deterministic", 0)
    model = copy.deepcopy(case.model).float()
    single = _scored(model, _window_batch(), case.table.float(), case.candidates.float())
    _same(scores, single.matrix(), "float32 is far from float64", 1e-3)


def _check_company(case: _Case) -> None:
    together = case.encode()
    for row, window in enumerate(WINDOWS):
        alone = case.encode([window])[0]
        promise = f"window {window} is not encoded the same alone and in a batch"
        _same(together[row], alone, promise)


def _check_order(case: _Case) -> None:
    backwards = case.encode(WINDOWS[::-1])
    _same(case.encode().flip(0), backwards, "the order of windows in a batch matters")


def _check_relabelling(case: _Case) -> None:
    order = np.random.default_rng(0).permutation(N_ITEMS)
    table = torch.empty_like(case.table)
    table[torch.from_numpy(order)] = case.table
    numbers = tuple(order.tolist())
    renamed = _Case(copy.deepcopy(case.model), table, case.candidates, numbers)
    _same(case.encode(), renamed.encode(), "it depends on the numbers of the items")


def _check_causality(case: _Case) -> None:
    if not case.model.one_pass:
        return
    sessions = _encoded(WINDOWS)
    shared = prefix_examples(sessions, MAX_LENGTH, case.model.one_pass)
    own = prefix_examples(sessions, MAX_LENGTH, False)
    together = case.encode(shared)[np.argsort(shared.ends, kind="stable")]
    apart = case.encode(own)[np.argsort(own.ends, kind="stable")]
    promise = "it claims to be causal, but one pass differs from its prefixes one by one"
    _same(together, apart, promise)


def _check_gradients(case: _Case) -> None:
    if not list(case.model.parameters()):
        return
    states = case.encode()
    case.model.zero_grad()
    (states * torch.randn_like(states)).sum().backward()
    for name, parameter in case.model.named_parameters():
        assert parameter.grad is not None, f"no gradient reaches the parameter {name}"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
        assert parameter.grad.any(), f"the gradient of {name} is zero"


def _check_training(case: _Case) -> None:
    busy = _Case(copy.deepcopy(case.model), case.table, case.candidates)
    busy.model.train()
    alone = [[window] for window in WINDOWS]
    for windows in (list(WINDOWS), *alone):
        finite = busy.encode(windows).isfinite().all()
        assert finite, f"in training, embeddings of {windows} are not finite"


def _check_weights(case: _Case, other: _Case) -> None:
    other.model.load_state_dict(case.model.state_dict())
    _same(case.encode(), other.encode(), "restored weights do not restore the model", 0)


def _check_gpu(case: _Case) -> None:
    model = copy.deepcopy(case.model).cuda()
    batch = _window_batch().to("cuda")
    there = _scored(model, batch, case.table.cuda(), case.candidates.cuda()).matrix()
    _same(case.encode(), there.cpu(), "the GPU disagrees with the CPU", 1e-6)
