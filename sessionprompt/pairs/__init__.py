"""Pairs of items: counted by the engine of a table, made a graph, thinned out."""

from __future__ import annotations

from .counting import count_pairs
from .edges import checked_graph, pair_graph
from .sparsify import sparsified

__all__ = ["checked_graph", "count_pairs", "pair_graph", "sparsified"]
