"""The compiled kernels, see `_kernels.c`: states (B, d), candidates (N, d), all arrays contiguous.

Some serve the candidates first..last-1 of a call, so that threads can share them out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]
Pairs = NDArray[np.int32]

def abilities() -> tuple[str, ...]: ...
def buffer_size(n: int, candidates: int, /) -> int: ...
def logsumexp(
    states: Floats, table: Floats, targets: Codes, first: int, last: int, result: Floats, /
) -> None: ...
def softmax_forward(
    states: Floats,
    table: Floats,
    targets: Codes,
    first: int,
    last: int,
    weights: Floats,
    target_scores: Floats,
    exponentials: Pairs,
    sums: Floats,
    products: Floats,
    /,
) -> None: ...
def softmax_backward(
    states: Floats, exponentials: Pairs, first: int, last: int, add: bool, result: Floats, /
) -> None: ...
def count_greater(
    states: Floats,
    table: Floats,
    targets: Codes,
    thresholds: Floats | None,
    greater: Codes,
    equal: Codes,
    /,
) -> None: ...
def topk(states: Floats, table: Floats, k: int, codes: Codes, values: Floats, /) -> None: ...
