"""Check of the pages that were built: links within the site lead to a page, a file or a heading."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LINK = re.compile(r'<(?:a|area|img|link|script|source)\b[^>]*?\b(?:href|src)="([^"]*)"')
ANCHOR = re.compile(r'\b(?:id|name)="([^"]+)"')


def setup(app: Any) -> dict[str, Any]:
    """Connect to the end of a build."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def check(app: Any, error: Exception | None) -> None:
    """Warn of each link that leads nowhere; the Makefile makes errors of warnings."""
    if error is not None or app.builder.name != "html":
        return
    from sphinx.util import logging  # not needed to look at pages, nor there in the tests

    _anchors.cache_clear()
    logger = logging.getLogger(__name__)
    for name in sorted(app.env.found_docs):
        for link in broken_links(Path(app.outdir, f"{name}.html")):
            logger.warning("%s links to %s, which is not there", name, link)


def broken_links(page: Path) -> list[str]:
    """Links of a page that lead to nothing in its site."""
    links = set(LINK.findall(page.read_text(encoding="utf-8")))
    return sorted(link for link in links if not _leads(page, link))


def _leads(page: Path, link: str) -> bool:
    """Whether a link of a page leads somewhere, as far as this folder knows."""
    scheme, host, path, _, fragment = urlsplit(link.replace("&amp;", "&"))
    if scheme or host:
        return True
    target = page
    if path:
        target = (page.parent / unquote(path)).resolve()
    if not target.is_file():
        return False
    if not fragment or target.suffix != ".html":
        return True
    return unquote(fragment) in _anchors(target)


@cache
def _anchors(page: Path) -> set[str]:
    """Places in a page that a link can lead to."""
    return set(ANCHOR.findall(page.read_text(encoding="utf-8")))
