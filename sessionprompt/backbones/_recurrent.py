"""Recurrent states over ragged windows: torch's GRU, with a backward pass of a few large products on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..batches import SessionBatch

__all__ = ["recurrent_states"]


def recurrent_states(gru: nn.GRU, x: Tensor, batch: SessionBatch) -> Tensor:
    """States of a GRU after every event, (T, h): windows run side by side, each for its own length."""
    packed = batch.pack(x)
    if x.is_cuda or not torch.is_grad_enabled():
        return batch.unpack(gru(packed)[0])
    states, alive = packed.data, packed.batch_sizes.tolist()
    for layer, weights in enumerate(gru.all_weights):
        inputs = nn.functional.dropout(states, gru.dropout, gru.training) if layer else states
        states = _Layer.apply(alive, inputs, *weights)
    return batch.unpack(PackedSequence(states, packed.batch_sizes))


class _Layer(torch.autograd.Function):
    """h' = c + z (h - c) in every window; see :class:`torch.nn.GRU` for the gates r, z and c.

    Rows are sorted by time, longest windows first, so the rows of a step continue the first rows of
    the step before. torch's own backward pass fills a gradient of the size of all steps for each of
    them.
    """

    @staticmethod
    def forward(
        ctx: Any, alive: list[int], x: Tensor, from_x: Tensor, from_h: Tensor, *biases: Tensor
    ) -> Tensor:
        d = from_h.shape[1]
        gates = torch.addmm(biases[0], x, from_x.T) if biases else x @ from_x.T  # (T, 3h)
        recurrent = gates.new_zeros(len(x), 3 * d)
        before, states = recurrent.new_zeros(len(x), d), recurrent.new_empty(len(x), d)
        start = 0
        for n, following in zip(alive, [*alive[1:], 0], strict=True):
            now, then = slice(start, start + n), slice(start + n, start + n + following)
            h, gate, own = before[now], gates[now], recurrent[now]
            if start:
                torch.mm(h, from_h.T, out=own)
            if biases:
                own.add_(biases[1])
            r, z = gate[:, : 2 * d].add_(own[:, : 2 * d]).sigmoid_().chunk(2, dim=1)
            c = gate[:, 2 * d :].addcmul_(r, own[:, 2 * d :]).tanh_()
            torch.lerp(c, h, z, out=states[now])
            before[then] = states[start : start + following]
            start += n
        ctx.alive, ctx.biased = alive, bool(biases)
        ctx.save_for_backward(x, from_x, from_h, gates, recurrent[:, 2 * d :], before)
        return states

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, from_x, from_h, gates, own, before = ctx.saved_tensors
        r, z, c = gates.chunk(3, dim=1)  # (T, h) each
        to_c = (1 - z) * (1 - c * c)
        # (T, 3, h)
        slopes = torch.stack(
            [to_c * own * r * (1 - r), (before - c) * z * (1 - z), to_c * r], dim=1
        )
        grad, to_own = grad.clone(), torch.empty_like(gates)  # (T, h), (T, 3h)
        stop = len(x)
        for n, following in zip(ctx.alive[::-1], [0, *ctx.alive[:0:-1]], strict=True):
            now = slice(stop - n, stop)
            if following:
                later = slice(stop, stop + following)
                h = grad[stop - n : stop - n + following]
                h.addcmul_(grad[later], z[later]).addmm_(to_own[later], from_h)
            torch.mul(grad[now].unsqueeze(1), slopes[now], out=to_own[now].view(n, 3, -1))
            stop -= n
        to_gates = torch.cat([to_own[:, : 2 * before.shape[1]], grad * to_c], dim=1)  # (T, 3h)
        sums = (to_gates.sum(0), to_own.sum(0)) if ctx.biased else ()
        moved = slice(ctx.alive[0], None)  # the first states are zero
        return None, to_gates @ from_x, to_gates.T @ x, to_own[moved].T @ before[moved], *sums
