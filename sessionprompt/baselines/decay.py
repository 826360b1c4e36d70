"""Weights that fall with distance."""

from __future__ import annotations

import numpy as np

__all__ = ["decay"]


def decay(distance: np.ndarray, scale: float | None) -> np.ndarray:
    """``exp(-distance / scale)``, or 1 everywhere where `scale` is None."""
    if scale is None:
        return np.ones(len(distance))
    return np.exp(-distance / scale)
