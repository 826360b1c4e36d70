"""The figures of a result line, from ranks of test targets, and gains over other ranks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from _shared import METRICS

from sessionprompt.comparison import paired_bootstrap
from sessionprompt.metrics import RankedTargets, check_arithmetic, ranking_metrics

HEADLINE = ("mrr@20", "recall@20")


def measured(ranked: RankedTargets) -> dict[str, Any]:
    """Metrics over all test targets, and over those that the model knows."""
    result = ranked.summary(METRICS, slices=["length", "popularity", "repeat"])
    found = ranked.ranks[np.isfinite(ranked.ranks)]
    known = ranking_metrics(found, METRICS) if len(found) else {}
    for values in (result, known):
        faults = check_arithmetic({key: value for key, value in values.items() if "@" in key})
        assert not faults, faults
    return {"test": result, "test_known": known}


def gains(ranked: Any, first: Any) -> dict[str, Any]:
    """What ranks, of one seed or of several, gain over others, with intervals and p-values."""
    return {
        metric: asdict(paired_bootstrap(ranked, first, metric, random_state=0))
        for metric in HEADLINE
    }
