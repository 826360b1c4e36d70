"""The whole network: item table, prompts, where tables start, ranks and lists."""

from __future__ import annotations

from .build import (
    build_network,
    empty_network,
    one_pass_of,
    registered_name,
    resolve_backbone,
    resolve_device,
)
from .inference import rank_sessions, rank_targets, top_items
from .network import SCORINGS, SessionNetwork
from .prompts import GATES, FixedCodes, PromptBlend, scaled_table
from .starts import graph_vectors, start_as_published, start_from_graph

__all__ = [
    "GATES",
    "SCORINGS",
    "FixedCodes",
    "PromptBlend",
    "SessionNetwork",
    "build_network",
    "empty_network",
    "graph_vectors",
    "one_pass_of",
    "rank_sessions",
    "rank_targets",
    "registered_name",
    "resolve_backbone",
    "resolve_device",
    "scaled_table",
    "start_as_published",
    "start_from_graph",
    "top_items",
]
