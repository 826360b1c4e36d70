"""Lists that are chosen item by item, each with a look at those before it."""

from __future__ import annotations

import numpy as np

__all__ = ["chosen_places"]


def chosen_places(
    scores: np.ndarray,
    k: int,
    *,
    groups: np.ndarray | None = None,
    most: int | None = None,
    vectors: np.ndarray | None = None,
    diversify: float = 0.0,
) -> np.ndarray:
    """Places of the chosen of some candidates of each list, in their new order.

    Each step takes the candidate with the highest (1 - diversify) r - diversify c, where r is its
    score between 0 (the lowest of its list) and 1 (the highest), and c the highest cosine to an
    item chosen before it; candidates of a group that is full are passed over.

    Parameters
    ----------
    scores : ndarray of shape (n, pool)
        Best first; minus infinity where there is no candidate.
    k : int
    groups : ndarray of shape (n, pool), optional
        Group of each candidate; -1 is none, and is never full.
    most : int, optional
        Items of a group that a list may hold.
    vectors : ndarray of shape (n, pool, d), optional
        Of unit length; read if `diversify` is above 0.
    diversify : float, default=0
        From 0 to 1.

    Returns
    -------
    ndarray of shape (n, k)
        -1 where no candidate is left.

    Examples
    --------
    >>> scores = np.array([[3.0, 2.0, 1.0]])
    >>> chosen_places(scores, 2, groups=np.array([[7, 7, 8]]), most=1).tolist()
    [[0, 2]]
    """
    open_ = scores > -np.inf  # (n, pool)
    worth = (1 - diversify) * _relevance(scores)  # (n, pool)
    closest = np.zeros_like(worth)  # (n, pool), the highest cosine to what was chosen
    rows = np.arange(len(scores))
    places = np.full((len(scores), k), -1)
    for step in range(k):
        values = np.where(open_, worth - diversify * closest, -np.inf)
        place = values.argmax(axis=1)  # (n,); the first of equals
        found = values[rows, place] > -np.inf  # (n,)
        places[found, step] = place[found]
        open_[rows, place] = False
        if most is not None and groups is not None:
            _close_full(open_, groups, places[:, : step + 1], most)
        if diversify > 0 and vectors is not None:
            cosines = np.einsum("npd,nd->np", vectors, vectors[rows, place])  # (n, pool)
            if step == 0:
                closest = cosines
            else:
                closest = np.maximum(closest, cosines)
    return places


def _relevance(scores: np.ndarray) -> np.ndarray:
    """Scores (n, pool) between 0 and 1 in each list."""
    high = scores.max(axis=1, keepdims=True)  # (n, 1)
    low = np.min(scores, axis=1, keepdims=True, initial=np.inf, where=scores > -np.inf)  # (n, 1)
    span = np.where(high > low, high - low, 1)  # (n, 1)
    return np.where(scores > -np.inf, (scores - low) / span, 0)


def _close_full(open_: np.ndarray, groups: np.ndarray, places: np.ndarray, most: int) -> None:
    """Close what has the group of the last choice, where so many of it are chosen."""
    rows = np.arange(len(groups))[:, None]
    last = groups[rows, places[:, -1:]]  # (n, 1)
    held = (groups[rows, places] == last) & (places >= 0)  # (n, step + 1)
    full = (held.sum(axis=1, keepdims=True) >= most) & (last >= 0)  # (n, 1)
    open_ &= ~(full & (groups == last))
