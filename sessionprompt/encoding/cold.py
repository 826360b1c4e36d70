"""Cold items: those of an attribute table that no session holds, as items of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from ..clustering import Features, filled_rows, stacked, taken_rows
from ..vocabulary import Vocabulary
from .attributes import LearnedAttributes
from .encoder import SessionEncoder

__all__ = ["rows_between", "warm_encoder", "with_cold_items"]


def warm_encoder(encoder: SessionEncoder) -> SessionEncoder:
    """Encoder of those items alone that training sessions hold.

    Parameters
    ----------
    encoder : SessionEncoder
    """
    warm = np.flatnonzero(encoder.item_counts > 0)
    if len(warm) == encoder.n_items:
        return encoder
    return replace(
        encoder,
        vocabulary=encoder.vocabulary.subset(warm),
        item_counts=encoder.item_counts[warm],
        item_labels=encoder.item_labels[warm],
        attributes=encoder.attributes.taken(warm),
    )


def with_cold_items(encoder: SessionEncoder, describers: Sequence[Any]) -> SessionEncoder:
    """Encoder that also knows the items of attribute tables, in the place of earlier cold ones.

    An item comes in if it has a value that training items have too. Its cluster is the one where
    its values are at home: the one with the largest sum of the shares that clusters have in the
    training items of each value.

    Parameters
    ----------
    encoder : SessionEncoder
    describers : sequence of ItemAttributes

    Returns
    -------
    SessionEncoder
        Cold items have a count of 0.
    """
    warm = warm_encoder(encoder)
    listed = _listed_items(describers)
    new = listed.subset(np.flatnonzero(warm.vocabulary.translate(listed) < 0))
    features = _all_kinds(warm.attributes, warm.attributes.described(describers, new), len(new))
    filled = np.zeros(len(new), dtype=bool)
    for one in features.values():
        filled |= filled_rows(one)
    kept = np.flatnonzero(filled)
    cold = {kind: taken_rows(one, kept) for kind, one in features.items()}
    vocabulary = warm.vocabulary.union(new.subset(kept))
    places = np.full(len(vocabulary), -1)  # among the warm items, then the cold ones
    places[vocabulary.translate(warm.vocabulary)] = np.arange(warm.n_items)
    places[places < 0] = warm.n_items + np.arange(len(kept))
    labels = np.concatenate([warm.item_labels, cold_labels(warm, cold, len(kept))])
    counts = np.append(warm.item_counts, np.zeros(len(kept), np.int64))
    attributes = {
        kind: taken_rows(stacked(one, cold[kind]), places)
        for kind, one in warm.attributes.features.items()
    }
    return replace(
        warm,
        vocabulary=vocabulary,
        item_counts=counts[places],
        item_labels=labels[places],
        attributes=replace(warm.attributes, features=attributes),
    )


def rows_between(encoder: SessionEncoder, other: SessionEncoder) -> dict[str, np.ndarray]:
    """Rows of an encoder's tables for those of one that differs in nothing but the items.

    Parameters
    ----------
    encoder, other : SessionEncoder

    Returns
    -------
    dict of str to ndarray
        By table; -1 for items that the encoder does not know.
    """
    sizes = encoder.prompt_sizes
    rows: dict[str, np.ndarray] = {kind: np.arange(size) for kind, size in sizes.items()}
    rows["item"] = encoder.vocabulary.translate(other.vocabulary)
    return rows


def cold_labels(warm: SessionEncoder, cold: dict[str, Features], n_cold: int) -> np.ndarray:
    """Cluster of each cold item, (n_cold, n_columns), by those of warm items of like attributes."""
    labels = np.full((n_cold, warm.item_labels.shape[1]), -1, dtype=np.int64)
    if not n_cold:
        return labels
    for column, size in enumerate(warm.cluster_sizes):
        of_warm = warm.item_labels[:, column]
        known = of_warm >= 0
        where = (np.flatnonzero(known), of_warm[known])
        ones = np.ones(int(known.sum()), dtype=np.float32)
        members = sparse.csr_array((ones, where), shape=(warm.n_items, size))
        scores = np.zeros((n_cold, size), dtype=np.float32)
        for kind, features in warm.attributes.features.items():
            scores += _shares(features, cold[kind], members)
        labels[:, column] = scores.argmax(axis=1)
    return labels


def _shares(warm: Features, cold: Features, members: sparse.csr_array) -> np.ndarray:
    """Mean share of each cluster in the values of cold items, (n_cold, n_clusters).

    For vectors, it is the cosine with the mean vector of the cluster.
    """
    if isinstance(cold, np.ndarray) or isinstance(warm, np.ndarray):
        sums = np.asarray(members.T @ warm)  # (n_clusters, n_rows)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        return cold @ (sums / np.maximum(lengths, 1e-12)).T
    counts = sparse.csr_array(warm.T @ members)  # (n_rows, n_clusters)
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1e-12)
    shares = sparse.diags_array(1 / totals) @ counts
    weights = np.maximum(np.asarray(cold.sum(axis=1)).ravel(), 1e-12)
    return (sparse.diags_array(1 / weights) @ cold @ shares).toarray()


def _listed_items(describers: Sequence[Any]) -> Vocabulary:
    """Items of all tables."""
    vocabulary = describers[0].described_items
    for describer in describers[1:]:
        vocabulary = vocabulary.union(describer.described_items)
    return vocabulary


def _all_kinds(
    attributes: LearnedAttributes, known: dict[str, Features], n_items: int
) -> dict[str, Features]:
    """Features of some items in all kinds of a model, blank in those that are not known."""
    nowhere = np.full(n_items, -1)
    blank = {kind: taken_rows(one, nowhere) for kind, one in attributes.features.items()}
    return {**blank, **known}
