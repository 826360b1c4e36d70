"""Intervals of a metric: as wide as resampling the sessions makes them."""

from __future__ import annotations

import numpy as np
import pytest

from sessionprompt.baselines import SequentialRules
from sessionprompt.comparison import metric_intervals
from sessionprompt.datasets import make_sessions
from sessionprompt.metrics import slice_by_repeat

LOG = make_sessions(400, n_items=30, random_state=0)
RANKED = SequentialRules().fit(LOG[:200]).ranks(LOG[200:])


def test_intervals_agree_with_resampled_sessions() -> None:
    one = metric_intervals(RANKED, "recall@5", level=0.9)["all"]
    hits = (RANKED.ranks <= 5).astype(float)
    d = np.bincount(RANKED.sessions, hits)
    n = np.bincount(RANKED.sessions)
    drawn = np.random.default_rng(0).integers(len(n), size=(4000, len(n)))
    ratios = d[drawn].sum(1) / n[drawn].sum(1)
    low, high = np.quantile(ratios, [0.05, 0.95])
    assert one.mean == pytest.approx(hits.mean())
    assert one.high - one.low == pytest.approx(high - low, rel=0.1)
    assert (one.n_sessions, one.n_targets) == (len(n), len(hits))


def test_groups_are_intervals_of_their_own() -> None:
    labels = slice_by_repeat(RANKED.repeated)
    found = metric_intervals(RANKED, "mrr@20", labels)
    assert set(found) == {"new", "repeat"}
    for label, one in found.items():
        ranks = RANKED.ranks[labels == label]
        assert one.mean == pytest.approx(np.mean((ranks <= 20) / ranks))
        assert 0 <= one.low <= one.mean <= one.high <= 1
    alone = metric_intervals(RANKED, "mrr@20", RANKED.sessions == RANKED.sessions[0])[True]
    assert np.isnan(alone.low) and alone.n_sessions == 1
    with pytest.raises(ValueError, match="groups have shape"):
        metric_intervals(RANKED, "mrr@20", ["new"])
    with pytest.raises(ValueError, match="level=2 must be between 0 and 1"):
        metric_intervals(RANKED, level=2)
