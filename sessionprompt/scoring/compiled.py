"""The softmax of an inner product by the compiled kernels, whose factors are bfloat16."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..kernels import buffer_size, in_threads, logsumexp, parts, softmax_backward, softmax_forward
from . import sizes
from .scratch import scratch
from .slices import slices_about
from .tiles import Sweep, tiled

__all__ = ["compiled", "compiled_logsumexp"]

LARGEST_ODDS = 1e30  # beyond, what they are multiplied with would leave the range of float32


def compiled(
    states: Tensor,
    table: Tensor,
    targets: Tensor,
    target_score: Tensor,
    log_weights: Tensor | None,
) -> Sweep:
    """Log-sum of the exponentials of all but the targets, and its gradients, see `tiles.py`.

    Exponentiated is a score less that of the row's target, so a row's sum is the odds against the
    target. The exponentials of some rows are kept, in bfloat16, until their sums are known. Odds
    that might leave the range of float32 are left to torch. Threads share the candidates out.
    """
    rest_logsumexp = torch.empty_like(target_score)  # (B, 1)
    states_grad = torch.empty_like(states)  # (B, d)
    table_grad = torch.empty(table.shape)  # (N, d), row after row
    n_rows = max(sizes.COMPILED_LEAST_ROWS, sizes.COMPILED_EXPONENTIALS // len(table))
    blocks = list(slices_about(len(states), n_rows))
    candidates = _Candidates(table, log_weights, blocks[0].stop)
    for rows in blocks:
        swept = candidates.sweep(states[rows], targets[rows], target_score[rows])
        odds, products = swept  # (rows, 1), (rows, d)
        if not (odds < LARGEST_ODDS).all():
            return tiled(states, table, targets, target_score, log_weights, bfloat16=True)
        rest_logsumexp[rows] = odds.log() + target_score[rows]
        scale = 1 / (len(states) * (1 + odds))  # (rows, 1), in the mean over all rows
        states_grad[rows] = scale * products
        candidates.add_gradient(scale * states[rows], table_grad, add=rows.start > 0)
    return rest_logsumexp, states_grad, table_grad


class _Part(NamedTuple):
    """Candidates of one thread, and memory for their exponentials."""

    candidates: slice
    exponentials: Tensor

    def pairs(self, n: int) -> NDArray[np.int32]:
        """The memory that the exponentials of n rows take."""
        return self.exponentials[: _size(n, self.candidates)].numpy()


class _Candidates:
    """Candidates in parts for threads, and the exponentials of some rows against them."""

    def __init__(self, table: Tensor, log_weights: Tensor | None, n_rows: int) -> None:
        self.table = _array(table)
        self.log_weights = np.empty(0, np.float32)
        if log_weights is not None:
            self.log_weights = _array(log_weights)
        self.slices = parts(len(table), sizes.LOSS_TILE.cpu)
        self.parts = [
            _Part(candidates, _memory(number, _size(n_rows, candidates)))
            for number, candidates in enumerate(self.slices)
        ]

    def sweep(self, states: Tensor, targets: Tensor, target_score: Tensor) -> tuple[Tensor, Tensor]:
        """Sums (rows, 1) of the exponentials, and their products (rows, d) with the candidates."""
        x = _array(states)  # (rows, d)
        codes = _array(targets)  # (rows,)
        scores = _array(target_score)  # (rows, 1)

        def sweep_part(candidates: slice, part: _Part) -> tuple[Tensor, Tensor]:
            sums = torch.empty(target_score.shape)  # (rows, 1)
            products = torch.empty(states.shape)  # (rows, d)
            softmax_forward(
                x,
                self.table,
                codes,
                candidates.start,
                candidates.stop,
                self.log_weights,
                scores,
                part.pairs(len(x)),
                sums.numpy(),
                products.numpy(),
            )
            return sums, products

        swept = in_threads(sweep_part, self.slices, self.parts)
        odds = sum(sums for sums, _ in swept)
        products = sum(products for _, products in swept)
        return odds, products  # type: ignore[return-value]

    def add_gradient(self, scaled: Tensor, table_grad: Tensor, *, add: bool) -> None:
        """Write, or add, products (N, d) of the kept exponentials and scaled states (rows, d)."""
        x = _array(scaled)  # (rows, d)
        result = table_grad.numpy()  # (N, d)

        def add_part(candidates: slice, part: _Part) -> None:
            pairs = part.pairs(len(x))
            softmax_backward(x, pairs, candidates.start, candidates.stop, add, result)

        in_threads(add_part, self.slices, self.parts)


def compiled_logsumexp(states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """Log of the summed exponentials of all but the targets, (B, 1), from rounded factors."""
    x = _array(states)  # (B, d)
    candidates = _array(table)  # (N, d)
    codes = _array(targets)  # (B,)

    def sum_part(part: slice) -> Tensor:
        sums = torch.empty(len(x), 1)
        logsumexp(x, candidates, codes, part.start, part.stop, sums.numpy())
        return sums

    sums = in_threads(sum_part, parts(len(candidates), sizes.LOSS_TILE.cpu))
    return torch.stack(sums).logsumexp(0)


def _memory(number: int, size: int) -> Tensor:
    return scratch("compiled exponentials", number, size, torch.int32, torch.device("cpu"))


def _size(n: int, candidates: slice) -> int:
    return buffer_size(n, candidates.stop - candidates.start)


def _array(tensor: Tensor) -> NDArray:
    """Numbers of a tensor, row after row."""
    return tensor.detach().contiguous().numpy()
