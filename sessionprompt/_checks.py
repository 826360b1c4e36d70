"""Checks of single parameters: numbers, counts and choices, with the way out in the message."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np

__all__ = [
    "check_choice",
    "check_count",
    "check_fitted",
    "check_flag",
    "check_integer",
    "check_k",
    "check_number",
    "check_seed",
    "is_integer",
    "is_number",
]

LARGEST = 2**63 - 1  # of the integers in arrays


def is_integer(value: object) -> bool:
    """Whether a value is a whole number by its type; booleans are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether a value is a real number by its type; booleans and spans of time are none."""
    return isinstance(value, Real) and not isinstance(value, bool | np.timedelta64)


def check_integer(name: str, value: Any) -> None:
    """Raise unless `value` is a whole number of at least 1 that an array can hold."""
    if not is_integer(value):
        raise TypeError(f"{name}={value!r} must be an integer.")
    if value < 1:
        raise ValueError(f"{name}={value} is below 1; give 1 or more.")
    if value > LARGEST:
        raise ValueError(f"{name}={value} is above {LARGEST}; give a smaller number.")


def check_count(name: str, value: Any, low: int = 1, high: int = LARGEST) -> None:
    """Raise ValueError unless `value` is a whole number from `low` to `high`, whatever its type."""
    if not is_integer(value) or value < low:
        raise ValueError(f"{name}={value!r} must be an integer of at least {low}.")
    if value > high:
        raise ValueError(f"{name}={value} is above {high}; give {high} or less.")


def check_flag(name: str, value: Any) -> None:
    """Raise TypeError unless `value` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}={value!r} must be True or False.")


def check_number(name: str, value: Any, allowed: Callable[[Any], bool], bound: str) -> None:
    """Raise unless `value` is a finite number that is allowed; `bound` says in words which are."""
    if not is_number(value):
        raise TypeError(f"{name}={value!r} must be a number {bound}.")
    if not (math.isfinite(value) and allowed(value)):
        raise ValueError(f"{name}={value} must be {bound}.")


def check_choice(name: str, value: Any, known: Iterable[str]) -> None:
    """Raise unless `value` is one of the known names."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name}={value!r} is not known; choose one of {sorted(known)}.")


def check_seed(random_state: Any) -> None:
    """Raise unless a value is a random state that an estimator takes."""
    if random_state is None or isinstance(
        random_state, np.random.Generator | np.random.RandomState
    ):
        return
    if not isinstance(random_state, Integral):
        raise TypeError(
            f"random_state={random_state!r} must be None, an integer, a RandomState or a Generator."
        )
    if random_state < 0:
        raise ValueError(f"random_state={random_state} is below 0; give 0 or more, or None.")


def check_k(k: Any, available: int, what: str) -> None:
    """Raise unless 1 <= k <= available."""
    check_integer("k", k)
    if k > available:
        raise ValueError(
            f"k={k} is larger than the {available} {what}; ask for at most {available}."
        )


def check_fitted(estimator: Any, attribute: str) -> None:
    """Raise scikit-learn's NotFittedError unless the estimator has learned this attribute.

    Its own check looks at the tags of the estimator first, which takes longer than to recommend for
    one session.
    """
    if hasattr(estimator, attribute):
        return
    from sklearn.utils.validation import check_is_fitted  # sessions alone need no scikit-learn

    check_is_fitted(estimator, attribute)
