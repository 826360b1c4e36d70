"""Training in several processes of `torch.distributed`: each takes a share of every step.

All processes hold the same sessions, the same weights and the same random numbers. Each draws the
same batch from seed and epoch, takes its share of the windows, and adds its gradients to those of
the others before the step, so that all take the same step: that of one process with the whole
batch. One process alone passes through here untouched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..batches import Elsewhere, SessionBatch, batches_of
from ..encoding import Examples, PrefixData
from ..storage import fingerprint

__all__ = [
    "add_up",
    "check_alike",
    "common",
    "is_first",
    "joined",
    "measured_together",
    "own_rank",
    "share_weights",
    "shared_batches",
]

SMALL = 65_536  # numbers of a gradient that travels in one message with the other small ones
DENSE_FROM = 0.4  # rows of all processes by those of the table: then a ring of all rows is quicker


def own_rank() -> int | None:
    """Number of this process among those that train together; None if it is alone."""
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return None
    return dist.get_rank()


def is_first() -> bool:
    """Whether this process writes and prints: the first one, or the only one."""
    return not own_rank()


@contextmanager
def joined() -> Iterator[bool]:
    """Context of a process that `torchrun` has started, with the others; gives :func:`is_first`."""
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend)
    try:
        yield is_first()
    finally:
        dist.destroy_process_group()


@contextmanager
def _together() -> Iterator[None]:
    """Context of words with the other processes; that one of them has ended is a sentence."""
    try:
        yield
    except RuntimeError as error:
        raise ConnectionError(
            f"another of the {dist.get_world_size()} processes that train together has ended, and "
            "none goes on without it. Start them again: with checkpoint_dir, training goes on from "
            "the last whole epoch, with as many processes as you like."
        ) from error


def common(value: Any) -> Any:
    """The first process's value, whatever the others have."""
    if own_rank() is None:
        return value
    values = [value]
    with _together():
        dist.broadcast_object_list(values)
    return values[0]


def share_weights(module: nn.Module) -> None:
    """Give all processes the weights of the first."""
    if own_rank() is None:
        return
    with _together(), torch.no_grad():
        for weights in module.state_dict().values():
            dist.broadcast(weights, 0)


def check_alike(train: PrefixData, valid: PrefixData | None, *settings: Any) -> None:
    """Raise a ValueError unless all processes are about to train on the same data.

    Parameters
    ----------
    train : PrefixData
    valid : PrefixData or None
    *settings : object
        Whatever else decides, with a `repr` that is the same in all processes.
    """
    if own_rank() is None:
        return
    columns = [repr(settings)]
    for data in (train, valid):
        if data is not None:
            columns.extend(_columns(data))
    digests: list[Any] = [None] * dist.get_world_size()
    with _together():
        dist.all_gather_object(digests, fingerprint(*columns))
    others = [rank for rank, digest in enumerate(digests) if digest != digests[0]]
    if others:
        raise ValueError(
            f"processes 0 and {others[0]} of {len(digests)} would train on other sessions, "
            "clusters, parameters or checkpoints. Give all of them the same events, the same "
            "random_state in every step of a pipeline, and a checkpoint_dir that all of them see."
        )


def _columns(data: PrefixData) -> list[Any]:
    """Arrays that decide what is trained."""
    examples = data.examples
    columns = [data.clusters, data.weights]
    columns += [examples.starts, examples.lengths, examples.n_prefixes]
    of_events = [data.next_items, examples.sessions.items, *examples.sessions.prompts.values()]
    return columns + [np.asarray(column) for column in of_events]


def shared_batches(
    data: PrefixData, batch_size: int, rng: np.random.Generator
) -> Iterable[tuple[SessionBatch, Tensor]]:
    """Shuffled pairs (batch, targets), of each this process's share.

    Parameters
    ----------
    data : PrefixData
    batch_size : int
        Prefixes of all shares together.
    rng : numpy.random.Generator
        In the same state in all processes.

    Yields
    ------
    batch : SessionBatch
        With ``elsewhere``, unless the process is alone.
    targets : LongTensor of shape (P,)
    """
    rank = own_rank()
    if rank is None:
        yield from batches_of(data, batch_size, rng)
        return
    for part in data.parts(batch_size, rng):
        owner = _owners(part)  # (n_windows,)
        mine = owner == rank
        counted = mine.any()
        mine[0] |= not counted  # a step needs a window, even if another process counts it
        batch = SessionBatch.collate(part.take(np.flatnonzero(mine)))
        ends = part.take(np.flatnonzero(~mine)).ends  # (P elsewhere,)
        elsewhere = Elsewhere(
            targets=torch.from_numpy(data.next_items[ends]),
            last_items=torch.from_numpy(part.sessions.items[ends]),
            shares=_row_shares(part, owner, rank),
            counted=bool(counted),
        )
        batch = replace(batch, elsewhere=elsewhere)
        yield batch, torch.from_numpy(data.next_items[batch.events])


