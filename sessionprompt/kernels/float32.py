"""The compiled float32 kernels of a training step, if they were built and suit the processor."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .switch import are_off

try:
    from ._float32 import (
        candidate_loss,
        gru,
        gru_back,
        lanes,
        scale_back,
        scale_rows,
        step_rows,
        sum_bags,
        sum_bags_back,
        unit_sums,
        unit_sums_back,
    )
except ImportError:  # installed without a compiler
    candidate_loss = gru = gru_back = lanes = None  # type: ignore[assignment]
    scale_back = scale_rows = step_rows = None  # type: ignore[assignment]
    sum_bags = sum_bags_back = unit_sums = unit_sums_back = None  # type: ignore[assignment]

__all__ = [
    "candidate_loss",
    "compiles",
    "float32_lanes",
    "gru",
    "gru_back",
    "scale_back",
    "scale_rows",
    "step_rows",
    "sum_bags",
    "sum_bags_back",
    "unit_sums",
    "unit_sums_back",
    "with_tensors",
]


def float32_lanes() -> int:
    """Numbers in a register of the float32 kernels; 0 where they do not compute."""
    if are_off() or lanes is None:
        return 0
    return lanes()


def compiles(*tensors: Tensor) -> bool:
    """Whether the kernels compute with some tensors: float32, row after row, on the CPU."""
    return bool(float32_lanes()) and all(
        tensor.device.type == "cpu" and tensor.dtype == torch.float32 and tensor.is_contiguous()
        for tensor in tensors
    )


def with_tensors(kernel: Callable[..., None], *arguments: Tensor | float) -> None:
    """Call a kernel with the memory of tensors in place of arrays."""
    kernel(*(one.detach().numpy() if isinstance(one, Tensor) else one for one in arguments))
