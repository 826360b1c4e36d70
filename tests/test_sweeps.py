"""The compiled sweeps against torch's, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from sessionprompt.scoring import compiled as _compiled
from sessionprompt.scoring import linear_cross_entropy
from sessionprompt.scoring import tiles as _sweeps

pytestmark = pytest.mark.skipif(
    not _compiled.usable(torch.device("cpu")),
    reason="the compiled module needs a compiler at installation and a processor with AVX-512 BF16 and without AMX",
)


def problem(n: int, n_items: int, dim: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """States and table of numbers that bfloat16 can hold, so that scores are exact; targets, their scores."""
    draw = torch.Generator().manual_seed(n * 7919 + n_items)
    states, table = (
        torch.randn(rows, dim, generator=draw).bfloat16().float() for rows in (n, n_items)
    )
    targets = torch.randint(n_items, (n,), generator=draw)
    return states, table, targets, (states * table[targets]).sum(1, keepdim=True)


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Threads that share the candidates out, which they do from one candidate on."""
    before, columns = torch.get_num_threads(), _sweeps.COLUMNS
    torch.set_num_threads(request.param)
    _sweeps.COLUMNS = 1
    yield request.param
    torch.set_num_threads(before)
    _sweeps.COLUMNS = columns


SIZES = [
    (1, 2, 3),
    (5, 63, 16),
    (6, 64, 17),
    (7, 65, 33),
    (512, 193, 64),
    (601, 385, 100),
    (1300, 1000, 5),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "n_items", "dim"), SIZES)
def test_compiled_and_tiled_agree(
    n: int, n_items: int, dim: int, threads: int, weighted: bool
) -> None:
    added = torch.linspace(-9, 9, n_items) if weighted else None
    problem_ = *problem(n, n_items, dim), added
    exact = _sweeps.tiled(
        *(one.double() if one is not None and one.is_floating_point() else one for one in problem_),
        low=False,
    )
    others, *gradients = _sweeps.compiled(*problem_)
    torch.testing.assert_close(others.double(), exact[0], rtol=1e-6, atol=1e-5)
    for one, other in zip(gradients, exact[1:], strict=True):
        assert (one - other).norm() <= 3e-3 * other.norm()


def test_scores_that_grow_from_block_to_block_do_not_overflow() -> None:
    table = torch.arange(1000.0).unsqueeze(1)
    states, targets = torch.tensor([[2.0], [-2.0], [0.0]]), torch.tensor([0, 999, 5])
    exact = (states @ table.T).scatter(1, targets.unsqueeze(1), -torch.inf).logsumexp(1)
    torch.testing.assert_close(_sweeps.compiled_log_sums(states, table, targets).flatten(), exact)
    others, of_states, of_table = _sweeps.compiled(
        states, table, targets, states * table[targets], None
    )
    torch.testing.assert_close(others.flatten(), exact)
    assert of_states.isfinite().all() and of_table.isfinite().all()


def test_a_single_candidate_leaves_nothing_to_learn() -> None:
    states, table, targets, _ = problem(3, 1, 8)
    loss = linear_cross_entropy(
        states.requires_grad_(), table.requires_grad_(), targets, "bfloat16"
    )
    assert loss == 0 and all(
        (grad == 0).all() for grad in torch.autograd.grad(loss, (states, table))
    )


def test_states_in_any_order_of_memory() -> None:
    states, table, targets, own = problem(20, 100, 8)
    turned = states.T.contiguous().T, table.T.contiguous().T
    for one, other in zip(
        _sweeps.compiled(*turned, targets, own, None),
        _sweeps.compiled(states, table, targets, own, None),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_a_broken_number_is_not_hidden() -> None:
    states, table, targets, _ = problem(20, 100, 8)
    table[50, 3] = torch.nan
    assert linear_cross_entropy(states, table, targets, "bfloat16").isnan()
