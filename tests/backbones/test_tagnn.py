"""Target attention without its large tensor, against the definition with it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from samples import MIXED, build, prefixes, same, vectors, whole

from sessionprompt import losses
from sessionprompt.backbones import TargetAttention, _target_attention
from sessionprompt.losses import FullSoftmax, score_blocks

LENGTHS, VISITS = [2, 1, 4], [1, 2, 1, 1, 3, 1, 1]


@pytest.fixture
def attention() -> TargetAttention:
    torch.manual_seed(0)
    states, keys, values = (torch.randn(n, 4, dtype=torch.float64, requires_grad=True) for n in (3, 7, 7))
    prefix = torch.repeat_interleave(torch.arange(3), torch.tensor(LENGTHS))
    return TargetAttention(states, keys, values, prefix, torch.tensor(VISITS))


@pytest.fixture
def table() -> torch.Tensor:
    return vectors(4, 9).requires_grad_()


def slow_scores(attention, table):
    """A vector per session and candidate, as the paper has it: every event of an item is there as often as it is."""
    rows = []
    for number, state in enumerate(attention.states):
        times = torch.where(attention.prefix == number, attention.visits, 0)
        keys, values = (part.repeat_interleave(times, dim=0) for part in (attention.keys, attention.values))
        beta = (table @ keys.T).softmax(dim=1)  # (N, events)
        rows.append(((state + beta @ values) * table).sum(dim=1))
    return torch.stack(rows)


@pytest.mark.parametrize("tile", [1, 21, 1000])
def test_scores_and_gradients_are_those_of_the_definition(attention, table, tile, monkeypatch):
    monkeypatch.setattr(_target_attention, "TILE", tile)
    inputs = (attention.states, attention.keys, attention.values, table)
    weight = torch.randn(3, 9, dtype=torch.float64)
    found, expected = attention.scores(table), slow_scores(attention, table)
    same(found, expected)
    for one, other in zip(
        torch.autograd.grad((found * weight).sum(), inputs),
        torch.autograd.grad((expected * weight).sum(), inputs),
        strict=True,
    ):
        same(one, other)


def test_large_energies_do_not_overflow(attention, table):
    loud = TargetAttention(attention.states, 1e4 * attention.keys, attention.values, attention.prefix, attention.visits)
    same(loud.scores(table), slow_scores(loud, table))


def test_the_loss_is_cross_entropy(attention, table):
    targets = torch.tensor([0, 8, 3])
    expected = F.cross_entropy(slow_scores(attention, table), targets)
    same(FullSoftmax()((attention, table), targets), expected)


@pytest.mark.parametrize("block", [1, 18, 1000])
def test_ranking_takes_blocks_of_rows(attention, table, block, monkeypatch):
    monkeypatch.setattr(losses, "BLOCK_SCORES", block)
    with torch.no_grad():
        blocks = list(score_blocks(attention, table))
        same(torch.cat([scores for _, scores in blocks]), slow_scores(attention, table))
    assert [row for rows, _ in blocks for row in range(3)[rows]] == [0, 1, 2]


def test_a_single_event_has_all_the_attention():
    model, table = build("tagnn"), vectors()
    with torch.no_grad():
        scored = model(table[:1], whole([[0]]))
        same(scored.scores(table), (scored.states + scored.values) @ table.T)


def test_attention_to_everything_alike_is_a_mean():
    model, table = build("tagnn"), vectors()
    torch.nn.init.zeros_(model.target.weight)
    batch = prefixes(MIXED, True)
    with torch.no_grad():
        scored = model(table[batch.items], batch)
        events = scored.visits.double().unsqueeze(1)
        total = torch.zeros_like(scored.states).index_add(0, scored.prefix, scored.values * events)
        mean = total / torch.zeros(len(batch), 1).double().index_add(0, scored.prefix, events)
        same(scored.scores(table), (scored.states + mean) @ table.T)
