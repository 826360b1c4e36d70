"""Ranks of targets among the scores of all items."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._checks import check_choice

__all__ = ["target_ranks"]

TIES = ("pessimistic", "midpoint", "optimistic")


def target_ranks(scores: Any, targets: Any, *, ties: str = "pessimistic") -> Any:
    """Rank of every target among all items by score, the best being 1.

    ``rank = 1 + #{score > score of the target}`` plus the share of the ties that `ties` names. A
    NaN among the scores counts as above the target, and a target whose own score is NaN comes last,
    whatever `ties` says: broken scores never look good.

    Parameters
    ----------
    scores : array or tensor of shape (n, n_items)
        One row of scores per target, in NumPy or torch.
    targets : integer array or tensor of shape (n,)
        Codes 0..n_items-1. Give unknown targets the rank ``inf`` instead of asking for it here.
    ties : {"pessimistic", "midpoint", "optimistic"}, default="pessimistic"
        All, half or none of the other items with the target's score stand before it.

    Returns
    -------
    array or tensor of shape (n,)
        Of the same kind as `scores`; integers, or floats for midpoint ranks.

    Raises
    ------
    ValueError
        If `ties` is not known, the shapes do not fit, or a target is no code of an item.

    References
    ----------
    Berrendorf et al., "On the ambiguity of rank-based evaluation of entity alignment or link
    prediction methods", 2020.

    Examples
    --------
    >>> scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]])
    >>> target_ranks(scores, np.array([2, 0]))
    array([2, 2])
    >>> target_ranks(scores, np.array([2, 0]), ties="midpoint")
    array([2. , 1.5])
    """
    _check_ranking(scores, targets, ties)
    n_items = scores.shape[1]
    own = scores[np.arange(len(targets)), targets][:, None]
    if ties == "pessimistic":
        return n_items - _count(scores < own)
    best = n_items + 1 - _count(scores <= own) - _count(own != own)
    if ties == "optimistic":
        return best
    return (best + n_items - _count(scores < own)) / 2


def _count(mask: Any) -> Any:
    """Number of true entries of each row, counted eight at a time in NumPy."""
    if isinstance(mask, np.ndarray):
        return np.bitwise_count(np.packbits(mask, axis=1)).sum(1, dtype=np.int64)
    return mask.sum(1)


def _check_ranking(scores: Any, targets: Any, ties: str) -> None:
    check_choice("ties", ties, TIES)
    if scores.ndim != 2 or tuple(targets.shape) != tuple(scores.shape[:1]):
        raise ValueError(
            f"scores of shape {tuple(scores.shape)} and targets of shape {tuple(targets.shape)} "
            "do not fit; pass shapes (n, n_items) and (n,)."
        )
    if not len(targets):
        return
    n_items = scores.shape[1]
    for code in (int(targets.min()), int(targets.max())):
        if not 0 <= code < n_items:
            raise ValueError(
                f"targets hold {code}, but codes run 0..{n_items - 1}; "
                "give unknown targets the rank inf."
            )
