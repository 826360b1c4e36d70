"""Rows that processes send each other, such as the states of prefixes that another one scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ..scoring import EncodedPrefixes, TargetAttention
from .distributed import together

__all__ = ["exchanged", "of_all"]


def exchanged(encoded: EncodedPrefixes, targets: Tensor) -> tuple[EncodedPrefixes, Tensor]:
    """Prefixes that this process scores, and their targets; those at hand, where they stay.

    Parameters
    ----------
    encoded : EncodedPrefixes
        Those that this process has encoded, (P,).
    targets : LongTensor of shape (P,)
    """
    elsewhere = encoded.elsewhere
    if elsewhere is None or elsewhere.moves is None or isinstance(encoded.states, TargetAttention):
        return encoded, targets
    moves = elsewhere.moves
    states = _Moved.apply(encoded.states[moves.order], moves.sent, moves.received)  # (S, d)
    scored = replace(encoded, states=states, last_items=moves.last_items, elsewhere=moves.elsewhere)
    return scored, moves.targets


class _Moved(torch.autograd.Function):
    """Rows that the processes send each other; their gradients go back."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, sent: list[int], received: list[int]) -> Tensor:
        ctx.sent = sent
        ctx.received = received
        return _moved(rows, sent, received)  # (S, d)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _moved(grad, ctx.received, ctx.sent), None, None  # (P, d)


def _moved(rows: Tensor, sent: list[int], received: list[int]) -> Tensor:
    """Rows from all processes, so many from each, of rows of which each gets so many."""
    found = rows.new_empty(sum(received), *rows.shape[1:])
    to_each = rows.contiguous().split(sent)
    from_each = found.split(received)
    rank = dist.get_rank()
    from_each[rank].copy_(to_each[rank])
    with together():
        _swap(to_each, from_each)
    return found


def of_all(own: Tensor, sizes: list[int]) -> list[Tensor]:
    """Columns of all processes, so long each, of which this one has its own."""
    columns = [own.new_empty(size, *own.shape[1:]) for size in sizes]
    columns[dist.get_rank()] = own.contiguous()
    _swap([columns[dist.get_rank()]] * len(sizes), columns)
    return columns


def _swap(sent: Sequence[Tensor], received: Sequence[Tensor]) -> None:
    """Send each process its tensor, and fill those that come from them; empty ones stay."""
    requests = []
    for rank in range(len(sent)):
        if rank == dist.get_rank():
            continue
        if len(sent[rank]):
            requests.append(dist.P2POp(dist.isend, sent[rank], rank))
        if len(received[rank]):
            requests.append(dist.P2POp(dist.irecv, received[rank], rank))
    if requests:
        for request in dist.batch_isend_irecv(requests):
            request.wait()
