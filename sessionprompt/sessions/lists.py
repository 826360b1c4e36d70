"""Lists of item ids: the checks that they are sessions, and their codes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..vocabulary import Vocabulary, id_array

__all__ = ["check_lists", "read_lists"]

Lists = Sequence[Sequence[Any] | NDArray[Any]]


def check_lists(lists: Any, name: str) -> Lists:
    """The lists themselves, if they are a list of sessions."""
    wanted = f"{name} must be a list of sessions, each a list of item ids"
    if not isinstance(lists, list | tuple):
        raise TypeError(f"{wanted}, got {type(lists).__name__}{_way_out(lists)}.")
    for type_ in set(map(type, lists)):
        if not issubclass(type_, list | tuple | np.ndarray):
            raise TypeError(
                f"{wanted}, but it holds {type_.__name__} values; pass one session as [session]."
            )
    return lists


def _way_out(value: Any) -> str:
    """Advice on how to make sessions of an object that is no list."""
    if hasattr(value, "tolist"):
        return "; convert it with .tolist()"
    if hasattr(value, "columns"):
        return "; for a table of events use Sessions.from_events"
    return ""


def read_lists(
    lists: Lists, vocabulary: Vocabulary | None
) -> tuple[NDArray[np.int32], NDArray[np.int64], Vocabulary]:
    """Item codes, offsets and vocabulary of checked lists.

    Parameters
    ----------
    lists : list of lists, tuples or arrays
    vocabulary : Vocabulary or None
        Must hold all items; None stands for the items of the lists.

    Returns
    -------
    codes : ndarray of shape (n_events,), int32
    offsets : ndarray of shape (n + 1,), int64
    vocabulary : Vocabulary
    """
    lengths = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    offsets = np.append(0, np.cumsum(lengths))
    locate = partial(_place, offsets)
    items = id_array(list(chain.from_iterable(lists)), "item", locate)
    if vocabulary is None:
        vocabulary, codes = Vocabulary.from_values(items)
        return codes, offsets, vocabulary
    codes = vocabulary.encode(items)
    unknown = codes < 0
    if unknown.any():
        first = int(unknown.argmax())
        raise ValueError(f"item {items[first]!r} in {locate(first)} is not in the vocabulary.")
    return codes, offsets, vocabulary


def _place(offsets: NDArray[np.int64], event: int) -> str:
    """Session and position of an event in words."""
    session = int(np.searchsorted(offsets, event, side="right")) - 1
    return f"session {session}, position {event - offsets[session]}"
