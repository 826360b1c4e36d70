"""The compiled sweeps against torch's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from sessionprompt.scoring import linear_cross_entropy, obstacle, sizes
from sessionprompt.scoring.compiled import compiled, compiled_logsumexp
from sessionprompt.scoring.tiles import tiled

OBSTACLE = obstacle(torch.device("cpu"))
pytestmark = pytest.mark.skipif(OBSTACLE is not None, reason=str(OBSTACLE))


def problem(n: int, n_items: int, dim: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """States and table that bfloat16 can hold, so that scores are exact; targets, their scores."""
    draw = torch.Generator().manual_seed(n * 7919 + n_items)
    states = torch.randn(n, dim, generator=draw).bfloat16().float()
    table = torch.randn(n_items, dim, generator=draw).bfloat16().float()
    targets = torch.randint(n_items, (n,), generator=draw)
    return states, table, targets, (states * table[targets]).sum(1, keepdim=True)


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Threads that share the candidates out, which they do from one candidate on."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    monkeypatch.setattr(sizes, "LOSS_TILE", sizes.Size(1, 1))
    yield request.param
    torch.set_num_threads(before)


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
    states, table, targets, target_score = problem(n, n_items, dim)
    log_weights = None
    exact_weights = None
    if weighted:
        log_weights = torch.linspace(-9, 9, n_items)
        exact_weights = log_weights.double()
    exact, *exact_gradients = tiled(
        states.double(),
        table.double(),
        targets,
        target_score.double(),
        exact_weights,
        bfloat16=False,
    )
    swept = compiled(states, table, targets, target_score, log_weights)
    rest_logsumexp, *gradients = swept
    torch.testing.assert_close(rest_logsumexp.double(), exact, rtol=1e-6, atol=1e-5)
    for gradient, exact_gradient in zip(gradients, exact_gradients, strict=True):
        assert (gradient - exact_gradient).norm() <= 3e-3 * exact_gradient.norm()


def test_scores_that_grow_from_block_to_block_do_not_overflow() -> None:
    table = torch.arange(1000.0).unsqueeze(1)
    states = torch.tensor([[2.0], [-2.0], [0.0]])
    targets = torch.tensor([0, 999, 5])
    exact = (states @ table.T).scatter(1, targets.unsqueeze(1), -torch.inf).logsumexp(1)
    torch.testing.assert_close(compiled_logsumexp(states, table, targets).flatten(), exact)
    target_score = states * table[targets]
    swept = compiled(states, table, targets, target_score, None)
    rest_logsumexp, states_grad, table_grad = swept
    torch.testing.assert_close(rest_logsumexp.flatten(), exact)
    assert states_grad.isfinite().all() and table_grad.isfinite().all()


def test_a_single_candidate_leaves_nothing_to_learn() -> None:
    states, table, targets, _ = problem(3, 1, 8)
    states.requires_grad_()
    table.requires_grad_()
    loss = linear_cross_entropy(states, table, targets, "bfloat16")
    assert loss == 0
    assert all((grad == 0).all() for grad in torch.autograd.grad(loss, (states, table)))


def test_states_in_any_order_of_memory() -> None:
    states, table, targets, target_score = problem(20, 100, 8)
    turned_states = states.T.contiguous().T
    turned_table = table.T.contiguous().T
    turned = compiled(turned_states, turned_table, targets, target_score, None)
    straight = compiled(states, table, targets, target_score, None)
    for one, other in zip(turned, straight, strict=True):
        assert torch.equal(one, other)


def test_a_broken_number_is_not_hidden() -> None:
    states, table, targets, _ = problem(20, 100, 8)
    table[50, 3] = torch.nan
    assert linear_cross_entropy(states, table, targets, "bfloat16").isnan()
