"""The compiled kernels, if they were built and suit the processor, and threads for their work."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import torch

try:
    from ._kernels import abilities as said_by_kernels
    from ._kernels import (
        buffer_size,
        count_greater,
        logsumexp,
        softmax_backward,
        softmax_forward,
        topk,
    )
except ImportError:  # installed without a compiler, or on another processor than x86-64
    buffer_size = count_greater = logsumexp = None  # type: ignore[assignment]
    softmax_backward = softmax_forward = topk = None  # type: ignore[assignment]
    said_by_kernels = None  # type: ignore[assignment]

__all__ = [
    "abilities",
    "buffer_size",
    "count_greater",
    "in_threads",
    "logsumexp",
    "multiplies_bfloat16",
    "obstacle",
    "parts",
    "softmax_backward",
    "softmax_forward",
    "topk",
    "usable",
    "without_kernels",
]

T = TypeVar("T")
_switch = SimpleNamespace(off=False)


def obstacle(device: torch.device) -> str | None:
    """Reason why the kernels do not compute on a device; None where they do.

    Processors with AMX keep torch's products, which use it, as the kernels do not.
    """
    if _switch.off:
        return "kernels are switched off"
    if device.type != "cpu":
        return f"kernels compute on the CPU, not on {device.type}"
    if logsumexp is None:
        return "kernels were not built: the installation found no C compiler, or another processor"
    if "avx512_bf16" not in abilities():
        return "kernels need a processor with AVX-512 BF16"
    if "amx_bf16" in abilities():
        return "torch's products use the AMX of this processor"
    return None


def usable(device: torch.device) -> bool:
    """Whether the kernels compute on a device."""
    return obstacle(device) is None


@contextmanager
def without_kernels() -> Iterator[None]:
    """Context in which torch does the work of the kernels, such as to compare both."""
    before = _switch.off
    _switch.off = True
    try:
        yield
    finally:
        _switch.off = before


@cache
def abilities() -> frozenset[str]:
    """Instruction sets of the processor, by torch's names, as far as they matter here.

    The compiled module reads them off the processor. Without it torch is asked, which can say it
    from 2.11 on; Linux writes them, by the same names, for everybody else.
    """
    if said_by_kernels is not None:
        return frozenset(said_by_kernels())
    if hasattr(torch.cpu, "get_capabilities"):
        return frozenset(name for name, has in torch.cpu.get_capabilities().items() if has)
    return _said_by_system(Path("/proc/cpuinfo"))


def _said_by_system(path: Path) -> frozenset[str]:
    """Instruction sets in Linux's description of the processor; none where it is missing."""
    if not path.exists():
        return frozenset()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 are built in; elsewhere they are emulated and slow."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(abilities() & {"avx512_bf16", "amx_bf16"})


def parts(n: int, least: int) -> list[slice]:
    """Slices of 0..n-1, one per torch thread; none of several is shorter than `least`."""
    size = max(least, math.ceil(n / torch.get_num_threads()))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def in_threads(work: Callable[..., T], slices: list[slice], *more: Iterable[Any]) -> list[T]:
    """Results as of ``map``, from one thread per slice: kernels release Python's lock meanwhile."""
    if len(slices) == 1:
        return list(map(work, slices, *more))
    with ThreadPoolExecutor(len(slices)) as pool:
        return list(pool.map(work, slices, *more))
