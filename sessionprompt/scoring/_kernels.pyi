"""The compiled module, see `scoring/_kernels.c`: contiguous arrays, d columns; some serve candidates first..last-1 a call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]
Words = NDArray[np.int32]

def log_sums(
    d: int, states: Floats, table: Floats, targets: Codes, first: int, last: int, result: Floats, /
) -> None: ...
def room(n: int, candidates: int, /) -> int: ...
def exponentials(
    d: int,
    states: Floats,
    table: Floats,
    targets: Codes,
    first: int,
    last: int,
    weights: Floats,
    own: Floats,
    kept: Words,
    sums: Floats,
    products: Floats,
    /,
) -> None: ...
def weigh(
    d: int, states: Floats, kept: Words, first: int, last: int, add: bool, result: Floats, /
) -> None: ...
def count_above(
    d: int, states: Floats, table: Floats, targets: Codes, above: Codes, level: Codes, /
) -> None: ...
def best(
    d: int, states: Floats, table: Floats, k: int, codes: Codes, values: Floats, /
) -> None: ...
