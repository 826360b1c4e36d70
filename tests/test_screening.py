"""Ranks, losses and lists without scores, against those from all scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sessionprompt.network import _Scores
from sessionprompt.scoring import LEAST, Screened, can_screen_rows, can_screen_table
from sessionprompt.scoring import compiled as _compiled

pytestmark = pytest.mark.skipif(
    not _compiled.usable(torch.device("cpu")),
    reason="the compiled module needs a compiler at installation and a processor with AVX-512 BF16 and without AMX",
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
    ranks = Screened(states, table).ranks(targets, "pessimistic")
    assert (ranks >= 1 + ((scores > own) & ~unclear).sum(1).numpy()).all()
    assert (ranks <= ((scores > own) | unclear).sum(1).numpy()).all()


@pytest.mark.parametrize(("both", "target", "rank"), [(3.0, 3.5, 1), (1.0, 0.5, 2)])
def test_rounding_as_bad_as_it_gets_hides_nothing(both: float, target: float, rank: int) -> None:
    """States and candidate lie half-way between two numbers of bfloat16, and are rounded past the target."""
    state, other, own = (torch.full((1, 32), 1 + value / 256) for value in (both, both, target))
    assert ((other - own).sum() > 0) != ((other.bfloat16() - own).sum() > 0)
    ranks = Screened(state.repeat(LEAST, 1), torch.cat([other, own])).ranks(
        torch.ones(LEAST, dtype=torch.long), "midpoint"
    )
    assert ranks.tolist() == [rank] * LEAST


@pytest.mark.parametrize("ties", ["pessimistic", "midpoint", "optimistic"])
def test_ties_are_counted_as_elsewhere(ties: str) -> None:
    states, table, targets = problem(100, 500, 4)
    states, table = states.sign(), table.sign()  # sums of signs are exact
    screened = Screened(states, table).ranks(targets, ties)
    assert screened.tolist() == _Scores(states @ table.T).ranks(targets, ties).tolist()


@pytest.mark.parametrize("k", [1, 5, 60])
@pytest.mark.parametrize(("n", "n_items", "dim"), SIZES[1:])
def test_lists_are_those_of_a_sort(n: int, n_items: int, dim: int, k: int) -> None:
    states, table, _ = problem(n, n_items, dim)
    places, values = Screened(states, table).highest(k)
    scores = (states @ table.T).numpy()
    np.testing.assert_allclose(values, -np.sort(-scores, axis=1)[:, :k], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(scores, places, 1), values, rtol=1e-4, atol=1e-5)
    assert all(len(set(row.tolist())) == k for row in places)


def test_of_equal_scores_the_first_items_are_listed() -> None:
    places, _ = Screened(torch.ones(3, 4), torch.ones(1000, 4)).highest(5)
    assert places.tolist() == [[0, 1, 2, 3, 4]] * 3


def test_losses_are_close_to_exact_ones() -> None:
    states, table, targets = problem(200, 3000, 32)
    exact = torch.nn.functional.cross_entropy(
        states.double() @ table.double().T, targets, reduction="none"
    )
    losses = Screened(states, table).losses(targets)
    np.testing.assert_allclose(losses, exact, atol=0.1)
    np.testing.assert_allclose(losses.mean(), exact.mean(), rtol=1e-4)


def test_threads_change_nothing() -> None:
    states, table, targets = problem(300, 500, 16)
    before = torch.get_num_threads()
    results = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        one = Screened(states, table)
        results.append(
            (one.ranks(targets, "midpoint").tolist(), *(found.tolist() for found in one.highest(7)))
        )
    torch.set_num_threads(before)
    assert results[0] == results[1]


def test_few_rows_broken_numbers_and_other_types_are_left_to_others() -> None:
    states, table, _ = problem(LEAST, 100, 8)
    assert can_screen_rows(states) and can_screen_table(table)
    assert not can_screen_rows(states[1:])
    assert not can_screen_table(table.double())
    assert not can_screen_rows(states.index_fill(0, torch.tensor([3]), torch.nan))
    assert not can_screen_table(table.index_fill(0, torch.tensor([3]), torch.inf))
