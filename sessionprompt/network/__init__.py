"""The whole network: item table, prompts, where tables start, ranks and lists."""

from __future__ import annotations

from .build import (
    build_network,
    check_learned,
    check_registered,
    one_pass_of,
    registered_name,
    resolve_backbone,
    resolve_device,
    stored_network,
)
from .cold_scale import COLD_SCALES, best_cold_scale
from .inference import (
    held_out_scores,
    item_vectors,
    prefix_scores,
    rank_sessions,
    rank_targets,
    top_items,
)
from .modes import exact
from .network import SCORINGS, SessionNetwork
from .prompts import GATES, FixedCodes, PromptBlend, scaled_table
from .starts import graph_vectors, start_as_published, start_from_graph
from .vectors import close_items, score_without, session_vectors

__all__ = [
    "COLD_SCALES",
    "GATES",
    "SCORINGS",
    "FixedCodes",
    "PromptBlend",
    "SessionNetwork",
    "best_cold_scale",
    "build_network",
    "check_learned",
    "check_registered",
    "close_items",
    "exact",
    "graph_vectors",
    "held_out_scores",
    "item_vectors",
    "one_pass_of",
    "prefix_scores",
    "rank_sessions",
    "rank_targets",
    "registered_name",
    "resolve_backbone",
    "resolve_device",
    "scaled_table",
    "score_without",
    "session_vectors",
    "start_as_published",
    "start_from_graph",
    "stored_network",
    "top_items",
]
