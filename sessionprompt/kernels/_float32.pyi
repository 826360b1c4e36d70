"""The compiled float32 kernels, see `_float32.c`; all arrays contiguous."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]

def lanes() -> int: ...
def candidate_loss(
    states: Floats,
    own: Floats,
    drawn: Floats,
    right: Floats,
    log_weights: Floats,
    rows: Codes,
    sizes: Codes,
    drawn_sizes: Codes,
    own_target: Codes,
    drawn_target: Codes,
    losses: Floats,
    states_grad: Floats,
    right_grad: Floats,
    own_grad: Floats,
    drawn_grad: Floats,
    first: int,
    last: int,
    /,
) -> None: ...
def step_rows(
    table: Floats,
    mean: Floats,
    square: Floats,
    rows: Codes,
    values: Floats,
    beta1: float,
    beta2: float,
    rate: float,
    correction: float,
    epsilon: float,
    decay: float,
    /,
) -> None: ...
def scale_rows(rows: Floats, scaled: Floats, lengths: Floats, least: float, /) -> None: ...
def scale_back(
    gradient: Floats, scaled: Floats, lengths: Floats, result: Floats, least: float, /
) -> None: ...
def unit_sums(
    x: Floats, added: Floats, result: Floats, x_lengths: Floats, lengths: Floats, least: float, /
) -> None: ...
def unit_sums_back(
    gradient: Floats,
    x: Floats,
    result: Floats,
    x_lengths: Floats,
    lengths: Floats,
    to_x: Floats,
    to_added: Floats,
    /,
) -> None: ...
def sum_bags(table: Floats, codes: Codes, sums: Floats, columns: int, /) -> None: ...
def sum_bags_back(sums: Floats, codes: Codes, table: Floats, columns: int, /) -> None: ...
def gru(
    alive: Codes,
    from_h: Floats,
    bias: Floats,
    gates: Floats,
    recurrent: Floats,
    before: Floats,
    states: Floats,
    /,
) -> None: ...
def gru_back(
    alive: Codes,
    from_h: Floats,
    to_gates: Floats,
    gates: Floats,
    recurrent: Floats,
    before: Floats,
    grad: Floats,
    /,
) -> None: ...
