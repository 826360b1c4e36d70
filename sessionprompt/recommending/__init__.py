"""Recommendations as tables: one row per recommended item, with titles."""

from __future__ import annotations

from .columns import recommended_columns
from .mixin import RecommendMixin

__all__ = ["RecommendMixin", "recommended_columns"]
