"""Metrics of the library by name, registered the way a user's own are."""

from __future__ import annotations

from .lists import cold_coverage, coverage, diversity, gini, novelty
from .ranking import discounted_gain, hit, hit_share, reciprocal_rank
from .registry import add_metric

__all__: list[str] = []

add_metric("mrr", reciprocal_rank)
add_metric("recall", hit)
add_metric("ndcg", discounted_gain)
add_metric("coverage", coverage)
add_metric("cold_coverage", cold_coverage)
add_metric("precision", hit_share)
add_metric("map", reciprocal_rank)  # of one target, the mean precision is that at its rank
add_metric("novelty", novelty)
add_metric("diversity", diversity, min_k=2)
add_metric("gini", gini)
