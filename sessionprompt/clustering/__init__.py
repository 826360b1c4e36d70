"""Clusterers of items: transformers that label the events of sessions."""

from __future__ import annotations

from .base import GraphClusterer, by_falling_size, number_nodes, spread_labels
from .leiden import ItemClusterer
from .precomputed import PrecomputedClusters

__all__ = [
    "GraphClusterer",
    "ItemClusterer",
    "PrecomputedClusters",
    "by_falling_size",
    "number_nodes",
    "spread_labels",
]
