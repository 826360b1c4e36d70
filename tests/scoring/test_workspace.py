"""Memory that the loss uses again within a workspace, and what is never kept there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from sessionprompt.scoring import linear_cross_entropy, workspace
from sessionprompt.scoring.scratch import scratch

CPU = torch.device("cpu")


def place(name: str = "scores", number: int = 0, n: int = 1000) -> int:
    return scratch(name, number, n, torch.float32, CPU).data_ptr()


def test_memory_is_used_again_within_and_not_without() -> None:
    with workspace():
        first = place()
        assert place(n=900) == first
        assert place("other") != first
        assert place(number=1) != first
        assert scratch("scores", 0, 1000, torch.float64, CPU).data_ptr() != first
        held = scratch("scores", 0, 2000, torch.float32, CPU)
        assert len(held) == 2000 and place() == held.data_ptr()
    outside = [scratch("scores", 0, 1000, torch.float32, CPU) for _ in range(2)]
    assert outside[0].data_ptr() != outside[1].data_ptr()


def test_a_workspace_ends_after_an_error_and_within_another() -> None:
    with workspace():
        first = scratch("scores", 0, 1000, torch.float32, CPU)
        with pytest.raises(KeyboardInterrupt), workspace():
            assert place() != first.data_ptr()
            raise KeyboardInterrupt
        assert place() == first.data_ptr()


def test_threads_do_not_share_a_workspace() -> None:
    with workspace(), ThreadPoolExecutor(1) as pool:
        held = scratch("scores", 0, 1000, torch.float32, CPU)
        assert pool.submit(place).result() != held.data_ptr()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gradients_outlive_the_next_step(precision: str) -> None:
    draw = torch.Generator().manual_seed(0)
    table = torch.randn(700, 8, generator=draw, requires_grad=True)
    targets = torch.randint(700, (300,), generator=draw)

    def gradients(seed: int) -> tuple[torch.Tensor, ...]:
        states = torch.randn(300, 8, generator=torch.Generator().manual_seed(seed))
        states.requires_grad_()
        loss = linear_cross_entropy(states, table, targets, precision)
        return (loss, *torch.autograd.grad(loss, (states, table)))

    alone = [gradients(seed) for seed in range(3)]
    with workspace():
        together = [gradients(seed) for seed in range(3)]
    for one, other in zip(alone, together, strict=True):
        for tensor, same in zip(one, other, strict=True):
            assert torch.equal(tensor, same)
