"""Bound on the events of a session that count."""

from __future__ import annotations

from .._checks import check_integer
from .base import Baseline

__all__ = ["LONGEST", "NewestEvents"]

LONGEST = 1000  # events; above the longest sessions of public logs (885 in trivago's)


class NewestEvents(Baseline):
    """Base of models to which the newest `max_length` events of a session count."""

    max_length: int

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_integer("max_length", self.max_length)

    def _window(self) -> int:
        return self.max_length
