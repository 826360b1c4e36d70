"""Lists fit for a shop: block lists, most items of a group, diversity."""

from __future__ import annotations

from .recommender import RerankedRecommender

__all__ = ["RerankedRecommender"]
