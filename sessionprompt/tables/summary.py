"""Summaries: figures by name that show themselves line by line, in notebooks as a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from .html import html_table

__all__ = ["Summary"]

WHOLE = 10_000  # from here on decimals are left out


class Summary(dict[str, Any]):
    """Figures by name, shown one a line.

    Examples
    --------
    >>> Summary(sessions=12_000, repeat_share=0.125, users=None)
    sessions       12,000
    repeat_share    0.125
    users               -
    """

    def __repr__(self) -> str:
        cells = self._cells()
        name_width = max((len(name) for name, _ in cells), default=0)
        width = max((len(text) for _, text in cells), default=0)
        return "\n".join(f"{name:{name_width}}  {text:>{width}}" for name, text in cells)

    def _repr_html_(self) -> str:
        return html_table([], self._cells())

    def _cells(self) -> list[tuple[str, str]]:
        """Names and values as text."""
        return [(str(name), _text(value)) for name, value in self.items()]


def _text(value: Any) -> str:
    """A value as it is shown."""
    if value is None:
        return "-"
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value, unit="s"))
    if isinstance(value, np.timedelta64):  # to NumPy a kind of integer
        return str(value.astype("m8[s]").item())
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        if abs(float(value)) >= WHOLE:
            return f"{value:,.0f}"
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)
