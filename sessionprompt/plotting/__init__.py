"""Plots in scikit-learn's style: displays that hold what they draw; they need the extra `plot`.

A display is made by ``from_estimator``, ``from_results`` or ``from_sessions``, draws on the axes it
is given or on a figure of its own, never through pyplot, and shows itself in notebooks.
"""

from __future__ import annotations

from .blends import BlendDisplay
from .canvas import Display
from .cluster_flow import ClusterFlowDisplay
from .cluster_map import ClusterMapDisplay
from .comparisons import ComparisonDisplay
from .explanations import ExplanationDisplay
from .reach import ReachDisplay
from .resolution import ResolutionCurveDisplay
from .slices import SliceDisplay
from .training_curve import TrainingCurveDisplay

__all__ = [
    "BlendDisplay",
    "ClusterFlowDisplay",
    "ClusterMapDisplay",
    "ComparisonDisplay",
    "Display",
    "ExplanationDisplay",
    "ReachDisplay",
    "ResolutionCurveDisplay",
    "SliceDisplay",
    "TrainingCurveDisplay",
]
