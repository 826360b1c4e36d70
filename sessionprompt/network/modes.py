"""Modes of torch in which its numbers keep their precision and are the same each time."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import torch

__all__ = ["exact"]

# what torch says of operations that it has in one way only
NO_ORDER = "(.*does not have a deterministic implementation|Deterministic behavior was enabled)"


@contextmanager
def exact(device: torch.device | None = None) -> Iterator[None]:
    """Context in which torch's automatic casts are off, and a GPU computes what a processor does.

    By default, a GPU rounds the factors of products in recurrent layers (TF32) and adds up in any
    order, so that neither other sessions in a batch nor another run give the same scores. Here it
    does neither, where torch has another way.

    Parameters
    ----------
    device : torch.device, optional
        What is going to compute; by default a GPU, if this process has used one.
    """
    with ExitStack() as stack:
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.cuda.is_initialized() or (device is not None and device.type == "cuda"):
            stack.enter_context(_GPU.set_while_used())
        yield


class _ProcessModes:
    """Modes of the process: the first thread that needs them sets them, the last puts them back."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.before: list[Any] = []

    @contextmanager
    def set_while_used(self) -> Iterator[None]:
        """Context in which the modes are set."""
        with self.lock:
            self.users += 1
            if self.users == 1:
                self._set()
        try:
            yield
        finally:
            with self.lock:
                self.users -= 1
                if self.users == 0:
                    self._put_back()

    def _set(self) -> None:
        _prepare()
        where, name, precise = _rounding()
        self.before = [
            getattr(where, name),
            torch.get_deterministic_debug_mode(),
            _memory.fill_uninitialized_memory,
        ]
        setattr(where, name, precise)
        if self.before[1] == 0:
            torch.set_deterministic_debug_mode(1)
        _memory.fill_uninitialized_memory = False

    def _put_back(self) -> None:
        where, name, _ = _rounding()
        rounding, order, fill = self.before
        setattr(where, name, rounding)
        torch.set_deterministic_debug_mode(order)
        _memory.fill_uninitialized_memory = fill


@cache
def _prepare() -> None:
    """What the libraries of a GPU read once, and no word on each operation without an order."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else products may differ
    warnings.filterwarnings("ignore", NO_ORDER)


def _rounding() -> tuple[Any, str, Any]:
    """Where torch keeps what recurrent layers round to, its name, and the value for not at all."""
    layers = torch.backends.cudnn.rnn
    if hasattr(layers, "fp32_precision"):  # since torch 2.9
        return layers, "fp32_precision", "ieee"
    return torch.backends.cudnn, "allow_tf32", False


_GPU = _ProcessModes()
_memory: Any = torch.utils.deterministic
