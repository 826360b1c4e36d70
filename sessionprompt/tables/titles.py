"""Titles of items: what a shop calls them, from a mapping or a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np

__all__ = ["Titles", "titles_of"]

Titles = Any  # a mapping of ids to titles, a pandas Series, or a table with columns item and title
FAULT = (
    "titles must map item ids to titles, or be a pandas, polars or pyarrow table with the columns "
    "'item' and 'title'"
)


def titles_of(items: np.ndarray, titles: Titles, known: np.ndarray | None = None) -> list[Any]:
    """Title of each item, None where there is none.

    Parameters
    ----------
    items : ndarray of shape (n,)
        Ids.
    titles : mapping of id to title, pandas Series, or table
        A Series has the ids as its index; a table has the columns ``item`` and ``title``.
    known : ndarray of shape (n_items,), optional
        Ids of all items that might have been asked for.

    Returns
    -------
    list of str or None

    Raises
    ------
    TypeError
        If `titles` is none of these.
    ValueError
        If a column is missing, or no known item has a title: then ids are of another kind.

    Examples
    --------
    >>> titles_of(np.array([7, 9]), {7: "Green tea"})
    ['Green tea', None]
    """
    by_id = _mapping(titles)
    found = [_title(by_id.get(id_)) for id_ in items.tolist()]
    if len(items) and not any(found):
        _check_common(by_id, items, known)
    return found


def _mapping(titles: Titles) -> Mapping[Any, Any]:
    """Titles by id."""
    if isinstance(titles, Mapping):
        return titles
    if type(titles).__name__ == "Series" and hasattr(titles, "index"):
        return dict(titles.items())
    try:
        frame = nw.from_native(titles, eager_only=True)
    except TypeError as error:
        raise TypeError(f"{FAULT}; got {type(titles).__name__}.") from error
    for name in ("item", "title"):
        if name not in frame.columns:
            raise ValueError(f"{FAULT}; it has {frame.columns}. Rename one.")
    return dict(zip(frame["item"].to_list(), frame["title"].to_list(), strict=True))


def _title(value: Any) -> str | None:
    """A title as text, None where it is missing."""
    if value is None or value != value:
        return None
    return str(value)


def _check_common(by_id: Mapping[Any, Any], items: np.ndarray, known: np.ndarray | None) -> None:
    """Raise where titles name none of the items: most likely, ids are of another kind."""
    if known is None:
        known = items
    if not by_id or any(id_ in by_id for id_ in known.tolist()):
        return
    raise ValueError(
        f"titles names none of the {len(known)} items: its ids are such as "
        f"{next(iter(by_id))!r}, those of items such as {known[:1].tolist()[0]!r}; "
        "give ids of the same kind."
    )
