"""Freed memory that libraries keep for themselves, given back to the system."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["give_back"]


def give_back() -> None:
    """Give back the pages of this process that hold nothing any more.

    The C library, where it is glibc, keeps them between arrays that are still there, and the arrays
    of training, which are of other sizes, find no room in them; pyarrow, where it has read a table,
    keeps them for the next one. It is no setting, and takes some milliseconds.
    """
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None:
        pyarrow.default_memory_pool().release_unused()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # no glibc; on Windows, no library without a name
        return
    trim(0)
