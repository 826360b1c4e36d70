"""The figures of a result line, from the ranks of the test targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from _shared import METRICS

from sessionprompt.metrics import RankedTargets, check_arithmetic, ranking_metrics


def measured(ranked: RankedTargets) -> dict[str, Any]:
    """Metrics over all test targets, and over those that the model knows."""
    result = ranked.summary(METRICS, slices=["length", "popularity", "repeat"])
    found = ranked.ranks[np.isfinite(ranked.ranks)]
    known = ranking_metrics(found, METRICS) if len(found) else {}
    for values in (result, known):
        faults = check_arithmetic({key: value for key, value in values.items() if "@" in key})
        assert not faults, faults
    return {"test": result, "test_known": known}
