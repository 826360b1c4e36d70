"""Scores of sessions against the catalogue: implementations of one protocol, and their kernels."""

from __future__ import annotations

from .inner_product import PRECISIONS, _rounds, linear_cross_entropy, low_precision, score_blocks
from .screening import LEAST, Screened, can_screen_rows, can_screen_table
from .target_attention import TargetAttention

__all__ = [
    "LEAST",
    "PRECISIONS",
    "Screened",
    "TargetAttention",
    "_rounds",
    "can_screen_rows",
    "can_screen_table",
    "linear_cross_entropy",
    "low_precision",
    "score_blocks",
]
