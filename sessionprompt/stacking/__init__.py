"""Stacks: several recommenders as one, weighed on sessions that none of them has seen."""

from __future__ import annotations

from .stack import StackedSessionRecommender

__all__ = ["StackedSessionRecommender"]
