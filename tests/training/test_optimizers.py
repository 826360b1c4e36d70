"""Adam over rows against Adam over everything."""

from __future__ import annotations

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sessionprompt.training import RowAdam

STEPS = ([0, 2, 2], [1, 0], [3, 1, 1, 2], [0])


def start() -> Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def loss_of(table: Tensor, items: list[int], sparse: bool) -> Tensor:
    return (F.embedding(torch.tensor(items).long(), table, sparse=sparse) ** 2).sum()


def slow_rows(table: Tensor, lr: float, decay: float) -> Tensor:
    """Adam, row by row, over the rows that occur."""
    table = table.clone()
    mean = torch.zeros(4, 3).double()
    square = torch.zeros(4, 3).double()
    for step, items in enumerate(STEPS, 1):
        for row in sorted(set(items)):
            gradient = 2 * items.count(row) * table[row] + decay * table[row]
            mean[row] = 0.9 * mean[row] + 0.1 * gradient
            square[row] = 0.999 * square[row] + 0.001 * gradient**2
            unbiased_mean = mean[row] / (1 - 0.9**step)
            unbiased_square = square[row] / (1 - 0.999**step)
            table[row] -= lr * unbiased_mean / (unbiased_square.sqrt() + 1e-8)
    return table


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_it_is_adam_on_the_rows_that_occur(decay: float) -> None:
    table = torch.nn.Parameter(start())
    optimizer = RowAdam([table], lr=0.1, weight_decay=decay)
    for items in STEPS:
        optimizer.zero_grad()
        loss_of(table, items, sparse=True).backward()
        optimizer.step()
    torch.testing.assert_close(table.detach(), slow_rows(start(), 0.1, decay))


@pytest.mark.parametrize("fused", [None, True])
def test_a_gradient_without_rows_moves_nothing(fused: bool | None) -> None:
    table = torch.nn.Parameter(start())
    optimizer = RowAdam([table], lr=0.1, fused=fused)
    loss_of(table, [], sparse=True).backward()
    optimizer.step()
    assert torch.equal(table, start()) and optimizer.state[table]["step"] == 1


@pytest.mark.parametrize("fused", [None, True])
def test_dense_gradients_are_left_to_adam(fused: bool | None) -> None:
    tables = [torch.nn.Parameter(start()) for _ in range(2)]
    for table, optimizer in zip(tables, (RowAdam, torch.optim.Adam), strict=True):
        adam = optimizer([table], lr=0.1, fused=fused)
        for items in STEPS:
            adam.zero_grad()
            loss_of(table, items, sparse=False).backward()
            adam.step()
    assert torch.equal(*tables)


def test_a_closure_is_called() -> None:
    table = torch.nn.Parameter(start())
    optimizer = RowAdam([table], lr=0.1)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(table, [1], sparse=True)
        loss.backward()
        return loss

    expected = loss_of(start(), [1], sparse=False)
    assert optimizer.step(closure).item() == expected.item()


def test_its_state_can_be_taken_up() -> None:
    whole = torch.nn.Parameter(start())
    parts = torch.nn.Parameter(start())
    optimizer = RowAdam([whole], lr=0.1, fused=True)
    first = RowAdam([parts], lr=0.1, fused=True)
    for place, items in enumerate(STEPS):
        if place == 2:
            state = first.state_dict()
            first = RowAdam([parts], lr=0.1, fused=True)
            first.load_state_dict(state)
        for table, adam in ((whole, optimizer), (parts, first)):
            adam.zero_grad()
            loss_of(table, items, sparse=True).backward()
            adam.step()
    assert torch.equal(whole, parts)


def test_it_does_without_the_compiler_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)  # an import of it fails
    table = torch.nn.Parameter(start())
    optimizer = RowAdam([table], lr=0.1, fused=True)
    loss_of(table, [1], sparse=False).backward()
    optimizer.step()
    optimizer.zero_grad()
    optimizer.load_state_dict(optimizer.state_dict())
    assert not torch.equal(table, start())
