"""Explanations of single scores: by events, by parts of the model, by training sessions."""

from __future__ import annotations

from .explanation import Explanation, explain

__all__ = ["Explanation", "explain"]
