"""The softmax over a sample of the catalogue, and the models trained with it."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sessionprompt import ItemClusterer, PromptedSessionRecommender, Sessions
from sessionprompt.backbones import BACKBONES
from sessionprompt.losses import SampledSoftmax
from sessionprompt.testing import tiny_world

POPULARITY = torch.tensor([50.0, 0.0, 20.0, 5.0, 1.0, 9.0, 14.0])


def problem(n: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(3)
    states, table = (
        torch.randn(rows, 4, generator=draw, dtype=torch.float64) for rows in (n, len(POPULARITY))
    )
    return states, table, torch.multinomial(POPULARITY, n, replacement=True, generator=draw)


def slow_loss(
    states: Tensor, table: Tensor, targets: Tensor, negatives: Tensor, power: float
) -> float:
    counts = POPULARITY.clamp(min=1).tolist()
    chance = [count**power for count in counts]
    losses = []
    for row, target in enumerate(targets.tolist()):
        score = [float(states[row] @ vector) for vector in table]
        total = math.exp(score[target])
        for item in targets.tolist() + negatives.tolist():
            expected = len(negatives) * chance[item] / sum(chance) + len(targets) * counts[
                item
            ] / sum(counts)
            total += math.exp(score[item]) / expected if item != target else 0
        losses.append(math.log(total) - score[target])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_loss_is_its_formula(power: float, monkeypatch: pytest.MonkeyPatch) -> None:
    states, table, targets = problem()
    negatives = torch.tensor([0, 0, 3, 6, 2, 1])
    criterion = SampledSoftmax(POPULARITY, len(negatives), power)
    monkeypatch.setattr(criterion, "draw", lambda: negatives)
    loss = criterion((states, lambda items: table[items]), targets)
    assert loss.item() == pytest.approx(
        slow_loss(states, table, targets, negatives, power), rel=1e-6
    )


def test_with_many_negatives_it_is_the_full_softmax() -> None:
    states, table, targets = problem()
    criterion = SampledSoftmax(POPULARITY, 400_000)
    torch.manual_seed(0)
    loss = criterion((states, lambda items: table[items]), targets)
    assert loss.item() == pytest.approx(F.cross_entropy(states @ table.T, targets).item(), rel=5e-3)


def test_negatives_follow_the_power_of_popularity() -> None:
    torch.manual_seed(0)
    drawn = (
        torch.bincount(SampledSoftmax(POPULARITY, 200_000, 0.5).draw(), minlength=len(POPULARITY))
        / 200_000
    )
    expected = POPULARITY.clamp(min=1).sqrt() / POPULARITY.clamp(min=1).sqrt().sum()
    torch.testing.assert_close(drawn, expected, atol=4e-3, rtol=0)


@pytest.fixture(scope="module")
def world() -> Sessions:
    return ItemClusterer(random_state=0).fit_transform(tiny_world(60))


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
@pytest.mark.parametrize("prompts", [(), ("cluster", "user")])
def test_every_backbone_learns_from_a_sample(
    backbone: str, prompts: tuple[str, ...], world: Sessions
) -> None:
    model = PromptedSessionRecommender(
        backbone,
        prompts=prompts,
        dim=8,
        batch_size=64,
        max_epochs=3,
        lr=0.02,
        lr_schedule="constant",
        n_negatives=5,
        validation_fraction=None,
        random_state=0,
    ).fit(world)
    first, last = model.history_[0]["train_loss"], model.history_[-1]["train_loss"]
    assert math.isfinite(first) and last < first


def test_a_ring_is_learnt_from_a_sample(ring: Sessions) -> None:
    model = PromptedSessionRecommender(
        prompts=(),
        dim=16,
        batch_size=32,
        lr=0.02,
        max_epochs=8,
        n_negatives=4,
        patience=None,
        refit=False,
        random_state=0,
    )
    assert model.fit(ring).score(ring, metric="recall", k=1) > 0.95


def test_a_step_touches_only_the_rows_it_looked_up(world: Sessions) -> None:
    model = PromptedSessionRecommender(
        prompts=(),
        dim=8,
        batch_size=10_000,
        max_epochs=1,
        n_negatives=1,
        validation_fraction=None,
        random_state=0,
    ).fit(world[:2])
    grown = model.set_params(warm_start=True).fit(world)
    before = grown.network_.items.detach().clone()
    after = grown.fit(world[:1]).network_.items.detach()
    moved = (after != before).any(dim=1)
    assert 0 < moved.sum() <= len(set(world[:1].codes.tolist())) + 1
