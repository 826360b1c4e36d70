"""Memory that was freed but not given back to the system: how much a process holds, and how to give it back."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["give_back", "resident", "spare_kept"]

STATM = Path("/proc/self/statm")
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # glibc's numbers of the two settings
LARGEST = 32 << 20  # bytes of an array that its heap takes at most
# bytes free at the top of the heap that may stay there in training: some gradients of LARGEST
SPARE = 128 << 20


def resident() -> int:
    """Bytes of memory that the process holds; 0 where the system does not tell."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if STATM.exists() else 0


def give_back() -> None:
    """Give what the heap holds but does not use back to the system; nothing happens where the heap is not glibc's."""
    if _trim is not None:
        _trim(0)


@contextmanager
def spare_kept() -> Iterator[None]:
    """Within, memory that is freed stays at hand for the next array, where the heap is glibc's.

    A step of training makes and frees several arrays as large as the item table. Left alone, glibc
    gives their pages back and gets them again, zeroed, in every step, which is up to a quarter of
    its time. The settings are those of the process; they end as glibc itself sets them once an
    array of 32 MB has been freed.
    """
    if _set is None:
        yield
        return
    _set(MMAP_THRESHOLD, LARGEST)
    _set(TRIM_THRESHOLD, SPARE)
    try:
        yield
    finally:
        _set(TRIM_THRESHOLD, 2 * LARGEST)
        give_back()


def _find(name: str) -> Callable[..., int] | None:
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None


_trim = _find("malloc_trim")
# others that have a mallopt mean other things by it
_set = _find("mallopt") if _trim is not None else None
