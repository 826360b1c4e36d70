"""States of torch's GRU over ragged windows, with a backward pass of few large products."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..batches import SessionBatch
from ..kernels import compiles, gru, gru_back, with_tensors
from ._layers import dropped_out

__all__ = ["recurrent_states"]


def recurrent_states(net: nn.GRU, x: Tensor, batch: SessionBatch) -> Tensor:
    """States (T, h) of a GRU after every event; windows run side by side, each for its length."""
    recorded = torch.is_grad_enabled() and not x.is_cuda
    if len(batch.lengths) == 1 and not recorded:
        return net(x)[0]  # (T, h)
    packed = batch.pack(x)
    if not recorded:
        return batch.unpack(net(packed)[0])  # (T, h)
    states = packed.data  # (T, d)
    for layer, weights in enumerate(net.all_weights):
        if layer > 0 and net.training:
            states = dropped_out(states, net.dropout)  # (T, h)
        states = _Layer.apply(packed.batch_sizes, states, *weights)  # (T, h)
    return batch.unpack(PackedSequence(states, packed.batch_sizes))  # (T, h)


class _Layer(torch.autograd.Function):
    """h' = c + z (h - c) in every window; see :class:`torch.nn.GRU` for the gates r, z and c.

    Rows are sorted by time, longest windows first, so the rows of a step continue the first rows of
    the step before. torch's own backward pass fills a gradient of the size of all steps for each of
    them.
    """

    @staticmethod
    def forward(
        ctx: Any, alive: Tensor, x: Tensor, from_x: Tensor, from_h: Tensor, *biases: Tensor
    ) -> Tensor:
        d = from_h.shape[1]
        gates = x @ from_x.T  # (T, 3h), what comes from the events; then the gates
        bias = gates.new_zeros(3 * d)  # (3h,)
        if biases:
            gates += biases[0]
            bias = biases[1]
        recurrent = torch.empty_like(gates)  # (T, 3h), what comes from the states
        before = gates.new_zeros(len(x), d)  # (T, h), the state that each event finds
        states = torch.empty_like(before)  # (T, h)
        if compiles(gates):
            turned = from_h.T.contiguous()  # (h, 3h)
            with_tensors(gru, alive, turned, bias, gates, recurrent, before, states)
        else:
            _run(alive, from_h, bias, gates, recurrent, before, states)
        ctx.biased = bool(biases)
        ctx.save_for_backward(alive, x, from_x, from_h, gates, recurrent, before)
        return states

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        alive, x, from_x, from_h, gates, recurrent, before = ctx.saved_tensors
        grad = grad.clone(memory_format=torch.contiguous_format)  # (T, h)
        to_recurrent = recurrent.clone()  # (T, 3h)
        to_gates = torch.empty_like(gates)  # (T, 3h)
        if compiles(gates, from_h):
            with_tensors(gru_back, alive, from_h, to_gates, gates, to_recurrent, before, grad)
        else:
            _run_back(alive, from_h, to_gates, gates, to_recurrent, before, grad)
        to_x = to_gates @ from_x  # (T, d)
        to_from_x = to_gates.T @ x  # (3h, d)
        moved = slice(int(alive[0]), None)  # the first states are zero
        to_from_h = to_recurrent[moved].T @ before[moved]  # (3h, h)
        if not ctx.biased:
            return None, to_x, to_from_x, to_from_h
        return None, to_x, to_from_x, to_from_h, to_gates.sum(0), to_recurrent.sum(0)


def _run(
    alive: Tensor,
    from_h: Tensor,
    bias: Tensor,
    gates: Tensor,
    recurrent: Tensor,
    before: Tensor,
    states: Tensor,
) -> None:
    """Gates and states of all steps, as the kernel makes them."""
    d = from_h.shape[1]
    recurrent.copy_(bias.expand_as(recurrent))
    for now, following in _steps(alive.tolist()):
        h = before[now]  # (n, h)
        gate = gates[now]  # (n, 3h)
        share = recurrent[now]  # (n, 3h)
        if now.start > 0:  # the first states are zero
            share.addmm_(h, from_h.T)
        r, z = gate[:, : 2 * d].add_(share[:, : 2 * d]).sigmoid_().chunk(2, dim=1)  # (n, h)
        c = gate[:, 2 * d :].addcmul_(r, share[:, 2 * d :]).tanh_()  # (n, h)
        new = torch.lerp(c, h, z, out=states[now])  # (n, h)
        before[following] = new[: following.stop - following.start]


def _run_back(
    alive: Tensor,
    from_h: Tensor,
    to_gates: Tensor,
    gates: Tensor,
    recurrent: Tensor,
    before: Tensor,
    grad: Tensor,
) -> None:
    """The way back, as the kernel goes it: `recurrent` becomes its gradient."""
    d = from_h.shape[1]
    slopes, to_c = _slopes(gates, recurrent[:, 2 * d :], before)  # (T, 3, h), (T, h)
    z = gates[:, d : 2 * d]  # (T, h)
    for now, following in reversed(list(_steps(alive.tolist()))):
        n_following = following.stop - following.start
        if n_following > 0:
            to_h = grad[now][:n_following]  # (n_following, h)
            to_h.addcmul_(grad[following], z[following])
            to_h.addmm_(recurrent[following], from_h)
        target = recurrent[now].unflatten(1, (3, -1))  # (n, 3, h)
        torch.mul(grad[now].unsqueeze(1), slopes[now], out=target)
    torch.cat([recurrent[:, : 2 * d], grad * to_c], dim=1, out=to_gates)


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
