"""States of torch's GRU over ragged windows, with a backward pass of few large products."""

from __future__ import annotations

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
    turned = from_h.T  # (h, 3h)
    recurrent.copy_(bias.expand_as(recurrent))
    n_rows = alive.tolist()
    found, shares, left = before.split(n_rows), recurrent.split(n_rows), states.split(n_rows)
    r_z, c = gates[:, : 2 * d].split(n_rows), gates[:, 2 * d :].split(n_rows)
    share_r_z, share_c = recurrent[:, : 2 * d].split(n_rows), recurrent[:, 2 * d :].split(n_rows)
    for step, h in enumerate(found):  # (n, h)
        if step > 0:  # the first states are zero
            h.copy_(left[step - 1][: len(h)])
            shares[step].addmm_(h, turned)
        r, z = r_z[step].add_(share_r_z[step]).sigmoid_().chunk(2, dim=1)  # (n, h)
        c[step].addcmul_(r, share_c[step]).tanh_()
        torch.lerp(c[step], h, z, out=left[step])


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
    n_rows = alive.tolist()
    z = gates[:, d : 2 * d].split(n_rows)  # (n, h) of each step, and so on
    to_states, to_shares = grad.split(n_rows), recurrent.split(n_rows)
    to_parts = recurrent.unflatten(1, (3, -1)).split(n_rows)  # (n, 3, h)
    to_all = grad.unsqueeze(1).split(n_rows)  # (n, 1, h)
    slope = slopes.split(n_rows)  # (n, 3, h)
    for step in reversed(range(len(n_rows))):
        if step + 1 < len(n_rows):
            to_h = to_states[step][: n_rows[step + 1]]  # (rows of the next step, h)
            to_h.addcmul_(to_states[step + 1], z[step + 1])
            to_h.addmm_(to_shares[step + 1], from_h)
        torch.mul(to_all[step], slope[step], out=to_parts[step])
    torch.cat([recurrent[:, : 2 * d], grad * to_c], dim=1, out=to_gates)


def _slopes(gates: Tensor, recurrent_c: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes of h' by the recurrent part of each gate (T, 3, h), and by all of the candidate's."""
    r, z, c = gates.chunk(3, dim=1)  # (T, h) each
    to_c = (1 - z) * (1 - c * c)  # (T, h)
    to_r = to_c * recurrent_c * r * (1 - r)  # (T, h)
    to_z = (before - c) * z * (1 - z)  # (T, h)
    return torch.stack([to_r, to_z, to_c * r], dim=1), to_c
