"""Blends: weights learned on held-out sessions, for what a model cannot judge of itself."""

from __future__ import annotations

from .blend import Blend
from .habits import HABITS
from .learn import HeldOut, learn_blend
from .members import MemberScores, learn_members, member_scores
from .own_items import OwnItems
from .stack import StackBlend

__all__ = [
    "HABITS",
    "Blend",
    "HeldOut",
    "MemberScores",
    "OwnItems",
    "StackBlend",
    "learn_blend",
    "learn_members",
    "member_scores",
]
