"""Metrics over exact ranks, their slices and arithmetic, and a scorer for scikit-learn's tools."""

from __future__ import annotations

from .arithmetic import check_arithmetic
from .metrics import coverage, metric_names, parse_metric, ranking_metrics
from .ranked import SLICES, RankedTargets
from .ranks import target_ranks
from .scorer import SessionScorer, cut_last_events, session_weights
from .slices import slice_by_length, slice_by_popularity, slice_by_repeat, sliced_metrics

__all__ = [
    "SLICES",
    "RankedTargets",
    "SessionScorer",
    "check_arithmetic",
    "coverage",
    "cut_last_events",
    "metric_names",
    "parse_metric",
    "ranking_metrics",
    "session_weights",
    "slice_by_length",
    "slice_by_popularity",
    "slice_by_repeat",
    "sliced_metrics",
    "target_ranks",
]
