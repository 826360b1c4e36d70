"""Memory that the loss keeps from one step of training to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

__all__ = ["scratch", "workspace"]

_Key = tuple[str, int, torch.dtype, torch.device]
_kept: ContextVar[dict[_Key, Tensor] | None] = ContextVar("_kept", default=None)


@contextmanager
def workspace() -> Iterator[None]:
    """Context in which the loss uses the memory of its last call again; at its end that is freed.

    A step of training needs tens of megabytes for exponentials. Allocated anew, they come as pages
    that the system has to clear. What a workspace holds belongs to this thread and this context.

    Examples
    --------
    >>> with workspace():
    ...     first = scratch("exponentials", 0, 8, torch.float32, torch.device("cpu"))
    ...     second = scratch("exponentials", 0, 6, torch.float32, torch.device("cpu"))
    >>> first.data_ptr() == second.data_ptr()
    True
    """
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def scratch(name: str, number: int, n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Memory of n numbers, in any state; in a workspace one memory for each name and number.

    Nothing that outlives the call may stay there, such as a gradient.
    """
    kept = _kept.get()
    if kept is None:
        return torch.empty(n, dtype=dtype, device=device)
    key = name, number, dtype, device
    if key not in kept or len(kept[key]) < n:
        kept[key] = torch.empty(n, dtype=dtype, device=device)
    return kept[key][:n]
