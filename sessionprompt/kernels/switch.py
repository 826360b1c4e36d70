"""A switch for all compiled kernels, such as to compare them with torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

__all__ = ["are_off", "without_kernels"]

_switch = SimpleNamespace(off=False)


def are_off() -> bool:
    """Whether all kernels are switched off."""
    return _switch.off


@contextmanager
def without_kernels() -> Iterator[None]:
    """Context in which torch does the work of the kernels, such as to compare both."""
    before = _switch.off
    _switch.off = True
    try:
        yield
    finally:
        _switch.off = before
