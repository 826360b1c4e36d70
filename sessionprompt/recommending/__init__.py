"""Recommendations as tables: one row per recommended item, with titles."""

from __future__ import annotations

from .columns import answered_rows, owner_columns, recommended_columns
from .mixin import RecommendMixin

__all__ = ["RecommendMixin", "answered_rows", "owner_columns", "recommended_columns"]
