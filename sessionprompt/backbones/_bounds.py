"""Bounds of the backbones' parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._checks import check_count, check_flag, check_number

__all__ = ["check_flags", "check_repeats", "check_share", "check_widths", "shares"]

MOST_REPEATS = 1000  # layers and steps; the deepest in the literature are below 10
WIDEST = 2**16  # columns, as the recommender bounds `dim`


def check_flags(**flags: Any) -> None:
    """Raise TypeError unless all are True or False."""
    for name, value in flags.items():
        check_flag(name, value)


def check_repeats(**counts: Any) -> None:
    """Raise ValueError unless numbers of layers or steps are from 1 to 1,000."""
    for name, value in counts.items():
        check_count(name, value, high=MOST_REPEATS)


def check_widths(**counts: Any) -> None:
    """Raise ValueError unless widths of hidden layers are from 1 to 65,536."""
    for name, value in counts.items():
        check_count(name, value, high=WIDEST)


def check_share(name: str, value: Any) -> None:
    """Raise unless `value` is a number from 0 to 1."""
    check_number(name, value, lambda share: 0 <= share <= 1, "from 0 to 1")


def shares(name: str, values: Any, n: int) -> Sequence[float]:
    """The `n` numbers from 0 to 1 that a parameter holds; else an error."""
    if not isinstance(values, tuple | list) or len(values) != n:
        raise ValueError(f"{name}={values!r} must be a tuple of {n} numbers from 0 to 1.")
    for value in values:
        check_share(name, value)
    return values
