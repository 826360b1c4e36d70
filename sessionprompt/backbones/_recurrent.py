"""States of torch's GRU over ragged windows, with a backward pass of few large products."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..batches import SessionBatch
from ._layers import dropped_out

__all__ = ["recurrent_states"]


def recurrent_states(gru: nn.GRU, x: Tensor, batch: SessionBatch) -> Tensor:
    """States (T, h) of a GRU after every event; windows run side by side, each for its length."""
    recorded = torch.is_grad_enabled() and not x.is_cuda
    if len(batch.lengths) == 1 and not recorded:
        return gru(x)[0]  # (T, h)
    packed = batch.pack(x)
    if not recorded:
        return batch.unpack(gru(packed)[0])  # (T, h)
    alive = packed.batch_sizes.tolist()
    states = packed.data  # (T, d)
    for layer, weights in enumerate(gru.all_weights):
        if layer > 0 and gru.training:
            states = dropped_out(states, gru.dropout)  # (T, h)
        states = _Layer.apply(alive, states, *weights)  # (T, h)
    return batch.unpack(PackedSequence(states, packed.batch_sizes))  # (T, h)


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
        if biases:
            gates = torch.addmm(biases[0], x, from_x.T)  # (T, 3h)
        else:
            gates = x @ from_x.T  # (T, 3h)
        recurrent = gates.new_zeros(len(x), 3 * d)  # (T, 3h)
        before = gates.new_zeros(len(x), d)  # (T, h), the state that each event finds
        states = gates.new_empty(len(x), d)  # (T, h)
        for now, following in _steps(alive):
            h = before[now]  # (n, h)
            gate = gates[now]  # (n, 3h)
            share = recurrent[now]  # (n, 3h), the part that comes from the state
            if now.start > 0:  # the first states are zero
                torch.mm(h, from_h.T, out=share)
            if biases:
                share.add_(biases[1])
            r, z = gate[:, : 2 * d].add_(share[:, : 2 * d]).sigmoid_().chunk(2, dim=1)  # (n, h)
            c = gate[:, 2 * d :].addcmul_(r, share[:, 2 * d :]).tanh_()  # (n, h)
            new = torch.lerp(c, h, z, out=states[now])  # (n, h)
            before[following] = new[: following.stop - following.start]
        ctx.alive = alive
        ctx.biased = bool(biases)
        ctx.save_for_backward(x, from_x, from_h, gates, recurrent[:, 2 * d :], before)
        return states

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, from_x, from_h, gates, recurrent_c, before = ctx.saved_tensors
        slopes, to_c = _slopes(gates, recurrent_c, before)  # (T, 3, h), (T, h)
        z = gates.chunk(3, dim=1)[1]  # (T, h)
        grad = grad.clone()  # (T, h)
        to_recurrent = torch.empty_like(gates)  # (T, 3h)
        for now, following in reversed(list(_steps(ctx.alive))):
            n_following = following.stop - following.start
            if n_following > 0:
                to_h = grad[now][:n_following]  # (n_following, h)
                to_h.addcmul_(grad[following], z[following])
                to_h.addmm_(to_recurrent[following], from_h)
            target = to_recurrent[now].unflatten(1, (3, -1))  # (n, 3, h)
            torch.mul(grad[now].unsqueeze(1), slopes[now], out=target)
        to_r_and_z = to_recurrent[:, : 2 * before.shape[1]]  # (T, 2h)
        to_gates = torch.cat([to_r_and_z, grad * to_c], dim=1)  # (T, 3h)
        to_x = to_gates @ from_x  # (T, d)
        to_from_x = to_gates.T @ x  # (3h, d)
        moved = slice(ctx.alive[0], None)  # the first states are zero
        to_from_h = to_recurrent[moved].T @ before[moved]  # (3h, h)
        if not ctx.biased:
            return None, to_x, to_from_x, to_from_h
        return None, to_x, to_from_x, to_from_h, to_gates.sum(0), to_recurrent.sum(0)


def _steps(alive: list[int]) -> Iterable[tuple[slice, slice]]:
    """Rows of each step in time, and rows of the step that follows it, none after the last."""
    bounds = list(accumulate(alive, initial=0))
    spans = [slice(start, stop) for start, stop in pairwise(bounds)]
    end = slice(bounds[-1], bounds[-1])
    return pairwise([*spans, end])


def _slopes(gates: Tensor, recurrent_c: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes of h' by the recurrent part of each gate (T, 3, h), and by all of the candidate's."""
    r, z, c = gates.chunk(3, dim=1)  # (T, h) each
    to_c = (1 - z) * (1 - c * c)  # (T, h)
    to_r = to_c * recurrent_c * r * (1 - r)  # (T, h)
    to_z = (before - c) * z * (1 - z)  # (T, h)
    return torch.stack([to_r, to_z, to_c * r], dim=1), to_c
