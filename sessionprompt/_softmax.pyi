"""The compiled module, see `_softmax.c`: contiguous arrays; a call serves candidates first..last-1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

def log_sums(
    states: Floats, table: Floats, targets: NDArray[np.int64], first: int, last: int, result: Floats, /
) -> None: ...
def gradients(
    states: Floats,
    table: Floats,
    targets: NDArray[np.int64],
    first: int,
    last: int,
    shifts: Floats,
    states_grad: Floats,
    table_grad: Floats,
    /,
) -> None: ...
