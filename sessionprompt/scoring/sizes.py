"""Sizes of the tiles and blocks in which scores are computed, on CPUs and GPUs, with their reasons.

Those of the CPU fit the caches of one core of an AMD EPYC and the 43,097 items of Diginetica, where
`benchmarks/softmax.py` times the loss and `benchmarks/speed/inference.py` ranks and lists.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

__all__ = [
    "ATTENTION_NUMBERS",
    "ATTENTION_TILE",
    "BLOCK_ROWS",
    "BLOCK_SCORES",
    "CACHE_LINE",
    "COLUMN_GROUP",
    "COMPILED_EXPONENTIALS",
    "COMPILED_LEAST_ROWS",
    "KERNEL_LEAST_ROWS",
    "LOSS_ROWS",
    "LOSS_TILE",
    "SEARCH_ROWS",
    "SEARCH_SLICE",
    "Size",
]


class Size(NamedTuple):
    """A size on the CPU, and the same on a GPU."""

    cpu: int
    gpu: int

    def on(self, device: torch.device) -> int:
        """The size on a device."""
        if device.type == "cpu":
            return self.cpu
        return self.gpu


# ---------------------------------------------------------------------- the loss in tiles of torch
# GPU: large enough to fill it, small enough for its memory.
LOSS_ROWS = Size(128, 16_384)
"""Rows whose exponentials are kept: 11 MB of bfloat16 for 43,000 candidates, which caches hold."""
LOSS_TILE = Size(4096, 16_384)
"""Candidates of a tile of scores: 2 MB of float32, which the caches of a core hold."""

# -------------------------------------------------------------------- the compiled loss (CPU only)
COMPILED_EXPONENTIALS = 12_000_000
"""Exponentials that are kept: 24 MB of bfloat16."""
COMPILED_LEAST_ROWS = 96
"""Rows for which the table is read once, whatever their exponentials take."""

# ---------------------------------------------------------------------- ranks, lists, single losses
KERNEL_LEAST_ROWS = 64
"""Rows from which on kernels rank: to pack the table costs as much as a product of so many."""
BLOCK_SCORES = 6_291_456
"""Scores that exist at a time: 24 MB of float32."""
BLOCK_ROWS = 16
"""Rows of a block at the least: products of fewer rows are bound by reading a large table."""
CACHE_LINE = 16
"""Numbers of a line of the cache; products take twice as long for rows that start elsewhere."""
COLUMN_GROUP = 64
"""A multiple of the columns that products make together: 16 or 32 on processors with AVX-512."""
SEARCH_ROWS = 32
"""Rows of a block that the CPU searches at a time: their intermediate results stay in the cache."""
SEARCH_SLICE = 64
"""Items whose highest score stands for all of them while the best are searched."""

# ---------------------------------------------------------------------- target attention
# GPU: sixteen times as many of both fill it.
ATTENTION_TILE = Size(2048, 16 * 2048)
"""Candidates at a time: a core's own cache holds what a few dozen prefixes need of them."""
ATTENTION_NUMBERS = Size(8_000_000, 16 * 8_000_000)
"""Numbers kept of some prefixes and all candidates: 32 MB of float32."""
