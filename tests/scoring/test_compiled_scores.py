"""Ranks, losses and lists by the compiled kernels, against those from all scores."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sessionprompt.kernels import obstacle, usable
from sessionprompt.scoring import Candidates, DenseScores, InnerProduct
from sessionprompt.scoring.compiled_scores import CompiledScores, suits_kernels
from sessionprompt.scoring.sizes import KERNEL_LEAST_ROWS

pytestmark = pytest.mark.skipif(
    not usable(torch.device("cpu")), reason=str(obstacle(torch.device("cpu")))
)


def problem(n: int, n_items: int, dim: int, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(n * 7919 + n_items)
    states, table = (scale * torch.randn(rows, dim, generator=draw) for rows in (n, n_items))
    return states, table, torch.randint(n_items, (n,), generator=draw)


SIZES = [
    (1, 1, 1),
    (5, 63, 16),
    (6, 64, 17),
    (7, 65, 33),
    (130, 193, 64),
    (601, 385, 100),
    (1300, 1000, 5),
]


@pytest.mark.parametrize("scale", [1e-18, 1e-6, 1.0, 30.0])
@pytest.mark.parametrize(("n", "n_items", "dim"), SIZES)
def test_ranks_are_those_of_exact_scores(n: int, n_items: int, dim: int, scale: float) -> None:
    states, table, targets = problem(n, n_items, dim, scale)
    table[n_items // 2 :: 7] = table[targets[0]].clone()  # the same vectors score the same
    scores = states.double() @ table.double().T
    own = scores[torch.arange(n), targets].unsqueeze(1)
    # where float32 may round either way
    unclear = (scores - own).abs() <= 1e-5 * scores.abs().max()
    ranks = CompiledScores(states, table).ranks(targets, "pessimistic")
    assert (ranks >= 1 + ((scores > own) & ~unclear).sum(1)).all()
    assert (ranks <= ((scores > own) | unclear).sum(1)).all()


@pytest.mark.parametrize(("both", "target", "rank"), [(3.0, 3.5, 1), (1.0, 0.5, 2)])
def test_rounding_as_bad_as_it_gets_hides_nothing(both: float, target: float, rank: int) -> None:
    """States and candidate lie between two numbers of bfloat16, and are rounded past the target."""
    state, other, own = (torch.full((1, 32), 1 + value / 256) for value in (both, both, target))
    assert ((other - own).sum() > 0) != ((other.bfloat16() - own).sum() > 0)
    scores = CompiledScores(state.repeat(KERNEL_LEAST_ROWS, 1), torch.cat([other, own]))
    ranks = scores.ranks(torch.ones(KERNEL_LEAST_ROWS, dtype=torch.long), "midpoint")
    assert ranks.tolist() == [rank] * KERNEL_LEAST_ROWS


@pytest.mark.parametrize("ties", ["pessimistic", "midpoint", "optimistic"])
def test_ties_are_counted_as_elsewhere(ties: str) -> None:
    states, table, targets = problem(100, 500, 4)
    states = states.sign()
    table = table.sign()
    dense = DenseScores(states @ table.T)  # exact, as sums of signs are
    ranks = CompiledScores(states, table).ranks(targets, ties)
    assert ranks.tolist() == dense.ranks(targets, ties).tolist()


def test_any_threshold_can_be_counted_from() -> None:
    states, table, targets = problem(100, 500, 4)
    states = states.sign()
    table = table.sign()
    thresholds = torch.randint(-4, 5, (100,)).float()
    excluded = torch.where(targets % 3 == 0, -1, targets)
    found = CompiledScores(states, table).count_greater(thresholds, excluded)
    expected = DenseScores(states @ table.T).count_greater(thresholds, excluded)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("k", [1, 5, 60])
@pytest.mark.parametrize(("n", "n_items", "dim"), SIZES[1:])
def test_lists_are_those_of_a_sort(n: int, n_items: int, dim: int, k: int) -> None:
    states, table, _ = problem(n, n_items, dim)
    places, values = CompiledScores(states, table).topk(k)
    scores = states @ table.T
    expected = scores.sort(dim=1, descending=True).values[:, :k]
    torch.testing.assert_close(values, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scores.gather(1, places), values, rtol=1e-4, atol=1e-5)
    assert all(len(set(row.tolist())) == k for row in places)


def test_of_equal_scores_the_first_items_are_listed() -> None:
    places, _ = CompiledScores(torch.ones(3, 4), torch.ones(1000, 4)).topk(5)
    assert places.tolist() == [[0, 1, 2, 3, 4]] * 3


def test_losses_are_close_to_exact_ones() -> None:
    states, table, targets = problem(200, 3000, 32)
    exact = torch.nn.functional.cross_entropy(
        states.double() @ table.double().T, targets, reduction="none"
    )
    scores = CompiledScores(states, table)
    losses = scores.losses(targets).double()
    torch.testing.assert_close(losses, exact, atol=0.1, rtol=0)
    torch.testing.assert_close(losses.mean(), exact.mean(), atol=0, rtol=1e-4)
    sums = (states.double() @ table.double().T).logsumexp(1)
    torch.testing.assert_close(scores.logsumexp().double(), sums, atol=0.1, rtol=0)


def test_threads_change_nothing() -> None:
    states, table, targets = problem(300, 500, 16)
    before = torch.get_num_threads()
    results = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        one = CompiledScores(states, table)
        codes, values = one.topk(7)
        ranks = one.ranks(targets, "midpoint")
        results.append((ranks.tolist(), codes.tolist(), values.tolist()))
    torch.set_num_threads(before)
    assert results[0] == results[1]


def test_few_rows_broken_numbers_and_other_types_are_left_to_others() -> None:
    states, table, _ = problem(KERNEL_LEAST_ROWS, 100, 8)
    fourth = torch.tensor([3])
    assert suits_kernels(table)
    assert not suits_kernels(table.double())
    assert not suits_kernels(table.index_fill(0, fourth, torch.inf))
    assert ranked_by(states, table) is CompiledScores
    assert ranked_by(states[1:], table) is DenseScores
    assert ranked_by(states.index_fill(0, fourth, torch.nan), table) is DenseScores


def ranked_by(states: Tensor, table: Tensor) -> type:
    _, part = next(iter(InnerProduct(states, Candidates(table)).blocks()))
    return type(part)
