"""Threads for the work of kernels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

__all__ = ["in_threads", "parts"]

T = TypeVar("T")


def parts(n: int, least: int) -> list[slice]:
    """Slices of 0..n-1, one per torch thread; none of several is shorter than `least`."""
    size = max(least, math.ceil(n / torch.get_num_threads()))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def in_threads(work: Callable[..., T], slices: list[slice], *more: Iterable[Any]) -> list[T]:
    """Results as of ``map``, from one thread per slice: kernels release Python's lock meanwhile."""
    if len(slices) == 1:
        return list(map(work, slices, *more))
    with ThreadPoolExecutor(len(slices)) as pool:
        return list(pool.map(work, slices, *more))
