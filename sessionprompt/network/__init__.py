"""The whole network: item table, prompts, where tables start, ranks and lists."""

from __future__ import annotations

from .inference import _Scores, rank_sessions, rank_targets, top_items
from .network import SCORINGS, SessionNetwork
from .parameters import check_parameters, resolve_backbone, resolve_device, seed_of
from .prompts import GATES, FixedCodes, PromptBlend, scaled_table
from .starts import graph_vectors, start_as_published, start_from_graph

__all__ = [
    "GATES",
    "SCORINGS",
    "FixedCodes",
    "PromptBlend",
    "SessionNetwork",
    "_Scores",
    "check_parameters",
    "graph_vectors",
    "rank_sessions",
    "rank_targets",
    "resolve_backbone",
    "resolve_device",
    "scaled_table",
    "seed_of",
    "start_as_published",
    "start_from_graph",
    "top_items",
]
