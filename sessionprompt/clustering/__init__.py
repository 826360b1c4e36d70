"""Clusters and attributes of items: transformers that annotate sessions with them."""

from __future__ import annotations

from .attributes import ItemAttributes
from .base import GraphClusterer
from .features import Features, filled_rows, in_columns, stacked, taken_rows
from .leiden import ItemClusterer
from .numbering import by_falling_size
from .precomputed import PrecomputedClusters

__all__ = [
    "Features",
    "GraphClusterer",
    "ItemAttributes",
    "ItemClusterer",
    "PrecomputedClusters",
    "by_falling_size",
    "filled_rows",
    "in_columns",
    "stacked",
    "taken_rows",
]
