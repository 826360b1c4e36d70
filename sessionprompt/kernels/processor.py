"""What the processor can do for products of bfloat16."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

try:
    from ._bfloat16 import abilities as said_by_kernels
except ImportError:  # installed without a compiler, or on another processor than x86-64
    said_by_kernels = None  # type: ignore[assignment]

__all__ = ["abilities", "multiplies_bfloat16"]


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
