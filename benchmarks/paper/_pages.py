"""A report as Markdown and as one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from _html import cells, inline, markdown_to_html
from _shared import markdown_table
from _tables import Table

CSS = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222;
       max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0;
        font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .6rem; border-bottom: 1px solid #ddd; text-align: left; }
th { border-bottom: 2px solid #888; }
.wide { overflow-x: auto; }
.note { color: #555; font-size: 13px; margin: .2rem 0; }
img { max-width: 100%; }
pre { background: #f6f6f6; padding: .5rem .8rem; overflow-x: auto; }
blockquote { border-left: 3px solid #ccc; margin-left: 0; padding-left: 1rem; color: #555; }
"""


@dataclass(frozen=True)
class Prose:
    """Text in Markdown."""

    text: str


@dataclass(frozen=True)
class Drawing:
    """A figure as SVG, its file, a sentence on what it shows, and the files it comes from."""

    title: str
    name: str
    svg: str
    caption: str
    files: Sequence[str]


Block = Prose | Table | Drawing


def markdown(blocks: Sequence[Block]) -> str:
    """All blocks as Markdown."""
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Prose):
        return block.text.strip()
    if isinstance(block, Drawing):
        return f"![{block.title}]({block.name})\n\n{block.caption} {_source(block.files)}"
    table = markdown_table(block.head, block.rows)
    return "\n\n".join(
        [f"### {block.title}", f"{block.caption} {_source(block.files)}", table, *block.notes]
    )


def _source(files: Sequence[str]) -> str:
    return f"Lines: {', '.join(f'`{file}`' for file in files)}."


def page(title: str, blocks: Sequence[Block]) -> str:
    """All blocks as one HTML page."""
    body = "\n".join(map(_html, blocks))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>{CSS}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html(block: Block) -> str:
    if isinstance(block, Prose):
        return markdown_to_html(block.text)
    caption = f"<p>{inline(f'{block.caption} {_source(block.files)}')}</p>"
    if isinstance(block, Drawing):
        data = base64.b64encode(block.svg.encode()).decode()
        image = f'<img alt="{escape(block.title)}" src="data:image/svg+xml;base64,{data}">'
        return f"<figure>{image}{caption}</figure>"
    rows = [cells(block.head, "th"), *(cells(row, "td") for row in block.rows)]
    notes = "".join(f'<p class="note">{inline(note)}</p>' for note in block.notes)
    table = f'<div class="wide"><table>\n{chr(10).join(rows)}\n</table></div>'
    return f"<h3>{escape(block.title)}</h3>\n{caption}\n{table}\n{notes}"
