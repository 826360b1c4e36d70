"""The softmax of an inner product by the compiled kernels, whose factors are bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .kernels import exponentials, in_threads, log_sums, parts, room, weigh
from .tiles import COLUMNS, Result, _slices, tiled

__all__ = ["compiled", "compiled_log_sums"]

KEPT = 12_000_000  # exponentials of the compiled sweep: 24 MB of bfloat16
LEAST_ROWS = 96  # for which it goes over the table, whatever they take
LARGEST_ODDS = 1e30  # beyond, what they are multiplied with would leave the range of float32


def compiled(
    states: Tensor, table: Tensor, targets: Tensor, own: Tensor, log_weights: Tensor | None
) -> Result:
    """Sweep with the compiled module, whose factors are bfloat16; threads share the candidates out.

    What is exponentiated is a score less that of the row's target, so a sum is the odds against the
    target. The exponentials of some rows are kept, in bfloat16, until their sums are known. Odds
    that might leave the range of float32 are left to torch.
    """
    others, of_states, of_table = (
        own.new_empty(own.shape),
        states.new_empty(states.shape),
        table.new_empty(table.shape),
    )
    blocks, columns = (
        list(_slices(len(states), max(LEAST_ROWS, KEPT // len(table)))),
        parts(len(table), COLUMNS),
    )
    kept = [
        torch.empty(room(blocks[0].stop, part.stop - part.start), dtype=torch.int32)
        for part in columns
    ]
    added = table.new_empty(0) if log_weights is None else log_weights
    for rows in blocks:
        exponentiate = partial(
            _exponentials, *_arrays(states[rows], table, targets[rows], own[rows], added)
        )
        sums, products = zip(*in_threads(exponentiate, columns, kept), strict=True)
        odds = sum(sums)  # (rows, 1)
        if not (odds < LARGEST_ODDS).all():
            return tiled(states, table, targets, own, log_weights, low=True)
        others[rows] = odds.log() + own[rows]
        scale = 1 / (len(states) * (1 + odds))
        of_states[rows] = scale * sum(products)
        in_threads(partial(_weigh, scale * states[rows], of_table, rows.start > 0), columns, kept)
    return others, of_states, of_table


def _exponentials(
    x: Any, w: Any, right: Any, own: Any, added: Any, part: slice, kept: Tensor
) -> tuple[Tensor, Tensor]:
    """Keep the exponentials of a part of the candidates; return their sums (B, 1) and their products (B, d)."""
    sums, products = torch.empty(own.shape), torch.empty(x.shape)
    results = (tensor.numpy() for tensor in (_words(kept, len(x), part), sums, products))
    exponentials(x.shape[1], x, w, right, part.start, part.stop, added, own, *results)
    return sums, products


def _weigh(states: Tensor, of_table: Tensor, add: bool, part: slice, kept: Tensor) -> None:
    """Write, or add, the products of a part's exponentials and scaled states."""
    x, words = _arrays(states, _words(kept, len(states), part))
    weigh(x.shape[1], x, words, part.start, part.stop, add, of_table.numpy())


def _words(kept: Tensor, n: int, part: slice) -> Tensor:
    return kept[: room(n, part.stop - part.start)]


def compiled_log_sums(states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """Log of the summed exponentials of all candidates but the targets, (B, 1), from rounded factors."""
    x, w, right = _arrays(states, table, targets)

    def sum_up(part: slice) -> Tensor:
        sums = states.new_empty(len(states), 1)
        log_sums(x.shape[1], x, w, right, part.start, part.stop, sums.numpy())
        return sums

    return torch.stack(in_threads(sum_up, parts(len(table), COLUMNS))).logsumexp(0)


def _arrays(*tensors: Tensor) -> Iterator[Any]:
    return (tensor.detach().contiguous().numpy() for tensor in tensors)
