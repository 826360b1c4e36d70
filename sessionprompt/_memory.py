"""Memory that was freed but not given back to the system: how much a process holds, and how to give it back."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["give_back", "resident"]

STATM = Path("/proc/self/statm")


def resident() -> int:
    """Bytes of memory that the process holds; 0 where the system does not tell."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if STATM.exists() else 0


def give_back() -> None:
    """Give what the heap holds but does not use back to the system; nothing happens where the heap is not glibc's."""
    if _trim is not None:
        _trim(0)


def _find_trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None


_trim = _find_trim()
