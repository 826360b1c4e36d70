"""What a GPU computes is what the processor computes: losses, gradients, ranks, lists and fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sessionprompt import (
    ItemClusterer,
    Pipeline,
    PromptedSessionRecommender,
    StackedSessionRecommender,
    load,
)
from sessionprompt.backbones import BACKBONES
from sessionprompt.baselines import SequentialRules
from sessionprompt.explaining import explain
from sessionprompt.losses import ClusterSoftmax, linear_cross_entropy
from sessionprompt.scoring import BlockCandidates, cluster_cross_entropy
from sessionprompt.testing import check_session_estimator, tiny_world

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no GPU to compare the processor with"
)
WORLD = tiny_world(120)
LATER = tiny_world(40, random_state=1)
SMALL = {"dim": 8, "max_epochs": 2, "batch_size": 32, "random_state": 0}
N_ITEMS = 700
Loss = Callable[[Tensor, Tensor], Tensor]


def both(loss: Callable[[str], Loss], dtype: torch.dtype) -> list[tuple[Tensor, ...]]:
    """A loss and its gradients on the processor and on the GPU."""
    draw = torch.Generator().manual_seed(0)
    states = torch.randn(90, 16, generator=draw, dtype=dtype)
    table = torch.randn(N_ITEMS, 16, generator=draw, dtype=dtype)
    computed = []
    for device in ("cpu", "cuda"):
        factors = [value.detach().to(device).requires_grad_() for value in (states, table)]
        value = loss(device)(*factors)
        parts = (value, *torch.autograd.grad(value, factors))
        computed.append(tuple(part.detach().cpu() for part in parts))
    return computed


def assert_alike(loss: Callable[[str], Loss], dtype: torch.dtype, bound: float) -> None:
    here, there = both(loss, dtype)
    for one, other in zip(here, there, strict=True):
        torch.testing.assert_close(other, one, rtol=bound, atol=bound * one.abs().max().item())


BOUNDS = [(torch.float64, "float32", 1e-10), (torch.float32, "float32", 1e-5)]


@pytest.mark.parametrize(
    ("dtype", "precision", "bound"), [*BOUNDS, (torch.float32, "bfloat16", 2e-2)]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_softmax_over_a_table(
    dtype: torch.dtype, precision: str, bound: float, weighted: bool
) -> None:
    targets = torch.arange(90) * 7

    def loss(device: str) -> Loss:
        log_weights = None
        if weighted:
            log_weights = torch.linspace(-3, 3, N_ITEMS, dtype=dtype, device=device)
        return lambda states, table: linear_cross_entropy(
            states, table, targets.to(device), precision, log_weights
        )

    assert_alike(loss, dtype, bound)


@pytest.mark.parametrize(("dtype", "precision", "bound"), BOUNDS)
def test_the_softmax_over_clusters(dtype: torch.dtype, precision: str, bound: float) -> None:
    draw = torch.Generator().manual_seed(1)
    clusters = torch.randint(-1, 9, (N_ITEMS,), generator=draw)
    criterion = ClusterSoftmax(torch.ones(N_ITEMS), clusters, n_negatives=64)
    last_items = torch.randint(-3, N_ITEMS, (90,), generator=draw)
    targets = torch.randint(N_ITEMS, (90,), generator=draw)
    drawn = criterion.candidates(last_items, targets)

    def loss(device: str) -> Loss:
        columns = {field.name: getattr(drawn, field.name).to(device) for field in fields(drawn)}
        candidates = BlockCandidates(**columns)
        items = torch.cat([candidates.own, candidates.drawn, targets.to(device)])
        return lambda states, table: cluster_cross_entropy(states, table[items], candidates)

    assert_alike(loss, dtype, bound)


@pytest.mark.parametrize("loss", ["full", "clusters", "sampled"])
def test_conformance(loss: str) -> None:
    model = PromptedSessionRecommender("gru4rec", prompts=(), device="cuda", loss=loss, **SMALL)
    check_session_estimator(model)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_a_model_of_the_gpu_answers_on_the_processor(name: str, tmp_path: Path) -> None:
    model = fitted(name, device="cuda")
    assert next(model[-1].network_.parameters()).is_cuda
    model.save(tmp_path / "model")
    assert_same_answers(model, load(tmp_path / "model"))


def fitted(name: str, **params: Any) -> Pipeline:
    recommender = PromptedSessionRecommender(name, **{**SMALL, **params})
    return Pipeline([("clu", ItemClusterer(random_state=0)), ("rec", recommender)]).fit(WORLD)


def assert_same_answers(one: Any, other: Any) -> None:
    ranks = [model.ranks(LATER).ranks for model in (one, other)]
    assert np.mean(ranks[0] == ranks[1]) > 0.98
    lists = [model.predict_topk(LATER, 5, return_scores=True) for model in (one, other)]
    np.testing.assert_allclose(lists[0][1], lists[1][1], rtol=1e-4, atol=1e-4)
    narrow = {"candidates": LATER.vocabulary.ids[:9], "exclude_seen": True}
    chosen = [model.predict_topk(LATER, 3, **narrow) for model in (one, other)]
    assert np.mean(chosen[0] == chosen[1]) > 0.98


@pytest.mark.parametrize("name", ["gru4rec", "srgnn"])
def test_the_same_fit(name: str) -> None:
    settings: dict[str, Any] = {"loss": "full", "precision": "float32", "refit": True}
    if name == "gru4rec":
        settings["backbone_params"] = {"dropout": 0.0}  # each device draws for itself
    here, there = (fitted(name, device=device, **settings) for device in ("cpu", "cuda"))
    histories = [[row["train_loss"] for row in model[-1].history_] for model in (here, there)]
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-4)
    np.testing.assert_allclose(there[-1].item_vectors_, here[-1].item_vectors_, rtol=0, atol=2e-2)


def test_a_fit_goes_on_and_a_stack_answers(tmp_path: Path) -> None:
    members: list[tuple[str, Any]] = [
        ("network", PromptedSessionRecommender("gru4rec", prompts=(), device="cuda", **SMALL)),
        ("rules", SequentialRules()),
    ]
    stack = StackedSessionRecommender(members, refit=True).fit(WORLD)
    stack.save(tmp_path / "stack")
    assert_same_answers(stack, load(tmp_path / "stack"))
    model = fitted("gru4rec", device="cuda")
    model.partial_fit(LATER)
    assert model[-1].network_.items.is_cuda
    explained = explain(model, LATER[:1], LATER.vocabulary.ids[0])
    assert np.isfinite(explained.score)
