"""Sessions to try things on: synthetic worlds whose answers are known."""

from __future__ import annotations

from ._synthetic import make_events, make_sessions

__all__ = ["make_events", "make_sessions"]
