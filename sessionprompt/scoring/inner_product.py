"""The inner product of session embeddings and candidates: its softmax cross-entropy, and scores in blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .compiled import compiled
from .kernels import multiplies_bfloat16, usable
from .target_attention import TargetAttention
from .tiles import tiled

__all__ = ["PRECISIONS", "linear_cross_entropy", "low_precision", "score_blocks"]

PRECISIONS = ("auto", "float32", "bfloat16")


CACHE_LINE = 16  # floats


BLOCK_SCORES = 6_291_456  # scores that ranking holds at a time: 24 MB of float32


def low_precision(precision: str, device: torch.device) -> bool:
    """Whether the loss multiplies bfloat16 factors: if asked for, or where the processor has them built in.

    Built in, they halve the time of the loss; elsewhere they are emulated and slower than float32.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
    device : torch.device

    Raises
    ------
    ValueError
        If `precision` is not known.

    Examples
    --------
    >>> low_precision("float32", torch.device("cpu"))
    False
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r} is not known; choose one of {list(PRECISIONS)}.")
    if precision != "auto":
        return precision == "bfloat16"
    return multiplies_bfloat16(device)


def _rounds(precision: str, table: Tensor) -> bool:
    """Whether factors of the loss against this table are rounded; only float32 is."""
    return low_precision(precision, table.device) and table.dtype == torch.float32


def score_blocks(states: Tensor | TargetAttention, table: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield (rows, scores of those rows) with scores = states @ table.T, a few rows at a time.

    The scores may live in one buffer that the next block overwrites.
    """
    n, most = len(states), max(1, BLOCK_SCORES // len(table))
    # about equal blocks: products of few rows are slow
    step = math.ceil(n / math.ceil(n / most)) if n else 1
    blocks = [slice(start, min(start + step, n)) for start in range(0, n, step)]
    if isinstance(states, TargetAttention):
        yield from ((rows, states[rows].scores(table)) for rows in blocks)
        return
    # rows that start elsewhere take twice as long
    width = math.ceil(len(table) / CACHE_LINE) * CACHE_LINE
    buffer = states.new_empty(step, width)[:, : len(table)]
    for rows in blocks:
        yield rows, torch.mm(states[rows], table.T, out=buffer[: rows.stop - rows.start])


class _LinearCrossEntropy(torch.autograd.Function):
    """Loss and both gradients at once.

    The target stays out of the sweeps. Its share p - 1 of the gradients is the sum of all others,
    and as such it is as exact as they are, also where p is close to 1.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        table: Tensor,
        targets: Tensor,
        log_weights: Tensor | None,
        low: bool,
    ) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):
            loss, *gradients = _loss_and_gradients(states, table, targets, log_weights, low)
        ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        states_grad, table_grad = ctx.saved_tensors
        # the usual case, and a sweep over the table saved
        if grad.device.type == "cpu" and grad.item() == 1:
            return states_grad, table_grad, None, None, None
        return grad * states_grad, grad * table_grad, None, None, None


def _loss_and_gradients(
    states: Tensor, table: Tensor, targets: Tensor, log_weights: Tensor | None, low: bool
) -> tuple[Tensor, Tensor, Tensor]:
    chosen = table[targets]  # (B, d)
    own = torch.linalg.vecdot(states, chosen).unsqueeze(1)  # (B, 1), scores of the targets
    sweep = compiled if low and usable(table.device) else partial(tiled, low=low)
    others, states_grad, table_grad = sweep(states, table, targets, own, log_weights)
    total = torch.logaddexp(others, own)
    missing = (others - total).exp_() / len(states)  # 1 - p of the target, in the mean
    states_grad.addcmul_(missing, chosen, value=-1)
    table_grad.index_add_(0, targets, missing * states, alpha=-1)
    return (total - own).mean(), states_grad, table_grad


def linear_cross_entropy(
    states: Tensor,
    table: Tensor,
    targets: Tensor,
    precision: str = "auto",
    log_weights: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy of ``softmax(states @ table.T)`` without keeping the scores.

    Parameters
    ----------
    states : Tensor of shape (B, d)
    table : Tensor of shape (N, d)
        Candidate embeddings.
    targets : LongTensor of shape (B,)
        The right candidate of each row.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the factors of float32 products, see :func:`low_precision`; the gradients of bfloat16
        differ by some thousandths. Other types of tables keep their own precision.
    log_weights : Tensor of shape (N,), optional
        Added to the score of each candidate where it is not the target, such as what corrects a
        sample of candidates.

    Returns
    -------
    Tensor
        A scalar, differentiable (once) in `states` and `table`.

    Examples
    --------
    >>> states, table = torch.eye(2), torch.eye(2)
    >>> round(linear_cross_entropy(states, table, torch.tensor([0, 1]), "float32").item(), 4)
    0.3133
    """
    rounds = _rounds(precision, table)
    return _LinearCrossEntropy.apply(states.to(table.dtype), table, targets, log_weights, rounds)
