"""Promises that every session model and every recommender keeps, checked by plain assertions.

For authors of a new one: `check_backbone` and `check_session_estimator` raise an AssertionError
that names the broken promise, in any test runner or none.
"""

from __future__ import annotations

from .backbones import check_backbone
from .estimators import check_session_estimator
from .worlds import tiny_world

__all__ = ["check_backbone", "check_session_estimator", "tiny_world"]
