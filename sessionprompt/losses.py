"""Softmax cross-entropy against the whole catalogue, a few rows at a time: no (B, N) matrix is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .backbones import TargetAttention

__all__ = ["PRECISIONS", "FullSoftmax", "linear_cross_entropy", "low_precision", "score_blocks"]

PRECISIONS = ("auto", "float32", "bfloat16")
ROWS = 128  # whose exponentials are kept at a time: 11 MB of bfloat16 for 43,000 candidates, which caches still hold
COLUMNS = 4096  # of a tile of scores: 2 MB of float32, which the caches of a core still hold
GPU_TILE = 16_384  # rows and columns there: large enough to fill a GPU, small enough for its memory
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
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not hasattr(torch.backends.mkldnn, "matmul"):
        return False
    can = torch.cpu.get_capabilities()
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


@contextmanager
def _rounded_products(low: bool) -> Iterator[None]:
    """Let products of float32 matrices on the CPU round their factors to bfloat16; sums and results stay float32."""
    products = getattr(torch.backends.mkldnn, "matmul", None)
    if not low or products is None:
        yield
        return
    before = products.fp32_precision
    products.fp32_precision = "bf16"
    try:
        yield
    finally:
        products.fp32_precision = before


def score_blocks(states: Tensor | TargetAttention, table: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield (rows, scores of those rows) with scores = states @ table.T, a few rows at a time.

    The scores may live in one buffer that the next block overwrites.
    """
    n, most = len(states), max(1, BLOCK_SCORES // len(table))
    step = math.ceil(n / math.ceil(n / most)) if n else 1  # about equal blocks: products of few rows are slow
    blocks = [slice(start, min(start + step, n)) for start in range(0, n, step)]
    if isinstance(states, TargetAttention):
        yield from ((rows, states[rows].scores(table)) for rows in blocks)
        return
    width = math.ceil(len(table) / CACHE_LINE) * CACHE_LINE  # rows that start elsewhere take twice as long
    buffer = states.new_empty(step, width)[:, : len(table)]
    for rows in blocks:
        yield rows, torch.mm(states[rows], table.T, out=buffer[: rows.stop - rows.start])


class _LinearCrossEntropy(torch.autograd.Function):
    """Loss and both gradients at once, some rows at a time.

    Two sweeps over tiles of candidates: the first makes exponentials, each tile relative to its own row maxima, and
    keeps them; when the whole sum is known the second uses them up for both gradients. A factor per row and tile
    makes them the softmax, so that nothing is exponentiated or multiplied twice. With low precision the exponentials
    are kept, and the factors of all products rounded, in bfloat16; scores, sums and gradients are float32.

    The target stays out of the sweeps. Its share p - 1 of the gradients is the sum of all others, and as such it
    is as exact as they are, also where p is close to 1.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, targets: Tensor, low: bool) -> Tensor:
        with torch.autocast(states.device.type, enabled=False), _rounded_products(low):
            loss, *gradients = _loss_and_gradients(states, table, targets, torch.bfloat16 if low else table.dtype)
        ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        states_grad, table_grad = ctx.saved_tensors
        if grad.device.type == "cpu" and grad.item() == 1:  # the usual case, and a sweep over the table saved
            return states_grad, table_grad, None, None
        return grad * states_grad, grad * table_grad, None, None


def _loss_and_gradients(
    states: Tensor, table: Tensor, targets: Tensor, kept: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    chosen, share = table[targets], 1 / len(states)  # (B, d), of each row in the mean
    own = torch.linalg.vecdot(states, chosen).unsqueeze(1)  # (B, 1), scores of the targets
    loss, states_grad, table_grad = own.new_zeros(()), torch.empty_like(states), torch.zeros_like(table)
    blocks = list(_slices(len(states), ROWS if states.device.type == "cpu" else GPU_TILE))
    sweep = _Sweep(blocks[0].stop, table, kept)
    for rows in blocks:
        others = sweep.exponentials(states[rows], targets[rows])
        total = torch.logaddexp(others, own[rows])
        loss += share * (total - own[rows]).sum()
        missing = share * (others - total).exp_()  # 1 - p of the target
        states_grad[rows] = -missing * chosen[rows]
        table_grad.index_add_(0, targets[rows], -missing * states[rows])
        sweep.add_gradients(states[rows], total - math.log(share), states_grad[rows], table_grad)
    return loss, states_grad, table_grad


class _Sweep:
    """Tiles of candidates, and buffers for the exponentials of some rows against all of them."""

    def __init__(self, n_rows: int, table: Tensor, dtype: torch.dtype) -> None:
        self.columns = list(_slices(len(table), COLUMNS if table.device.type == "cpu" else GPU_TILE))
        self.tiles = [table[columns] for columns in self.columns]
        self.factors = [tile.to(dtype) for tile in self.tiles]
        self.kept = [table.new_empty(n_rows * len(tile), dtype=dtype) for tile in self.tiles]
        self.scratch = table.new_empty(n_rows * len(self.tiles[0]))

    def exponentials(self, states: Tensor, targets: Tensor) -> Tensor:
        """Keep exp(scores - highest of the tile) of all but the targets; return the log of their sum, (rows, 1)."""
        self.highest = states.new_empty(len(self.tiles), len(states), 1)
        sums = torch.empty_like(self.highest)
        for place, (columns, tile, kept) in enumerate(zip(self.columns, self.tiles, self.kept, strict=True)):
            n = len(states) * len(tile)
            buffer = kept if kept.dtype == tile.dtype else self.scratch
            scores = torch.mm(states, tile.T, out=buffer[:n].view(len(states), len(tile)))
            _leave_out(scores, targets - columns.start)
            torch.amax(scores, 1, keepdim=True, out=self.highest[place])
            torch.sum(scores.sub_(self.highest[place]).exp_(), 1, keepdim=True, out=sums[place])
            if buffer is not kept:
                kept[:n].view_as(scores).copy_(scores)
        return (self.highest + sums.log()).logsumexp(0)

    def add_gradients(self, states: Tensor, total: Tensor, states_grad: Tensor, table_grad: Tensor) -> None:
        """Add exp(scores - total), the softmax without the targets, to both gradients."""
        scales = (self.highest - total).exp_()  # (tiles, rows, 1)
        for columns, factor, kept, scale in zip(self.columns, self.factors, self.kept, scales, strict=True):
            softmax = kept[: len(states) * len(factor)].view(len(states), len(factor))  # up to the scale of its rows
            states_grad.addcmul_(scale, torch.mm(softmax, factor))
            table_grad[columns] += torch.mm(softmax.T, (scale * states).to(factor.dtype))


def _leave_out(scores: Tensor, columns: Tensor) -> None:
    """Make the score of each row in a column hopeless, if there is such a column; in place and without waiting."""
    inside = (columns >= 0) & (columns < scores.shape[1])
    place = columns.clamp(0, scores.shape[1] - 1).unsqueeze(1)
    hopeless = torch.finfo(scores.dtype).min / 4  # finite: it may be the only candidate
    scores.scatter_(1, place, scores.gather(1, place).masked_fill_(inside.unsqueeze(1), hopeless))


def _slices(n: int, size: int) -> Iterator[slice]:
    """About equal slices of 0..n-1 of about `size`; a few too many make the one slice larger, not a second one."""
    step = math.ceil(n / max(1, round(n / size)))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def linear_cross_entropy(states: Tensor, table: Tensor, targets: Tensor, precision: str = "auto") -> Tensor:
    """Mean cross-entropy of ``softmax(states @ table.T)`` without keeping the scores.

    Parameters
    ----------
    states : Tensor of shape (B, d)
    table : Tensor of shape (N, d)
        Candidate embeddings.
    targets : LongTensor of shape (B,)
        The right candidate of each row.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the factors of float32 products, see :func:`low_precision`; the gradients of bfloat16 differ by some
        thousandths. Other types of tables keep their own precision.

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
    low = low_precision(precision, table.device) and table.dtype == torch.float32
    return _LinearCrossEntropy.apply(states.to(table.dtype), table, targets, low)


class FullSoftmax(nn.Module):
    """Criterion over (states, table) and targets: cross-entropy over the full catalogue.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        See :func:`linear_cross_entropy`.
    """

    def __init__(self, precision: str = "auto") -> None:
        super().__init__()
        self.precision = precision

    def forward(self, scored: tuple[Tensor | TargetAttention, Tensor], targets: Tensor) -> Tensor:
        """Mean loss of states (B, d) against the candidate table (N, d)."""
        states, table = scored
        if isinstance(states, TargetAttention):
            return states.cross_entropy(table, targets)
        return linear_cross_entropy(states, table, targets, self.precision)
