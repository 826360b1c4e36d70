"""The compiled module, see `_catalogue.c`: contiguous arrays, d columns; some serve candidates first..last-1 a call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]

def log_sums(
    d: int, states: Floats, table: Floats, targets: Codes, first: int, last: int, result: Floats, /
) -> None: ...
def gradients(
    d: int,
    states: Floats,
    table: Floats,
    targets: Codes,
    first: int,
    last: int,
    shifts: Floats,
    states_grad: Floats,
    table_grad: Floats,
    /,
) -> None: ...
def count_above(d: int, states: Floats, table: Floats, targets: Codes, above: Codes, level: Codes, /) -> None: ...
def best(d: int, states: Floats, table: Floats, k: int, codes: Codes, values: Floats, /) -> None: ...
