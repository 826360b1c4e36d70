"""Clusters of items: as training sessions label them, and as labels of two fits go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ..sessions import Sessions
from ..vocabulary import Vocabulary
from .annotations import annotation

__all__ = ["GrownLabels", "item_labels"]

PIECE = 2**22  # events whose labels are compared at a time


def item_labels(sessions: Sessions) -> np.ndarray:
    """Cluster of each item of some sessions.

    An annotator that can label items (``label_items(sessions)``) is asked, since the label of an
    event may rest on its own session alone. Otherwise an item has the label of most of its events,
    ties by the lower one.

    Parameters
    ----------
    sessions : Sessions

    Returns
    -------
    ndarray of shape (n_items, n_columns), int64
        For each item of ``sessions.vocabulary``; -1 for those without an event.

    Raises
    ------
    ValueError
        If the sessions carry no labels.
    """
    of_events = annotation(sessions, "cluster")
    label_items = getattr(sessions.annotator, "label_items", None)
    if label_items is not None:
        return label_items(sessions).astype(np.int64)
    labels = np.full((len(sessions.vocabulary), of_events.shape[1]), -1, dtype=np.int64)
    labels[sessions.codes] = of_events
    varies = _varies(labels, sessions.codes, of_events)
    for column in np.flatnonzero(varies):
        labels[:, column] = _most_frequent(sessions.codes, of_events[:, column], len(labels))
    return labels


def _varies(labels: np.ndarray, codes: np.ndarray, of_events: np.ndarray) -> np.ndarray:
    """Columns, (n_columns,), in which some event has another label than its item."""
    varies = np.zeros(labels.shape[1], dtype=bool)
    for start in range(0, len(codes), PIECE):
        part = slice(start, start + PIECE)
        varies |= (labels[codes[part]] != of_events[part]).any(axis=0)
    return varies


def _most_frequent(codes: np.ndarray, labels: np.ndarray, n_items: int) -> np.ndarray:
    """Label of most events of each item, ties by the lower one; -1 where no event has any."""
    labelled = labels >= 0
    ones = np.ones(np.count_nonzero(labelled), dtype=np.int64)
    places = (codes[labelled], labels[labelled])
    counts = sparse.coo_array((ones, places), shape=(n_items, int(labels.max()) + 1))
    counts = counts.tocsr().tocoo()  # adds up
    item, label = counts.coords
    order = np.lexsort((label, -counts.data, item))
    items, first = np.unique(item[order], return_index=True)
    most = np.full(n_items, -1, dtype=np.int64)
    most[items] = label[order][first]
    return most


@dataclass(frozen=True)
class GrownLabels:
    """Clusters of items known before and of new ones, in the numbers of the newest annotator.

    An annotator that was fitted anew numbers its clusters anew. So each cluster known before goes
    to the number under which the annotator has most of its items; one that is not found there keeps
    a number of its own, after those of the annotator.

    Attributes
    ----------
    labels : ndarray of shape (n_items, n_columns), int64
    sizes : tuple of int
        Number of clusters of each column.
    moved : tuple of ndarray
        New number of each cluster known before, by column.
    """

    labels: np.ndarray
    sizes: tuple[int, ...]
    moved: tuple[np.ndarray, ...]

    @classmethod
    def of(
        cls,
        vocabulary: Vocabulary,
        old: tuple[np.ndarray, np.ndarray, tuple[int, ...]],
        new: tuple[np.ndarray, np.ndarray, tuple[int, ...]],
        annotator: Any,
    ) -> GrownLabels:
        """Labels of the items of a vocabulary.

        Parameters
        ----------
        vocabulary : Vocabulary
        old, new : tuple of rows, labels and sizes
            Of the items known before and of those of the new sessions: places in the vocabulary,
            labels, and the number of clusters of each column.
        annotator : object or None
            Annotator of the new sessions. Items that it knows have its labels, others keep those
            that they had.
        """
        old_rows, old_labels, old_sizes = old
        new_rows, new_labels, new_sizes = new
        sizes = np.maximum(new_sizes, np.ravel(getattr(annotator, "n_clusters_", 0)))
        moved = _moved_clusters(vocabulary, old, sizes, annotator)
        labels = np.full((len(vocabulary), len(old_sizes)), -1, dtype=np.int64)
        labels[new_rows] = new_labels
        for column, places in enumerate(moved):
            before = old_labels[:, column]
            labels[old_rows, column] = np.append(places, -1)[before]  # -1 stays
            sizes[column] = max(sizes[column], places.max(initial=-1) + 1)
        known = _known_labels(vocabulary, annotator)
        if known is not None:
            labels = np.where(known < 0, labels, known)
        return cls(labels, tuple(sizes.tolist()), moved)


def _known_labels(vocabulary: Vocabulary, annotator: Any) -> np.ndarray | None:
    """Labels of the items that an annotator knows without their sessions, -1 for the others."""
    if not hasattr(annotator, "label_items"):
        return None
    return annotator.label_items(Sessions.from_lists([], vocabulary=vocabulary))


def _moved_clusters(
    vocabulary: Vocabulary,
    old: tuple[np.ndarray, np.ndarray, tuple[int, ...]],
    n_new: np.ndarray,
    annotator: Any,
) -> tuple[np.ndarray, ...]:
    """New number of each cluster known before, by column."""
    rows, labels, sizes = old
    if not hasattr(annotator, "fitted_labels"):
        return tuple(np.arange(size) for size in sizes)
    found = annotator.fitted_labels(vocabulary)[rows]
    columns = zip(labels.T, found.T, sizes, n_new.tolist(), strict=True)
    return tuple(_matched(*column) for column in columns)


def _matched(before: np.ndarray, now: np.ndarray, n_before: int, n_now: int) -> np.ndarray:
    """New number of each of the clusters before, those with most items in common first."""
    both = (before >= 0) & (now >= 0)
    before = before[both]
    now = now[both]
    if (before == now).all():
        return np.arange(n_before)
    ones = np.ones(len(before), dtype=np.int64)
    common = sparse.coo_array((ones, (before, now)), shape=(n_before, n_now)).tocsr().tocoo()
    places = np.full(n_before, -1)
    taken = np.zeros(n_now, dtype=bool)
    cluster, number = common.coords
    order = np.lexsort((number, cluster, -common.data))
    for one, other in zip(cluster[order].tolist(), number[order].tolist(), strict=True):
        if places[one] < 0 and not taken[other]:
            places[one] = other
            taken[other] = True
    missing = np.flatnonzero(places < 0)
    places[missing] = n_now + np.arange(len(missing))
    return places
