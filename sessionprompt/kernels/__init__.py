"""Compiled kernels: products of bfloat16 over the catalogue, and a training step in float32."""

from __future__ import annotations

from .bfloat16 import (
    buffer_size,
    count_greater,
    logsumexp,
    obstacle,
    softmax_backward,
    softmax_forward,
    topk,
    usable,
)
from .float32 import (
    candidate_loss,
    compiles,
    float32_lanes,
    gru,
    gru_back,
    scale_back,
    scale_rows,
    step_rows,
    sum_bags,
    sum_bags_back,
    unit_sums,
    unit_sums_back,
    with_tensors,
)
from .processor import multiplies_bfloat16
from .switch import without_kernels
from .threads import in_threads, parts

__all__ = [
    "buffer_size",
    "candidate_loss",
    "compiles",
    "count_greater",
    "float32_lanes",
    "gru",
    "gru_back",
    "in_threads",
    "logsumexp",
    "multiplies_bfloat16",
    "obstacle",
    "parts",
    "scale_back",
    "scale_rows",
    "softmax_backward",
    "softmax_forward",
    "step_rows",
    "sum_bags",
    "sum_bags_back",
    "topk",
    "unit_sums",
    "unit_sums_back",
    "usable",
    "with_tensors",
    "without_kernels",
]
