"""Starts of tables: from the item graph of the sessions, or as published code has them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from ..graphs import window_graph
from .network import SessionNetwork
from .spectral import leading_vectors, scaled_graph

__all__ = ["graph_vectors", "start_as_published", "start_from_graph"]

NOISE = 0.1  # share of the random start that stays, to tell apart items that the graph does not


def graph_vectors(
    codes: ArrayLike, offsets: ArrayLike, n_items: int, dim: int, *, window: int, seed: int
) -> NDArray:
    """Vectors of items, similar for items that stand close to each other in sessions.

    They are the leading eigenvectors of I + (D + m)^-1/2 A (D + m)^-1/2, scaled by the root of
    their eigenvalues; A counts how often two items are at most `window` positions apart, D holds
    the degrees and m is their mean. Adding m keeps small components from taking all the leading
    vectors, adding I keeps eigenvalues positive.

    Parameters
    ----------
    codes : array-like of shape (n_events,)
        Item code of each event, in 0..n_items-1, session after session.
    offsets : array-like of shape (n_sessions + 1,)
    n_items, dim, window, seed : int

    Returns
    -------
    ndarray of shape (n_items, dim), float32
        Rows of length one; zero for items without neighbours. With fewer items than `dim`, the last
        columns are zero.

    References
    ----------
    Qin and Rohe, "Regularized spectral clustering under the degree-corrected stochastic
    blockmodel", NIPS 2013.

    Examples
    --------
    >>> rows = graph_vectors([0, 1, 0, 2, 3, 2], [0, 3, 6], 4, 2, window=1, seed=0)
    >>> bool(rows[0] @ rows[1] > 0.9 > abs(rows[0] @ rows[2]))
    True
    """
    # counts of 4 bytes: the largest arrays of a start in half the memory
    walk, degrees = scaled_graph(window_graph(codes, offsets, n_items, window, np.int32))
    vectors = leading_vectors(walk, min(dim, n_items), seed)  # (n_items, rank)
    vectors[degrees == 0] = 0
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))  # without a copy of the vectors
    vectors /= np.maximum(lengths, 1e-12)[:, np.newaxis]
    if dim > n_items:
        vectors = np.pad(vectors, ((0, 0), (0, dim - n_items)))
    return vectors


@torch.no_grad()
def start_from_graph(
    network: SessionNetwork, codes: ArrayLike, offsets: ArrayLike, seed: int
) -> None:
    """Start items of a fresh network from the graph of its sessions, and clusters in their middle.

    Parameters
    ----------
    network : SessionNetwork
    codes, offsets : array-like
        Training sessions, as in :func:`graph_vectors`.
    seed : int
    """
    n_items, dim = network.items.shape
    vectors = graph_vectors(codes, offsets, n_items, dim, window=3, seed=seed % 2**32)
    network.items.mul_(NOISE).add_(torch.from_numpy(vectors).to(network.items))
    network.center_prompts(NOISE)


@torch.no_grad()
def start_as_published(network: SessionNetwork) -> None:
    """Start items, prompts and gates as the published code of the backbone starts its items.

    Parameters
    ----------
    network : SessionNetwork
    """
    network.backbone.start_vectors(network.items)
    if network.blend is not None:
        for table in network.blend.tables.values():
            network.backbone.start_vectors(table)
        for module in network.blend.gate.modules():
            if isinstance(module, nn.Linear):
                network.backbone.start_map(module)
