"""Metrics made of lists: which items are recommended, whoever asked, and beside which others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["cold_coverage", "coverage", "diversity", "gini", "novelty"]


def coverage(topk_codes: npt.ArrayLike, k: int, n_items: int) -> float:
    """Share of the catalogue that appears in any list of the k best items.

    Parameters
    ----------
    topk_codes : array-like of shape (n, at least k), int
        Codes of the recommended items, best first; -1 marks an empty place.
    k : int
        Length of the lists that count.
    n_items : int
        Size of the catalogue.

    Returns
    -------
    float
        A fraction in 0..1.

    Raises
    ------
    ValueError
        If the lists are shorter than k or hold a code outside the catalogue.

    See Also
    --------
    gini : Inequality of how often the items appear.

    Examples
    --------
    >>> coverage([[0, 1], [0, 2]], k=2, n_items=4)
    0.75
    """
    return float((_exposures(topk_codes, k, n_items) > 0).mean())


def cold_coverage(topk_codes: npt.ArrayLike, k: int, item_counts: npt.ArrayLike) -> float:
    """Share of the cold items, which no training session holds, in any list of the k best items.

    Parameters
    ----------
    topk_codes, k
        As in :func:`coverage`.
    item_counts : array-like of shape (n_items,)
        Training events of each item; 0 for cold ones.

    Returns
    -------
    float
        A fraction in 0..1; NaN where there are no cold items.

    Examples
    --------
    >>> cold_coverage([[0, 1], [0, 2]], k=2, item_counts=[5, 0, 3, 0])
    0.5
    """
    cold = np.asarray(item_counts) == 0
    exposed = _exposures(topk_codes, k, len(cold)) > 0
    if not cold.any():
        return float("nan")
    return float(exposed[cold].mean())


def gini(topk_codes: npt.ArrayLike, k: int, n_items: int) -> float:
    """Gini coefficient of exposure: how unequally the catalogue shares the places in the lists.

    Parameters
    ----------
    topk_codes, k, n_items
        As in :func:`coverage`.

    Returns
    -------
    float
        0 if every item stands in equally many lists of the k best; ``1 - 1 / n_items`` if all
        places go to one item.

    Raises
    ------
    ValueError
        If the lists are shorter than k or hold a code outside the catalogue.

    See Also
    --------
    coverage : Share of the items that appear at all.

    Examples
    --------
    >>> gini([[0, 1], [2, 3]], k=2, n_items=4), gini([[0], [0]], k=1, n_items=4)
    (0.0, 0.75)
    """
    exposures = np.sort(_exposures(topk_codes, k, n_items))
    total = exposures.sum()
    if total == 0:
        return 0.0
    places = np.arange(1, n_items + 1)
    return float(((2 * places - n_items - 1) * exposures).sum() / (n_items * total))


def novelty(topk_codes: npt.ArrayLike, k: int, item_counts: npt.ArrayLike) -> np.ndarray:
    """Mean self-information, in bits, of the items in each list of the k best.

    The self-information of an item is ``-log2 p``, where p is its share of the training events: a
    list of what everybody knows says little. An item without an event counts as one event.

    Parameters
    ----------
    topk_codes : array-like of shape (n, at least k), int
        As in :func:`coverage`.
    k : int
    item_counts : array-like of shape (n_items,)
        Training events of each item.

    Returns
    -------
    ndarray of shape (n,)
        0 or more; 0 for an empty list.

    Raises
    ------
    ValueError
        If the lists are shorter than k or hold a code outside the catalogue.

    References
    ----------
    Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", 2010.

    Examples
    --------
    >>> novelty([[0, 1], [2, 2]], k=2, item_counts=[4, 2, 2])
    array([1.5, 2. ])
    """
    counts = np.maximum(np.asarray(item_counts, dtype=np.float64), 1.0)
    codes = _first_codes(topk_codes, k, len(counts))
    filled = codes >= 0
    information = np.where(filled, -np.log2(counts / counts.sum())[codes], 0.0)
    return information.sum(axis=1) / np.maximum(filled.sum(axis=1), 1)


def diversity(topk_codes: npt.ArrayLike, k: int, item_labels: npt.ArrayLike) -> np.ndarray:
    """Share of the pairs within each list of the k best whose items are of different clusters.

    Parameters
    ----------
    topk_codes : array-like of shape (n, at least k), int
        As in :func:`coverage`.
    k : int
        At least 2.
    item_labels : array-like of shape (n_items,) or (n_items, n_columns), int
        Cluster of each item; several columns, such as clusters at several resolutions, are
        averaged.

    Returns
    -------
    ndarray of shape (n,)
        Fractions in 0..1; 0 for a list of fewer than two items.

    Raises
    ------
    ValueError
        If the lists are shorter than k or hold a code outside the catalogue.

    References
    ----------
    Ziegler et al., "Improving recommendation lists through topic diversification", 2005.

    Examples
    --------
    >>> diversity([[0, 1, 2], [0, 1, 1]], k=3, item_labels=[7, 7, 8]).round(2)
    array([0.67, 0.  ])
    """
    labels = np.asarray(item_labels)
    labels = labels.reshape(len(labels), -1)
    codes = _first_codes(topk_codes, k, len(labels))
    filled = codes >= 0
    n_filled = filled.sum(axis=1)
    pairs = n_filled * (n_filled - 1) // 2
    equal = np.mean([_equal_pairs(column[codes], filled) for column in labels.T], axis=0)
    return (pairs - equal) / np.maximum(pairs, 1)


def _equal_pairs(labels: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Number of pairs of filled places in each row that have one label; shape (n,)."""
    place = np.arange(labels.shape[1])
    below = labels.min(initial=0) - 1 - place  # one label for each empty place
    ordered = np.sort(np.where(filled, labels, below), axis=1)
    starts = np.ones(ordered.shape, dtype=bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    run_starts = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    return (place - run_starts).sum(axis=1)  # the m-th of a run has m - 1 equal ones before it


def _exposures(topk_codes: npt.ArrayLike, k: int, n_items: int) -> np.ndarray:
    """Number of lists of the k best that each item stands in; shape (n_items,)."""
    codes = _first_codes(topk_codes, k, n_items)
    return np.bincount(codes[codes >= 0], minlength=n_items)


def _first_codes(topk_codes: npt.ArrayLike, k: int, n_items: int) -> np.ndarray:
    """First k codes of each list; an error if there are fewer, or codes of no item."""
    codes = np.asarray(topk_codes)
    if codes.ndim != 2 or not 1 <= k <= codes.shape[1]:
        raise ValueError(
            f"k={k} does not fit topk_codes of shape {codes.shape}; pass lists of at least k codes."
        )
    codes = codes[:, :k]
    if codes.size and codes.max() >= n_items:
        raise ValueError(
            f"topk_codes hold {codes.max()}, outside a catalogue of n_items={n_items}."
        )
    return codes
