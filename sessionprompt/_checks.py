"""Checks of single parameters, each with the way out in its message."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any

from sklearn.utils.validation import check_is_fitted

__all__ = ["check_choice", "check_fitted", "check_integer", "check_k", "check_number"]


def check_fitted(estimator: Any, attribute: str) -> None:
    """Raise scikit-learn's NotFittedError unless the estimator has learned this attribute.

    Its own check looks at the tags of the estimator first, which takes longer than to recommend for
    one session.
    """
    if not hasattr(estimator, attribute):
        check_is_fitted(estimator, attribute)


def check_k(k: Any, available: int, what: str) -> None:
    """Raise unless 1 <= k <= available."""
    check_integer("k", k)
    if k > available:
        raise ValueError(
            f"k={k} is larger than the {available} {what}; ask for at most {available}."
        )


def check_integer(name: str, value: Any) -> None:
    """Raise unless `value` is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}={value!r} must be an integer.")
    if value < 1:
        raise ValueError(f"{name}={value} is below 1; give 1 or more.")


def check_number(name: str, value: Any, allowed: Callable[[Any], bool], bound: str) -> None:
    """Raise unless `value` is a finite number that is allowed; `bound` says in words which are."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r} must be a number {bound}.")
    if not (math.isfinite(value) and allowed(value)):
        raise ValueError(f"{name}={value} must be {bound}.")


def check_choice(name: str, value: Any, known: Iterable[str]) -> None:
    """Raise unless `value` is one of the known names."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name}={value!r} is not known; choose one of {sorted(known)}.")