def _row_shares(part: Examples, owner: np.ndarray, rank: int) -> dict[str, tuple[int, int, int]]:
    """Rows at hand, before them and in all, of the events and of the prefixes of a batch."""
    mine = owner == rank
    earlier = owner < rank
    if not mine.any():  # then the first window is read
        mine = np.arange(len(owner)) == 0
        earlier = np.zeros_like(mine)
    sizes = {"events": part.lengths, "prefixes": part.n_prefixes}
    return {
        kind: (int(of_each[mine].sum()), int(of_each[earlier].sum()), int(of_each.sum()))
        for kind, of_each in sizes.items()
    }


def _owners(part: Examples) -> np.ndarray:
    """Process of each window: neighbours, so that each has about as many prefixes."""
    done = np.cumsum(part.n_prefixes)
    return (done - 1) * dist.get_world_size() // max(done[-1], 1)


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
    with _together(), torch.no_grad():
        rows = [one for one in held if one.grad is not None and one.grad.is_sparse]
        for parameter in rows:
            parameter.grad = _sum_of_rows(_gradient(parameter))
        dense = [one for one in held if one.grad is None or not one.grad.is_sparse]
        return _add_dense(dense, loss)


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
    gradient = gradient.coalesce()
    n = gradient.values().shape[0]
    counts = _gathered(torch.tensor([n], device=gradient.device))  # K of (1,)
    sizes = [int(count) for count in counts]
    most = max(sizes)
    if most * len(sizes) >= DENSE_FROM * gradient.shape[0]:
        return _sum_as_dense(gradient)
    rows = gradient.indices().new_zeros(most)  # (most,)
    rows[:n] = gradient.indices()[0]
    values = gradient.values().new_zeros(most, *gradient.shape[1:])  # (most, d)
    values[:n] = gradient.values()
    all_rows = zip(_gathered(rows), sizes, strict=True)
    all_values = zip(_gathered(values), sizes, strict=True)
    index = torch.cat([some[:size] for some, size in all_rows])  # (r,)
    vectors = torch.cat([some[:size] for some, size in all_values])  # (r, d)
    joint = torch.sparse_coo_tensor(
        index.unsqueeze(0), vectors, gradient.shape, check_invariants=False
    )
    return joint.coalesce()


def _sum_as_dense(gradient: Tensor) -> Tensor:
    """Sum of sparse gradients (N, d) by way of dense ones; rows without any stay away."""
    touched = torch.zeros(len(gradient), 1, dtype=gradient.dtype, device=gradient.device)  # (N, 1)
    touched[gradient.indices()[0]] = 1
    flat = gradient.to_dense().reshape(len(gradient), -1)  # (N, d)
    whole = torch.cat([flat, touched], dim=1)  # (N, d + 1)
    dist.all_reduce(whole)
    index = whole[:, -1].nonzero().squeeze(1)  # (r,)
    values = whole[index, :-1].reshape(-1, *gradient.shape[1:])  # (r, d)
    joint = torch.sparse_coo_tensor(
        index.unsqueeze(0), values, gradient.shape, is_coalesced=True, check_invariants=False
    )
    return joint


def _gathered(tensor: Tensor) -> list[Tensor]:
    """Tensors of all processes, of one shape."""
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, tensor)
    return parts


def measured_together(
    data: PrefixData, measure: Callable[[PrefixData], tuple[np.ndarray, ...]]
) -> tuple[np.ndarray, ...]:
    """Arrays (n_prefixes,) of all prefixes, of which each process measures a share.

    Parameters
    ----------
    data : PrefixData
    measure : callable
        Gives arrays of the prefixes of some data, in their order.
    """
    rank = own_rank()
    if rank is None:
        return measure(data)
    mine = np.flatnonzero(_owners(data.examples) == rank)
    arrays = None
    if len(mine):
        arrays = measure(replace(data, examples=data.examples.take(mine)))
    shares: list[Any] = [None] * dist.get_world_size()
    with _together():
        dist.all_gather_object(shares, arrays)
    parts = [share for share in shares if share is not None]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
