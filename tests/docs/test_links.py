"""Links: the site's check of its own pages, and those between the Markdown files beside it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from house import ROOT

FILES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
FILES += sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("benchmarks/**/*.md"))
CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Places in a Markdown file, as GitHub names them."""
    titles = [re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(text)]
    return {title.strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", FILES)
def test_links_of_markdown_files_lead_somewhere(name: str) -> None:
    file = ROOT / name
    for link in LINK.findall(CODE.sub("", file.read_text())):
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_the_site_finds_links_that_lead_nowhere(tmp_path: Path) -> None:
    broken_links = runpy.run_path(str(ROOT / "docs" / "_ext" / "internal_links.py"))["broken_links"]
    page = tmp_path / "page.html"
    links = ["other.html", "other.html#here", "#top", "https://example.org/x", "mailto:a@b.org"]
    gone = ["#bottom", "other.html#there", "picture.png", "gone.html"]
    tags = [f'<a class="x" href="{link}">' for link in links + gone]
    page.write_text("".join(tags) + '<h1 id="top">')
    (tmp_path / "other.html").write_text('<h2 id="here">')
    assert broken_links(page) == sorted(gone)
