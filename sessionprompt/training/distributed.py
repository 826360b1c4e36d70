"""Training in several processes of `torch.distributed`: each takes a share of every step.

All processes hold the same sessions, the same weights and the same random numbers. Each draws the
same batch from seed and epoch, takes its share of the windows, and adds its gradients to those of
the others before the step, so that all take the same step: that of one process with the whole
batch. With the loss over clusters, each also has its share of the clusters, and scores the prefixes
that end in them. One process alone passes through here untouched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..batches import Elsewhere, Moves, SessionBatch, batches_of
from ..encoding import Examples, PrefixData
from ..losses import MOST_OWN
from ..storage import fingerprint
from .scorers import scorers

__all__ = [
    "check_alike",
    "check_gpus",
    "common",
    "is_first",
    "joined",
    "measured_together",
    "own_rank",
    "share_weights",
    "shared_batches",
    "together",
]


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
    if 0 < _processes_here() <= torch.cuda.device_count():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend)
    try:
        yield is_first()
    finally:
        dist.destroy_process_group()


def _processes_here() -> int:
    """Processes that `torchrun` has started on this machine, by its word."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def check_gpus(device: torch.device) -> None:
    """Raise a ValueError where processes that train together would share a GPU."""
    if own_rank() is None or device.type != "cuda":
        return
    n_gpus = torch.cuda.device_count()
    n = _processes_here()
    if n > n_gpus:
        raise ValueError(
            f"{n} processes of this machine cannot share its GPUs, of which there are {n_gpus}: "
            f"start them with --nproc-per-node {n_gpus}, or set device='cpu'."
        )


@contextmanager
def together() -> Iterator[None]:
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
    with together():
        dist.broadcast_object_list(values)
    return values[0]


def share_weights(module: nn.Module) -> None:
    """Give all processes the weights of the first."""
    if own_rank() is None:
        return
    with together(), torch.no_grad():
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
    with together():
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
    clusters = _Clusters.of(data)
    for part in data.parts(batch_size, rng):
        reader = _owners(part)  # (n_windows,)
        mine = reader == rank
        counted = mine.any()
        mine[0] |= not counted  # a step needs a window, even if another process counts it
        batch = SessionBatch.collate(part.take(np.flatnonzero(mine)))
        ends = part.ends  # (P,)
        prefixes = _Prefixes(
            targets=data.next_items[ends],
            last_items=part.sessions.items[ends],
            reader=np.repeat(reader, part.n_prefixes),
        )
        own = np.repeat(mine, part.n_prefixes)  # (P,)
        targets, _ = prefixes.columns(own)
        elsewhere = Elsewhere(
            *prefixes.columns(~own),
            shares=_row_shares(part, reader, rank),
            counted=bool(counted),
            moves=_moves(prefixes, clusters, rank),
        )
        yield replace(batch, elsewhere=elsewhere), targets


class _Prefixes(NamedTuple):
    """Prefixes of a whole batch, and the process that encodes each."""

    targets: np.ndarray  # (P,)
    last_items: np.ndarray  # (P,)
    reader: np.ndarray  # (P,)

    def columns(self, some: np.ndarray) -> tuple[Tensor, Tensor]:
        """Targets and last items of marked ones."""
        return torch.from_numpy(self.targets[some]), torch.from_numpy(self.last_items[some])


class _Clusters(NamedTuple):
    """Clusters that the loss reads."""

    of_item: np.ndarray  # (n_items,), -1 for none
    sizes: np.ndarray  # (n_clusters + 1,), candidates of each, first those of none: 0

    @classmethod
    def of(cls, data: PrefixData) -> _Clusters | None:
        if data.clusters is None:
            return None
        sizes = np.bincount(data.clusters + 1)  # (n_clusters + 1,)
        sizes[0] = 0
        return cls(data.clusters, np.minimum(sizes, MOST_OWN))


def _moves(prefixes: _Prefixes, clusters: _Clusters | None, rank: int) -> Moves | None:
    """Prefixes that this process scores, if the loss reads clusters."""
    if clusters is None:
        return None
    n_processes = dist.get_world_size()
    cluster = clusters.of_item[np.maximum(prefixes.last_items, 0)]  # (P,)
    cluster[prefixes.last_items < 0] = -1
    scorer = scorers(cluster, clusters.sizes, n_processes)  # (P,)
    scored = scorer == rank  # (P,)
    counts = np.zeros((n_processes, n_processes), dtype=np.int64)  # from each to each
    np.add.at(counts, (prefixes.reader, scorer), 1)
    if not counts.any(0).all() or not counts.any(1).all():
        return None  # then some process has nothing to send, or to score
    own = scorer[prefixes.reader == rank]  # (P here,)
    targets, last_items = prefixes.columns(scored)
    return Moves(
        order=torch.from_numpy(np.argsort(own, kind="stable")),
        sent=counts[rank].tolist(),
        received=counts[:, rank].tolist(),
        targets=targets,
        last_items=last_items,
        elsewhere=Elsewhere(*prefixes.columns(~scored)),
    )


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
    with together():
        dist.all_gather_object(shares, arrays)
    parts = [share for share in shares if share is not None]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
