"""Command line: fit a model on a file of events, evaluate it, recommend with it."""

from __future__ import annotations

from .options import literal
from .program import main

__all__ = ["literal", "main"]
