"""Bounds of what a server takes: per request, and waiting in all."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .._checks import check_count

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of what a server takes.

    Attributes
    ----------
    k : int, default=100
        Longest list of recommendations.
    events : int, default=1000
        Most events of a session.
    sessions : int, default=256
        Most sessions of a request.
    candidates : int, default=10000
        Most candidates of a session.
    bytes : int, default=8000000
        Longest body of a request.
    batch : int, default=256
        Most sessions that are answered together, if several requests wait; a larger request is
        answered alone.
    waiting : int, default=1024
        Most requests that wait for an answer; further ones get 503.
    seconds : int, default=30
        Longest wait for an answer, after which it is 503.

    Raises
    ------
    ValueError
        If one is no whole number of at least 1.

    Examples
    --------
    >>> Limits(k=20).k
    20
    """

    k: int = 100
    events: int = 1000
    sessions: int = 256
    candidates: int = 10_000
    bytes: int = 8_000_000
    batch: int = 256
    waiting: int = 1024
    seconds: int = 30

    def __post_init__(self) -> None:
        for field in fields(self):
            check_count(field.name, getattr(self, field.name))
