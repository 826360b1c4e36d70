"""Freed memory that the C library keeps for itself, given back to the system."""

from __future__ import annotations

import ctypes

__all__ = ["give_back"]


def give_back() -> None:
    """Give back the pages of this process that hold nothing any more, where glibc is the library.

    It keeps them between arrays that are still there, and the arrays of training, which are of
    other sizes, find no room in them. It is no setting, and takes some milliseconds.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # no glibc; on Windows, no library without a name
        return
    trim(0)
