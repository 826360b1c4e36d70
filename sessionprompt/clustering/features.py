"""Feature matrices: what rows of a prompt table each item adds up, with which weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["Features", "filled_rows", "in_columns", "stacked", "taken_rows"]

Features = sparse.csr_array | NDArray[np.float32]
"""Shape (n_items, n_rows): sparse for values of attributes, dense for vectors."""


def filled_rows(features: Features) -> NDArray[np.bool_]:
    """Mark the items that have a value, shape (n_items,)."""
    if isinstance(features, np.ndarray):
        return np.any(features != 0, axis=1)
    return np.diff(features.indptr) > 0


def taken_rows(features: Features, places: NDArray[np.integer]) -> Features:
    """Features of the items at some places, blank where a place is -1; shape (n, n_rows)."""
    if isinstance(features, np.ndarray):
        taken = np.zeros((len(places), features.shape[1]), dtype=np.float32)
        taken[places >= 0] = features[places[places >= 0]]
        return taken
    known = np.flatnonzero(places >= 0)
    some = features[places[known]]
    bounds = np.zeros(len(places) + 1, dtype=np.int64)
    bounds[known + 1] = np.diff(some.indptr)
    shape = (len(places), features.shape[1])
    return sparse.csr_array((some.data, some.indices, np.cumsum(bounds)), shape=shape)


def in_columns(features: Features, kept: NDArray[np.bool_]) -> Features:
    """Features without those of the columns that are not kept; the shape stays."""
    if isinstance(features, np.ndarray):
        return np.where(kept, features, np.float32(0))
    of_kept = kept[features.indices]
    bounds = np.append(0, np.cumsum(of_kept))[features.indptr]
    parts = (features.data[of_kept], features.indices[of_kept], bounds)
    return sparse.csr_array(parts, shape=features.shape)


def stacked(upper: Features, lower: Features) -> Features:
    """Features of some items above those of others."""
    if isinstance(upper, np.ndarray) or isinstance(lower, np.ndarray):
        return np.concatenate([upper, lower])
    return sparse.vstack([upper, lower], format="csr")
