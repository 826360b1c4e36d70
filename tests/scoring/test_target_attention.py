"""Target attention without its large tensor, against the definition with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from sessionprompt.losses import FullSoftmax
from sessionprompt.scoring import Candidates, TargetAttention, scores_against, sizes

LENGTHS, NODES, VISITS = [2, 1, 4], [4, 2, 0, 1, 2, 3, 4], [1, 2, 1, 1, 3, 1, 1]


@pytest.fixture
def attention() -> TargetAttention:
    torch.manual_seed(0)
    states, keys, values = (
        torch.randn(n, 4, dtype=torch.float64, requires_grad=True) for n in (3, 5, 5)
    )
    prefix = torch.repeat_interleave(torch.arange(3), torch.tensor(LENGTHS))
    return TargetAttention(states, keys, values, prefix, torch.tensor(NODES), torch.tensor(VISITS))


@pytest.fixture
def table() -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(9, 4, dtype=torch.float64, generator=draw, requires_grad=True)


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def slow_scores(attention, table):
    """A vector per session and candidate, as the paper has it, with every event of an item."""
    rows = []
    for number, state in enumerate(attention.states):
        inside = attention.prefix == number
        events = attention.node[inside].repeat_interleave(attention.visits[inside])
        keys, values = attention.keys[events], attention.values[events]
        beta = (table @ keys.T).softmax(dim=1)  # (N, events)
        rows.append(((state + beta @ values) * table).sum(dim=1))
    return torch.stack(rows)


@pytest.fixture(params=[(1, 1), (2, 150), (1024, 8_000_000)], ids=["single", "few", "one block"])
def block_sizes(request, monkeypatch) -> None:
    """Tiles and blocks of several sizes."""
    tile, numbers = request.param
    monkeypatch.setattr(sizes, "ATTENTION_TILE", sizes.Size(tile, tile))
    monkeypatch.setattr(sizes, "ATTENTION_NUMBERS", sizes.Size(numbers, numbers))


def gradients(attention, table, result):
    return torch.autograd.grad(result, (attention.states, attention.keys, attention.values, table))


def scaled(attention, factor):
    return replace(attention, keys=(factor * attention.keys).detach().requires_grad_())


@pytest.mark.usefixtures("block_sizes")
# at which no two prefixes can share the highest exponent
@pytest.mark.parametrize("factor", [1, 1e4])
def test_scores_and_gradients_are_those_of_the_definition(attention, table, factor):
    attention, weight = scaled(attention, factor), torch.randn(3, 9, dtype=torch.float64)
    found, expected = attention.scores(table), slow_scores(attention, table)
    same(found, expected)
    for one, other in zip(
        gradients(attention, table, (found * weight).sum()),
        gradients(attention, table, (expected * weight).sum()),
        strict=True,
    ):
        same(one, other)


@pytest.mark.usefixtures("block_sizes")
@pytest.mark.parametrize("factor", [1, 1e4])
def test_loss_and_gradients_are_those_of_the_definition(attention, table, factor):
    attention, targets = scaled(attention, factor), torch.tensor([0, 8, 3])
    found, expected = (
        attention.cross_entropy(table, targets),
        F.cross_entropy(slow_scores(attention, table), targets),
    )
    same(found, expected)
    pairs = zip(
        gradients(attention, table, 3 * found),
        gradients(attention, table, 3 * expected),
        strict=True,
    )
    for one, other in pairs:
        same(one, other)


def test_the_loss_passes_gradcheck(attention, table):
    def loss(states, keys, values, candidates):
        attended = replace(attention, states=states, keys=keys, values=values)
        return attended.cross_entropy(candidates, torch.tensor([4, 0, 8]))

    assert torch.autograd.gradcheck(
        loss, (attention.states, attention.keys, attention.values, table)
    )


def test_single_precision_keeps_five_digits(attention, table):
    short = [
        part.detach().float().requires_grad_()
        for part in (attention.states, attention.keys, attention.values)
    ]
    single = replace(attention, states=short[0], keys=short[1], values=short[2])
    candidates, targets = table.detach().float().requires_grad_(), torch.tensor([0, 8, 3])
    expected = gradients(attention, table, F.cross_entropy(slow_scores(attention, table), targets))
    found = gradients(single, candidates, single.cross_entropy(candidates, targets))
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= 1e-5 * other.norm()


def test_only_single_nodes(table):
    states, keys, values = (
        torch.randn(2, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)
    )
    one = torch.arange(2)
    attention, targets = (
        TargetAttention(states, keys, values, one, one, one + 1),
        torch.tensor([5, 1]),
    )
    same(attention.scores(table), slow_scores(attention, table))
    same(
        attention.cross_entropy(table, targets),
        F.cross_entropy(slow_scores(attention, table), targets),
    )
    attention.cross_entropy(table, targets).backward()
    same(states.grad, values.grad)


def test_the_loss_is_cross_entropy(attention, table):
    targets = torch.tensor([0, 8, 3])
    expected = F.cross_entropy(slow_scores(attention, table), targets)
    same(FullSoftmax()((attention, table), targets), expected)


@pytest.mark.parametrize("block", [1, 18, 1000])
def test_ranking_takes_blocks_of_rows(attention, table, block, monkeypatch):
    monkeypatch.setattr(sizes, "BLOCK_SCORES", block)
    with torch.no_grad():
        blocks = list(scores_against(attention, Candidates(table)).blocks())
        scores = torch.cat([part.matrix() for _, part in blocks])
        same(scores, slow_scores(attention, table))
    assert [row for rows, _ in blocks for row in range(3)[rows]] == [0, 1, 2]


@pytest.mark.parametrize(
    "rows", [slice(1, 3), torch.tensor([0, 2]), torch.tensor([True, False, True])]
)
def test_some_prefixes_score_as_among_all(attention, table, rows):
    same(attention[rows].scores(table), slow_scores(attention, table)[rows])


def test_with_log_weights_the_loss_is_that_of_the_matrix(attention, table):
    scores = scores_against(attention, Candidates(table))
    targets = torch.tensor([0, 8, 3])
    log_weights = torch.linspace(-1, 1, 9, dtype=torch.float64)
    weighted = slow_scores(attention, table) + log_weights
    place = targets.unsqueeze(1)
    weighted = weighted.scatter_add(1, place, -log_weights[place])
    expected = F.cross_entropy(weighted, targets)
    same(scores.cross_entropy(targets, log_weights=log_weights), expected)
