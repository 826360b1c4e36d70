"""Blends: weights learned on held-out sessions, for what a model cannot judge of itself."""

from __future__ import annotations

from .blend import Blend
from .learn import HeldOut, learn_blend
from .own_items import OwnItems

__all__ = ["Blend", "HeldOut", "OwnItems", "learn_blend"]
