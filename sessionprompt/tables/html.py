"""HTML of tables, as notebooks show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["html_table"]


def html_table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Table in HTML: the first column to the left, the others to the right.

    Parameters
    ----------
    header : sequence of str
        Names of the columns; empty for a table without any.
    rows : iterable of sequence of str
    caption : str, optional
        Line above the table.

    Returns
    -------
    str
        Whatever the texts hold, they add no markup.

    Examples
    --------
    >>> html_table([], [["a<b", "1"]])
    '<table><tbody><tr><th style="text-align:left">a&lt;b</th><td>1</td></tr></tbody></table>'
    """
    lines = []
    if caption:
        lines.append(f"<caption>{escape(caption)}</caption>")
    if header:
        lines.append(f"<thead><tr>{''.join(map(_head, header))}</tr></thead>")
    lines.append(f"<tbody>{''.join(map(_row, rows))}</tbody>")
    return f"<table>{''.join(lines)}</table>"


def _head(name: str) -> str:
    return f"<th>{escape(name)}</th>"


def _row(cells: Sequence[str]) -> str:
    first, *others = map(escape, cells)
    values = "".join(f"<td>{cell}</td>" for cell in others)
    return f'<tr><th style="text-align:left">{first}</th>{values}</tr>'
