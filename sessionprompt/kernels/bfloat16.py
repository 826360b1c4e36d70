"""The compiled kernels whose factors are bfloat16, if they were built and suit the processor."""

from __future__ import annotations

import torch

from .processor import abilities
from .switch import are_off

try:
    from ._bfloat16 import (
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

__all__ = [
    "buffer_size",
    "count_greater",
    "logsumexp",
    "obstacle",
    "softmax_backward",
    "softmax_forward",
    "topk",
    "usable",
]


def obstacle(device: torch.device) -> str | None:
    """Reason why the kernels do not compute on a device; None where they do.

    Processors with AMX keep torch's products, which use it, as the kernels do not.
    """
    if are_off():
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
