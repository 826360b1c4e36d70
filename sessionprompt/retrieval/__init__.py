"""Approximate search for items by the vectors of a trained network."""

from __future__ import annotations

from .index import ItemIndex

__all__ = ["ItemIndex"]
