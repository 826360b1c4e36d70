"""Shares of the players of a game: what each adds to the value of all of them together."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np

__all__ = ["MOST_EXACT", "attributed"]

MOST_EXACT = 8  # players whose 2 ** 8 subsets are valued


def attributed(value: Callable[[np.ndarray], np.ndarray], n: int) -> tuple[np.ndarray, float]:
    """Share of each of `n` players, and what they do not account for singly.

    Up to 8 players the shares are exact Shapley values, of all subsets, and nothing is left.
    Beyond, a share is what is lost if its player alone is left out, and the rest is left. Shares
    and rest add up to the value of all players less that of none.

    Parameters
    ----------
    value : callable
        From subsets, a boolean array of shape (n_subsets, n), to their values (n_subsets,).
    n : int

    Returns
    -------
    shares : ndarray of shape (n,)
    rest : float

    References
    ----------
    Shapley, A value for n-person games, 1953.

    Examples
    --------
    >>> shares, rest = attributed(lambda subsets: subsets @ [2.0, 3.0] + subsets.all(axis=1), 2)
    >>> shares.tolist(), rest
    ([2.5, 3.5], 0.0)
    """
    if n <= MOST_EXACT:
        return _shapley(value, n), 0.0
    subsets = np.ones((n + 2, n), dtype=bool)
    subsets[np.arange(n), np.arange(n)] = False
    subsets[n] = False
    *without, none, everyone = value(subsets).astype(np.float64)
    shares = everyone - np.array(without)
    return shares, float(everyone - none - shares.sum())


def _shapley(value: Callable[[np.ndarray], np.ndarray], n: int) -> np.ndarray:
    """Mean gain of each player over all orders in which players may come."""
    numbers = np.arange(2**n)
    subsets = (numbers[:, None] >> np.arange(n)) & 1 == 1  # (2 ** n, n)
    values = value(subsets).astype(np.float64)  # (2 ** n,)
    sizes = subsets.sum(axis=1)
    shares = np.empty(n)
    for player in range(n):
        without = numbers[~subsets[:, player]]
        gains = values[without | 1 << player] - values[without]
        weights = [1 / (n * comb(n - 1, size)) for size in sizes[without]]
        shares[player] = gains @ weights
    return shares
