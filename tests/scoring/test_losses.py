"""The fused softmax loss against torch's own, and inner products in blocks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sessionprompt.losses import FullSoftmax, linear_cross_entropy
from sessionprompt.scoring import Candidates, cross_entropy, scores_against, sizes


def problem(
    n: int, n_items: int, dim: int = 8, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(n * 7919 + n_items)
    states = torch.randn(n, dim, generator=draw, dtype=dtype, requires_grad=True)
    table = torch.randn(n_items, dim, generator=draw, dtype=dtype, requires_grad=True)
    targets = torch.randint(n_items, (n,), generator=draw)
    return states, table, targets


def both(
    states: Tensor, table: Tensor, targets: Tensor, scale: float = 1.0
) -> tuple[list[Tensor], list[Tensor]]:
    """(loss, gradients) of the fused loss and of torch's."""
    results = []
    for loss in (
        linear_cross_entropy(states, table, targets, "float32"),
        F.cross_entropy(states @ table.T, targets),
    ):
        results.append([loss, *torch.autograd.grad(scale * loss, (states, table))])
    return results[0], results[1]


EDGES = [1, 2, 513, 4095, 4097, 6145, 8200]


@pytest.mark.parametrize("n_items", EDGES)
@pytest.mark.parametrize("n", [1, 128, 129, 330])
def test_it_is_cross_entropy(n: int, n_items: int) -> None:
    fused, plain = both(*problem(n, n_items))
    for one, other in zip(fused, plain, strict=True):
        largest = other.detach().abs().max().item() or 0.1  # with a single item, everything is zero
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * largest)


def relative(one: Tensor, other: Tensor) -> float:
    return ((one - other).norm() / other.norm()).item()


@pytest.mark.parametrize("compiled", [True, False])
# lengths of states: from uniform to almost certain
@pytest.mark.parametrize("sharpness", [1.0, 14.0, 60.0, 300.0])
@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-5), ("bfloat16", 5e-3)])
def test_gradients_are_close_however_sure_the_model_is(
    monkeypatch: pytest.MonkeyPatch, precision: str, bound: float, sharpness: float, compiled: bool
) -> None:
    if not compiled:
        monkeypatch.setattr(cross_entropy, "usable", lambda device: False)
    states, table, targets = problem(300, 5000, 32, torch.float64)
    with torch.no_grad():
        table /= table.norm(dim=1, keepdim=True)
        states += 3 * table[targets]
        states *= sharpness / states.norm(dim=1, keepdim=True)
    rounded = [tensor.detach().float().requires_grad_() for tensor in (states, table)]
    loss = linear_cross_entropy(*rounded, targets, precision)
    exact = F.cross_entropy(rounded[0].double() @ rounded[1].double().T, targets)
    for one, other in zip(
        torch.autograd.grad(loss, rounded), torch.autograd.grad(exact, rounded), strict=True
    ):
        assert one.dtype == torch.float32 and relative(one, other) < bound
    assert relative(loss, exact) < bound


def test_the_precision_of_other_products_is_left_alone() -> None:
    states, table, targets = problem(300, 500, 64)
    expected = states @ table.T
    linear_cross_entropy(states, table, targets, "bfloat16").backward()
    assert torch.equal(states @ table.T, expected)


def test_double_precision_stays_double() -> None:
    states, table, targets = problem(20, 30, dtype=torch.float64)
    fused, _ = both(states, table, targets)
    assert linear_cross_entropy(states, table, targets, "bfloat16") == fused[0]


def test_under_autocast_the_loss_is_exact() -> None:
    states, table, targets = problem(20, 30)
    with torch.autocast("cpu", torch.bfloat16):
        loss = linear_cross_entropy(states.bfloat16().requires_grad_(), table, targets, "float32")
    torch.testing.assert_close(loss, F.cross_entropy(states.bfloat16().float() @ table.T, targets))


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match=r"precision='half' is not known; choose one of \['auto'"):
        linear_cross_entropy(*problem(2, 3), "half")


@pytest.mark.parametrize(("tile", "n", "n_items"), [(2, 5, 7), (3, 1, 1), (4, 9, 4), (1, 3, 3)])
def test_gradcheck_over_tile_borders(
    monkeypatch: pytest.MonkeyPatch, tile: int, n: int, n_items: int
) -> None:
    monkeypatch.setattr(sizes, "LOSS_ROWS", sizes.Size(tile, tile))
    monkeypatch.setattr(sizes, "LOSS_TILE", sizes.Size(tile, tile))
    states, table, targets = problem(n, n_items, 3, torch.float64)
    assert torch.autograd.gradcheck(
        lambda s, t: linear_cross_entropy(s, t, targets), (states, table)
    )


@pytest.mark.parametrize("scale", [0.5, -3.0])
def test_a_loss_may_be_scaled(scale: float) -> None:
    fused, plain = both(*problem(20, 30, dtype=torch.float64), scale=scale)
    for one, other in zip(fused, plain, strict=True):
        torch.testing.assert_close(one, other)


def test_repeated_targets_add_up() -> None:
    states, table, _ = problem(6, 4, dtype=torch.float64)
    fused, plain = both(states, table, torch.tensor([1, 1, 1, 1, 3, 3]))
    for one, other in zip(fused, plain, strict=True):
        torch.testing.assert_close(one, other)


def test_large_scores_do_not_overflow() -> None:
    states, table, targets = problem(6, 40, dtype=torch.float64)
    fused, plain = both((states * 1e3).detach().requires_grad_(), table, targets)
    assert fused[0].isfinite()
    for one, other in zip(fused, plain, strict=True):
        torch.testing.assert_close(one, other)


def test_going_back_twice_doubles_the_gradients() -> None:
    states, table, targets = problem(6, 4)
    loss = linear_cross_entropy(states, table, targets)
    expected = [2 * grad for grad in torch.autograd.grad(loss, (states, table), retain_graph=True)]
    loss.backward(retain_graph=True)
    loss.backward()
    torch.testing.assert_close([states.grad, table.grad], expected)


def test_only_what_asks_gets_a_gradient() -> None:
    states, table, targets = problem(6, 4)
    linear_cross_entropy(states.detach(), table, targets).backward()
    assert states.grad is None and table.grad is not None
    assert not linear_cross_entropy(states.detach(), table.detach(), targets).requires_grad


def test_the_loss_does_not_touch_its_inputs() -> None:
    states, table, targets = problem(600, 700)
    before = states.detach().clone(), table.detach().clone()
    linear_cross_entropy(states, table, targets).backward()
    assert torch.equal(states, before[0]) and torch.equal(table, before[1])


def test_the_criterion_is_the_loss() -> None:
    states, table, targets = problem(6, 4)
    assert torch.equal(
        FullSoftmax()((states, table), targets), linear_cross_entropy(states, table, targets)
    )


@pytest.mark.parametrize("held", [1, 12, 15, 10_000])
def test_blocks_hold_the_scores(monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    monkeypatch.setattr(sizes, "BLOCK_SCORES", held)
    monkeypatch.setattr(sizes, "BLOCK_ROWS", 1)
    states, table, _ = problem(7, 5)
    scores = scores_against(states, Candidates(table))
    blocks = [(rows, part.matrix().clone()) for rows, part in scores.blocks()]
    assert [row for rows, _ in blocks for row in range(rows.start, rows.stop)] == list(range(7))
    assert all(part.numel() <= max(held, 5) for _, part in blocks)
    torch.testing.assert_close(torch.cat([part for _, part in blocks]), (states @ table.T).detach())
