"""Sums of the gradients of processes that train together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from .distributed import own_rank, together
from .exchange import of_all

__all__ = ["add_up"]

SMALL = 65_536  # numbers of a gradient that travels in one message with the other small ones
DENSE_FROM = 1.0  # rows of all processes by those of the table: then a ring of all rows is quicker


def add_up(parameters: Iterable[tuple[str, Tensor]], loss: Tensor) -> Tensor:
    """Sum of the losses of all processes; their gradients are added up in place.

    A gradient travels as it is: that of a lookup as the rows that were looked up, where these are
    fewer numbers than the table.

    Parameters
    ----------
    parameters : iterable of (str, Parameter)
        With names, in the same order in all processes.
    loss : Tensor
        A scalar.
    """
    if own_rank() is None:
        return loss
    held = [parameter for _, parameter in parameters if parameter.requires_grad]
    with together(), torch.no_grad():
        rows = [one for one in held if one.grad is not None and one.grad.is_sparse]
        dense = [one for one in held if one.grad is None or not one.grad.is_sparse]
        total = _add_dense(dense, loss)
        for parameter in rows:
            parameter.grad = _sum_of_rows(_gradient(parameter))
        return total


def _add_dense(held: list[Any], loss: Tensor) -> Tensor:
    """Sum of the losses; gradients are added up, and stay away where no process has one."""
    small = [one for one in held if one.numel() <= SMALL]
    has_one = torch.tensor([one.grad is not None for one in held], device=loss.device)
    parts = [loss.reshape(1), has_one.to(loss.dtype)]
    parts += [_gradient(one).reshape(-1).to(loss.dtype) for one in small]
    message = torch.cat(parts)
    dist.all_reduce(message)
    total, found, *sums = message.split([len(part) for part in parts])
    sums_of = dict(zip(map(id, small), sums, strict=True))
    for one, count in zip(held, found.tolist(), strict=True):
        if not count:
            continue
        if id(one) in sums_of:
            one.grad = sums_of[id(one)].view_as(one).to(one.dtype)
        else:
            one.grad = _gradient(one).contiguous()
            dist.all_reduce(one.grad)
    return total.squeeze(0)


def _gradient(parameter: Tensor) -> Tensor:
    """Gradient of a parameter, zeros where it has none."""
    if parameter.grad is None:
        return torch.zeros_like(parameter)
    return parameter.grad


def _sum_of_rows(gradient: Tensor) -> Tensor:
    """Sum of the sparse gradients (N, d) of all processes."""
    n = torch.tensor([gradient._nnz()], device=gradient.device)
    sizes = [int(count) for count in _gathered(n)]
    if sum(sizes) >= DENSE_FROM * len(gradient):
        return _sum_as_dense(gradient)
    index = of_all(gradient._indices()[0], sizes)  # (n,) of each process
    values = of_all(gradient._values(), sizes)  # (n, d) of each process
    return torch.sparse_coo_tensor(
        torch.cat(index).unsqueeze(0), torch.cat(values), gradient.shape, check_invariants=False
    )


def _sum_as_dense(gradient: Tensor) -> Tensor:
    """Sum of sparse gradients (N, d) by way of dense ones, without untouched rows."""
    index = gradient._indices()[0]  # (n,)
    total = _dense(gradient)  # (N, d)
    dist.all_reduce(total)
    touched = index.new_zeros(len(gradient), dtype=torch.uint8)  # (N,)
    touched[index] = 1
    dist.all_reduce(touched, dist.ReduceOp.MAX)
    rows = touched.nonzero().squeeze(1)  # (r,)
    return torch.sparse_coo_tensor(
        rows.unsqueeze(0), total[rows], gradient.shape, is_coalesced=True, check_invariants=False
    )


def _gathered(tensor: Tensor) -> list[Tensor]:
    """Tensors of all processes, of one shape."""
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, tensor)
    return parts


def _dense(gradient: Tensor) -> Tensor:
    """A sparse gradient (N, d) as a dense one, always summed in one order."""
    if gradient.is_cuda:  # where index_add_ has no order
        return gradient.coalesce().to_dense()
    total = gradient._values().new_zeros(gradient.shape)  # (N, d)
    # half the time of to_dense where rows occur twice
    return total.index_add_(0, gradient._indices()[0], gradient._values())
