"""Weights of sessions and of targets in averages."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["check_weights", "session_weights"]


def session_weights(sample_weight: npt.ArrayLike | None, n: int) -> np.ndarray | None:
    """One weight for each of `n` sessions as floats, or None for None.

    Parameters
    ----------
    sample_weight : array-like of shape (n,) or None
    n : int

    Returns
    -------
    ndarray of shape (n,) or None

    Raises
    ------
    ValueError
        If the shape is another.

    Examples
    --------
    >>> session_weights([1, 2], 2)
    array([1., 2.])
    """
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(
            f"sample_weight has shape {weights.shape}, but X holds {n} sessions; "
            "pass one weight for each."
        )
    return weights


def check_weights(weights: npt.ArrayLike | None, n: int) -> np.ndarray:
    """Weights of `n` targets as floats, 1 each for None; an error if no average can be made."""
    if weights is None:
        return np.broadcast_to(1.0, n)  # which takes no memory
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(
            f"weights of shape {weights.shape} do not fit {n} ranks; pass one weight per rank."
        )
    if not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise ValueError("weights must be finite, not negative, and not all zero.")
    return weights
