"""Clusterers of items: transformers that label the events of sessions."""

from __future__ import annotations

from .base import GraphClusterer
from .leiden import ItemClusterer
from .numbering import by_falling_size
from .precomputed import PrecomputedClusters

__all__ = ["GraphClusterer", "ItemClusterer", "PrecomputedClusters", "by_falling_size"]
