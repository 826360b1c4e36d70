"""The compiled module, if it was built and suits the processor, and the threads that share its work."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

try:
    from ._kernels import best, count_above, exponentials, log_sums, room, weigh
except ImportError:  # installed without a compiler, or on another processor than x86-64
    best = count_above = exponentials = log_sums = room = weigh = None  # type: ignore[assignment]

__all__ = [
    "abilities",
    "best",
    "count_above",
    "exponentials",
    "in_threads",
    "log_sums",
    "multiplies_bfloat16",
    "parts",
    "room",
    "usable",
    "weigh",
]

T = TypeVar("T")


def usable(device: torch.device) -> bool:
    """Whether the compiled module can run and is the faster way; it does not use AMX, as torch's products do."""
    can = abilities() if log_sums is not None and device.type == "cpu" else set()
    return "avx512_bf16" in can and "amx_bf16" not in can


def abilities() -> set[str]:
    """What the processor can do, by torch's names."""
    return {name for name, has in torch.cpu.get_capabilities().items() if has}


def parts(n: int, least: int) -> list[slice]:
    """0..n-1 in one slice per torch thread, but none shorter than `least` if there are several."""
    size = max(least, math.ceil(n / torch.get_num_threads()))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def in_threads(work: Callable[..., T], slices: list[slice], *more: Iterable[Any]) -> list[T]:
    """Like ``map``, in one thread per slice: the module lets go of Python's lock while it computes."""
    if len(slices) == 1:
        return list(map(work, slices, *more))
    with ThreadPoolExecutor(len(slices)) as pool:
        return list(pool.map(work, slices, *more))


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the processor has products of bfloat16 built in; elsewhere they are emulated and slow."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(abilities() & {"avx512_bf16", "amx_bf16"})
