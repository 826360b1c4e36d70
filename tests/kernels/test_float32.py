"""The float32 kernels of a training step: what torch computes, and refusals of what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sessionprompt.backbones import row_sums, unit, unit_sum
from sessionprompt.kernels import compiles, float32, without_kernels
from sessionprompt.scoring import BlockCandidates, cluster_cross_entropy
from sessionprompt.training import RowAdam

pytestmark = pytest.mark.skipif(
    not compiles(torch.zeros(1)), reason="no float32 kernels were built, or none for this processor"
)
N_ROWS, OWN, DRAWN, DIM, HIDDEN = 5, 4, 3, 6, 2


def both(work: Callable[[], Any]) -> list[Any]:
    """What some work gives with the kernels, and without."""
    with_kernels = work()
    with without_kernels():
        return [with_kernels, work()]


def assert_close(tensors: list[tuple[Tensor, ...]], tolerance: float = 1e-5) -> None:
    for one, other in zip(*tensors, strict=True):
        size = float(other.detach().abs().max())
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * size)


def candidates(rows: list[int], sizes: list[int], drawn: list[int], seed: int) -> BlockCandidates:
    """So many rows without a block and of each one, candidates of each, and drawn ones."""
    draw = torch.Generator().manual_seed(seed)
    block = torch.repeat_interleave(torch.arange(-1, len(sizes)), torch.tensor(rows))  # (B,)
    block = block[torch.randperm(len(block), generator=draw)]
    bounds = torch.tensor([0, *sizes])[block + 1]
    own_target = (torch.rand(len(block), generator=draw) * (bounds + 1)).long() - 1
    return BlockCandidates(
        own=torch.arange(sum(sizes)),
        sizes=torch.tensor(sizes),
        block=block,
        own_target=own_target,
        drawn=torch.arange(sum(drawn)),
        drawn_sizes=torch.tensor(drawn),
        drawn_target=torch.randint(-1, sum(drawn), (len(block),), generator=draw),
        log_weights=torch.randn(sum(drawn), generator=draw),
    )


LARGE_AND_SMALL = ([3, 1, 100, 0, 17], [5, 70, 3, 1], [40, 0, 7, 1, 2])
MANY_SMALL = (
    [0, *range(5)] * 10,
    [1, 30, 2, 17, 9] * 11 + [70, 5, 6, 1],
    [60, *range(5)] + [0, 2, 1] * 18,
)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dim", [1, 7, 8, 50, 64])
@pytest.mark.parametrize(
    "blocks", [LARGE_AND_SMALL, MANY_SMALL], ids=["large and small", "many small"]
)
def test_the_loss_over_candidates(blocks: Any, dim: int, threads: int) -> None:
    some = candidates(*blocks, seed=dim)
    draw = torch.Generator().manual_seed(dim)
    states = torch.randn(len(some.block), dim, generator=draw).requires_grad_()
    n = len(some.own) + len(some.drawn) + len(states)
    table = torch.randn(n, dim, generator=draw).requires_grad_()

    def work() -> tuple[Tensor, ...]:
        loss = cluster_cross_entropy(states, table, some)
        return loss, *torch.autograd.grad(loss, (states, table))

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert_close(both(work))
    finally:
        torch.set_num_threads(before)


def test_numbers_that_are_none_stay_so() -> None:
    some = candidates([2, 3], [4], [3, 1], seed=0)
    states = torch.randn(5, 8)
    for place, value in ((0, torch.nan), (5, torch.inf)):
        table = torch.randn(13, 8)
        table[place] = value
        assert not torch.isfinite(cluster_cross_entropy(states, table, some))


@pytest.mark.parametrize("dim", [1, 7, 64])
def test_rows_of_length_one(dim: int) -> None:
    x = torch.randn(9, dim)
    x[3] = 0
    x[4] *= 1e-14
    x.requires_grad_()
    weights = torch.randn(9, dim)

    def work() -> tuple[Tensor, ...]:
        scaled = unit(x)
        return scaled, *torch.autograd.grad((scaled * weights).sum(), x)

    assert_close(both(work))


@pytest.mark.parametrize("dim", [2, 7, 16, 50])
def test_sums_with_rows_of_length_one(dim: int) -> None:
    x = torch.randn(9, dim)
    x[3] = 0
    x.requires_grad_()
    added = torch.randn(9, dim).requires_grad_()
    weights = torch.randn(9, dim)

    def work() -> tuple[Tensor, ...]:
        sums = unit_sum(x, added)
        return sums, *torch.autograd.grad((sums * weights).sum(), (x, added))

    assert_close(both(work))


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("dim", [1, 7, 16, 50])
def test_sums_of_rows_that_codes_name(dim: int, columns: int) -> None:
    table = torch.randn(5, dim).requires_grad_()
    codes = torch.randint(-1, 4, (20, columns))  # the last row is nowhere
    weights = torch.randn(20, dim)

    def work() -> tuple[Tensor, ...]:
        sums = row_sums(table, codes)
        return sums, *torch.autograd.grad((sums * weights).sum(), table)

    compiled, composed = both(work)
    assert_close([compiled, composed])
    assert not compiled[1][4].any()


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_step_of_rows_some_of_which_occur_several_times(decay: float) -> None:
    start = torch.randn(20, 7)
    rows = torch.tensor([[3, 19, 3, 0, 3], [1, 1, 1, 1, 19]])
    values = torch.randn(2, 5, 7)

    def work() -> tuple[Tensor, ...]:
        table = torch.nn.Parameter(start.clone())
        optimizer = RowAdam([table], lr=0.1, weight_decay=decay)
        for index, gradient in zip(rows, values, strict=True):
            table.grad = torch.sparse_coo_tensor(
                index.unsqueeze(0), gradient, (20, 7), check_invariants=True
            )
            optimizer.step()
        state = optimizer.state[table]
        return table.detach(), state["exp_avg"], state["exp_avg_sq"]

    compiled, composed = both(work)
    assert_close([compiled, composed], tolerance=1e-6)
    untouched = sorted(set(range(20)) - set(rows.flatten().tolist()))
    assert torch.equal(compiled[0][untouched], start[untouched])


def arrays() -> dict[str, np.ndarray]:
    """Arguments by name that fit together; two blocks, of 2 and 2 rows after one without."""
    shapes = {
        "states": (N_ROWS, DIM),
        "own": (OWN, DIM),
        "drawn": (DRAWN, DIM),
        "right": (N_ROWS, DIM),
        "log_weights": (DRAWN,),
        "losses": (N_ROWS,),
        "states_grad": (N_ROWS, DIM),
        "right_grad": (N_ROWS, DIM),
        "own_grad": (OWN, DIM),
        "drawn_grad": (DRAWN, DIM),
        "table": (OWN, DIM),
        "mean": (OWN, DIM),
        "square": (OWN, DIM),
        "values": (DRAWN, DIM),
        "scaled": (N_ROWS, DIM),
        "lengths": (N_ROWS,),
        "x_lengths": (N_ROWS,),
        "sums": (N_ROWS, DIM),
        "from_h": (3 * HIDDEN, HIDDEN),
        "bias": (3 * HIDDEN,),
        "gates": (N_ROWS, 3 * HIDDEN),
        "recurrent": (N_ROWS, 3 * HIDDEN),
        "to_gates": (N_ROWS, 3 * HIDDEN),
        "before": (N_ROWS, HIDDEN),
        "gru_states": (N_ROWS, HIDDEN),
    }
    codes = {
        "rows": [1, 2, 2],
        "sizes": [3, 1],
        "drawn_sizes": [1, 1, 1],
        "own_target": [-1, 2, -1, 0, 0],
        "drawn_target": [0, 2, -1, -1, -1],
        "moved": [0, 3, 0],
        "codes": [[0, 3], [1, -1], [-1, -1], [2, 2], [0, 1]],
        "alive": [3, 2],
    }
    floats = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    return {**floats, **{name: np.array(one, np.int64) for name, one in codes.items()}}


CALLS: dict[str, list[Any]] = {
    "candidate_loss": [
        *("states", "own", "drawn", "right", "log_weights", "rows", "sizes", "drawn_sizes"),
        *("own_target", "drawn_target", "losses", "states_grad", "right_grad", "own_grad"),
        *("drawn_grad", 0, 3),
    ],
    "step_rows": ["table", "mean", "square", "moved", "values", 0.9, 0.99, 0.1, 1.0, 1e-8, 0.0],
    "scale_rows": ["states", "scaled", "lengths", 1e-12],
    "scale_back": ["states", "scaled", "lengths", "states_grad", 1e-12],
    "unit_sums": ["states", "right", "scaled", "x_lengths", "lengths", 1e-12],
    "unit_sums_back": [
        *("states", "right", "scaled", "x_lengths", "lengths", "states_grad", "right_grad"),
    ],
    "sum_bags": ["table", "codes", "sums", 2],
    "sum_bags_back": ["sums", "codes", "table", 2],
    "gru": ["alive", "from_h", "bias", "gates", "recurrent", "before", "gru_states"],
    "gru_back": ["alive", "from_h", "to_gates", "gates", "recurrent", "before", "gru_states"],
}


OF_ANY_LENGTH = {("sum_bags", "table"), ("sum_bags_back", "table")}


def call(name: str, **changed: Any) -> None:
    """Call a kernel with arguments of which some are changed."""
    held = {**arrays(), **changed}
    function = getattr(float32, name)
    function(*(held[one] if isinstance(one, str) else one for one in CALLS[name]))


@pytest.mark.parametrize("name", CALLS)
def test_what_fits_together_is_taken(name: str) -> None:
    call(name)


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, one) for name, taken in CALLS.items() for one in taken if isinstance(one, str)],
)
def test_other_numbers_or_sizes_are_refused(name: str, argument: str) -> None:
    right = arrays()[argument]
    other = np.float64 if right.dtype == np.float32 else np.int32
    with pytest.raises(ValueError, match="need numbers of"):
        call(name, **{argument: right.astype(other)})
    if (name, argument) not in OF_ANY_LENGTH:
        with pytest.raises((ValueError, TypeError)):
            call(name, **{argument: np.concatenate([right, right[:1]])})
    with pytest.raises(ValueError, match="contiguous"):
        call(name, **{argument: np.repeat(right, 2, axis=0)[::2]})


@pytest.mark.parametrize(
    ("name", "argument", "values"),
    [
        ("candidate_loss", "rows", [-1, 3, 3]),
        ("candidate_loss", "rows", [1, 2, 1]),
        ("candidate_loss", "sizes", [4, 1]),
        ("candidate_loss", "drawn_sizes", [1, 1, 0]),
        ("candidate_loss", "own_target", [0, -1, -1, -1, -1]),
        ("candidate_loss", "own_target", [-1, -1, -1, 1, -1]),
        ("candidate_loss", "drawn_target", [3, -1, -1, -1, -1]),
        ("step_rows", "moved", [0, 4, 0]),
        ("step_rows", "moved", [0, -1, 0]),
        ("sum_bags", "codes", [[0, 4], [1, -1], [-1, -1], [2, 2], [0, 1]]),
        ("sum_bags_back", "codes", [[0, 1], [1, -1], [-1, -1], [2, 2], [0, 9]]),
        ("gru", "alive", [2, 3]),
        ("gru_back", "alive", [3, 3]),
    ],
)
def test_places_outside_of_an_array_are_refused(
    name: str, argument: str, values: list[Any]
) -> None:
    with pytest.raises(ValueError, match=f"{argument.replace('moved', 'rows')} must"):
        call(name, **{argument: np.array(values)})


def test_a_wrong_number_of_arguments_is_refused() -> None:
    for name in CALLS:
        with pytest.raises(TypeError, match="are needed"):
            getattr(float32, name)(np.zeros(1, np.float32))
