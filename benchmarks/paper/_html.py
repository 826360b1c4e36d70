"""Markdown as HTML: headings, paragraphs, lists, tables, code, quotes, emphasis and links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from html import escape

__all__ = ["cells", "inline", "markdown_to_html"]

HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
ITEM = re.compile(r"(\s*)([-*+]|\d+[.)])\s+(.*)")
RULE = re.compile(r"\s*([-*_])(\s*\1){2,}\s*$")
FENCE = re.compile(r"\s*(```|~~~)")
BELOW_HEAD = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*", re.DOTALL)
ITALIC = re.compile(r"(?<![\w*])\*(?=[^\s*])(.+?)(?<=[^\s*])\*(?![\w*])", re.DOTALL)
SAFE = re.compile(r"https?:|mailto:|[^:]*$")  # a known scheme, or none
MARK = "\0"  # in the place of code, whose characters mean nothing


def markdown_to_html(text: str) -> str:
    """HTML of a text in Markdown."""
    lines = text.strip("\n").splitlines()
    return "\n".join(_blocks(lines))


def _blocks(lines: list[str]) -> Iterator[str]:
    """HTML of one block after the other."""
    start = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        make = _kind(lines, start)
        end = _end(lines, start, make)
        yield make(lines[start:end])
        start = end


def _kind(lines: list[str], start: int) -> Callable[[list[str]], str]:
    """The function that makes the block which starts at a line."""
    line = lines[start]
    if FENCE.match(line):
        return _code
    if HEADING.fullmatch(line):
        return _heading
    if RULE.match(line):
        return _rule
    if ITEM.fullmatch(line):
        return _list
    if line.lstrip().startswith(">"):
        return _quote
    if _is_table(lines, start):
        return _table
    return _paragraph


def _is_table(lines: list[str], start: int) -> bool:
    """Whether a line of dashes and bars follows."""
    below = lines[start + 1 : start + 2]
    return "|" in lines[start] and bool(below) and bool(BELOW_HEAD.match(below[0]))


def _end(lines: list[str], start: int, make: Callable[[list[str]], str]) -> int:
    """Line after the last one of a block."""
    if make in (_heading, _rule):
        return start + 1
    rest = range(start + 1, len(lines))
    if make is _code:
        return next((k + 1 for k in rest if FENCE.match(lines[k])), len(lines))
    if make is _list:
        return next((k for k in rest if not _goes_on(lines, k)), len(lines))
    if make is _table:
        return next((k for k in rest if "|" not in lines[k]), len(lines))
    return next((k for k in rest if _breaks(lines, k, make)), len(lines))


def _goes_on(lines: list[str], k: int) -> bool:
    """Whether a list goes on in a line: an item, what is indented, or a paragraph unbroken."""
    line = lines[k]
    if not line.strip():
        following = next((other for other in lines[k + 1 :] if other.strip()), "")
        return bool(ITEM.fullmatch(following)) or following.startswith("  ")
    if line.startswith("  ") or ITEM.fullmatch(line):
        return True
    return bool(lines[k - 1].strip()) and _kind(lines, k) is _paragraph


def _breaks(lines: list[str], k: int, make: Callable[[list[str]], str]) -> bool:
    """Whether a paragraph or a quote ends before a line."""
    if not lines[k].strip():
        return True
    kind = _kind(lines, k)
    return kind is not make and kind is not _paragraph


def _heading(lines: list[str]) -> str:
    found = HEADING.fullmatch(lines[0])
    assert found is not None
    level = len(found[1])
    return f"<h{level}>{inline(found[2])}</h{level}>"


def _rule(lines: list[str]) -> str:
    return "<hr>"


def _code(lines: list[str]) -> str:
    body = [line for line in lines if not FENCE.match(line)]
    return f"<pre><code>{escape(chr(10).join(body))}</code></pre>"


def _quote(lines: list[str]) -> str:
    inside = [re.sub(r"^\s*> ?", "", line) for line in lines]
    return f"<blockquote>{markdown_to_html(chr(10).join(inside))}</blockquote>"


def _paragraph(lines: list[str]) -> str:
    return f"<p>{inline(chr(10).join(line.strip() for line in lines))}</p>"


def _table(lines: list[str]) -> str:
    rows = [cells(_split(lines[0]), "th"), *(cells(_split(line), "td") for line in lines[2:])]
    return f'<div class="wide"><table>\n{chr(10).join(rows)}\n</table></div>'


def _split(row: str) -> list[str]:
    """Cells of a row; a bar with a backslash before it is part of its cell."""
    parts = re.split(r"(?<!\\)\|", row.strip().removeprefix("|"))
    if not parts[-1].strip():
        parts.pop()
    return [part.strip().replace("\\|", "|") for part in parts]


def cells(texts: Sequence[str], tag: str) -> str:
    """A row of a table."""
    return f"<tr>{''.join(f'<{tag}>{inline(text)}</{tag}>' for text in texts)}</tr>"


def _list(lines: list[str]) -> str:
    """Items with what stands under them, lists included."""
    first = ITEM.fullmatch(lines[0])
    assert first is not None
    items: list[list[str]] = []
    for line in lines:
        found = ITEM.fullmatch(line)
        if found and len(found[1]) <= len(first[1]):
            indent = len(line) - len(found[3])
            items.append([found[3]])
        else:
            items[-1].append(_dedented(line, indent))
    tag = "ol"
    if first[2] in "-*+":
        tag = "ul"
    return f"<{tag}>{''.join(f'<li>{_item(item)}</li>' for item in items)}</{tag}>"


def _dedented(line: str, indent: int) -> str:
    """A line without its first blanks, at most so many."""
    blanks = len(line) - len(line.lstrip())
    return line[min(blanks, indent) :]


def _item(lines: list[str]) -> str:
    """An item: a paragraph alone stands without its tag."""
    made = markdown_to_html("\n".join(lines))
    alone = re.fullmatch(r"<p>(.*?)</p>(\n<[uo]l>.*)?", made, re.DOTALL)
    if alone is None or "<p>" in alone[1]:
        return made
    return alone[1] + (alone[2] or "")


def inline(text: str) -> str:
    """Code, bold, italics and links of a text, all else escaped."""
    text = text.replace(MARK, "")
    codes = [f"<code>{escape(found[2].strip())}</code>" for found in CODE.finditer(text)]
    marked = _emphasised(escape(CODE.sub(MARK, text)))
    for code in codes:
        marked = marked.replace(MARK, code, 1)
    return marked


def _emphasised(text: str) -> str:
    """Links, bold and italics of escaped text, across lines too."""
    text = LINK.sub(_link, text)
    text = BOLD.sub(r"<b>\1</b>", text)
    return ITALIC.sub(r"<i>\1</i>", text)


def _link(found: re.Match[str]) -> str:
    """A link, or its text alone where the address is none that a page should follow."""
    if not SAFE.match(found[2]):
        return found[1]
    return f'<a href="{found[2]}">{found[1]}</a>'
