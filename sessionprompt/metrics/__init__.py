"""Metrics of exact ranks and of lists, their slices and arithmetic, and a scorer for scikit-learn.

A metric is a function that says by its parameters what it reads; :func:`register_metric` adds one.
"""

from __future__ import annotations

from . import built_in  # noqa: F401 - the library's own metrics get their names
from .arithmetic import check_arithmetic
from .flat import flat_metrics, flat_name
from .lists import cold_coverage, coverage, diversity, gini, novelty
from .pieces import EvaluationPiece, evaluation_pieces
from .pipelines import evaluate_pipeline, last_step, pipeline_pieces, transform_steps
from .ranked import SLICES, RankedTargets, Slice, Ties, check_labels
from .ranking import ranking_metrics
from .ranks import target_ranks
from .registry import (
    check_monitor,
    list_length,
    metric_names,
    parse_metric,
    register_metric,
)
from .scorer import SessionScorer
from .slices import (
    slice_by_cold,
    slice_by_length,
    slice_by_popularity,
    slice_by_repeat,
    sliced_metrics,
)
from .weights import session_weights

__all__ = [
    "SLICES",
    "EvaluationPiece",
    "RankedTargets",
    "SessionScorer",
    "Slice",
    "Ties",
    "check_arithmetic",
    "check_labels",
    "check_monitor",
    "cold_coverage",
    "coverage",
    "diversity",
    "evaluate_pipeline",
    "evaluation_pieces",
    "flat_metrics",
    "flat_name",
    "gini",
    "last_step",
    "list_length",
    "metric_names",
    "novelty",
    "parse_metric",
    "pipeline_pieces",
    "ranking_metrics",
    "register_metric",
    "session_weights",
    "slice_by_cold",
    "slice_by_length",
    "slice_by_popularity",
    "slice_by_repeat",
    "sliced_metrics",
    "target_ranks",
    "transform_steps",
]
