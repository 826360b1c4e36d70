"""Items of the sessions themselves among those that an index finds, weighed by a blend."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import largest_of_rows, ragged_range
from ..blending import Blend, OwnItems
from ..sessions import Sessions

__all__ = ["own_items", "with_own_items"]


def own_items(recommender: Any, sessions: Sessions) -> OwnItems:
    """Items of the events that a recommender reads of each session, its newest ones."""
    lengths = np.minimum(sessions.lengths, recommender.max_length)  # (n_sessions,)
    events = ragged_range(sessions.offsets[1:] - lengths, lengths)
    items = recommender.encoder_.item_codes(sessions)[events]
    return OwnItems.of_prefixes(items, np.append(0, np.cumsum(lengths)), lengths)


def with_own_items(
    codes: np.ndarray,
    scores: np.ndarray,
    own: OwnItems,
    own_scores: np.ndarray,
    blend: Blend,
    k: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Best items once those of the sessions themselves are weighed.

    Parameters
    ----------
    codes, scores : ndarray of shape (n_sessions, n_found)
        Best items by the network, best first: at least `k` besides those of the session.
    own : OwnItems
    own_scores : ndarray of shape (n_pairs,)
        Scores of the own items by the network.
    blend : Blend
    k : int

    Returns
    -------
    codes, scores : ndarray of shape (n_sessions, k)
    """
    best = scores[:, 0].copy()  # (n_sessions,)
    np.maximum.at(best, own.row, own_scores)  # where the index has missed it
    n_found = codes.shape[1]
    counts = np.bincount(own.row, minlength=len(codes))  # (n_sessions,)
    column = n_found + ragged_range(np.zeros_like(counts), counts)  # (n_pairs,)
    shape = (len(codes), n_found + counts.max(initial=0))
    all_codes = np.zeros(shape, dtype=codes.dtype)
    all_scores = np.full(shape, -np.inf, dtype=scores.dtype)
    all_codes[:, :n_found] = codes
    all_scores[:, :n_found] = np.where(_among(codes, own), -np.inf, scores)
    all_codes[own.row, column] = own.item
    all_scores[own.row, column] = blend.own_scores(own, own_scores, best)
    columns, values = largest_of_rows(all_scores, k)
    return np.take_along_axis(all_codes, columns, axis=1), values


def _among(codes: np.ndarray, own: OwnItems) -> np.ndarray:
    """Which codes (n_sessions, n_found) are of items that their session holds."""
    n = max(codes.max(initial=0), own.item.max(initial=0)) + 1
    keys = codes + n * np.arange(len(codes))[:, None]  # (n_sessions, n_found)
    return np.isin(keys, own.row * n + own.item)
