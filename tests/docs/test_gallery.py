"""Pages of the gallery: public names alone, and each runs as a script."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = sorted(Path(__file__).parents[2].joinpath("docs", "gallery").glob("plot_*.py"))


def test_there_are_pages() -> None:
    assert len(PAGES) >= 12


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_use_public_names(page: Path) -> None:
    tree = ast.parse(page.read_text())
    title, underline, *_ = ast.get_docstring(tree).splitlines()  # type: ignore[union-attr]
    assert underline == "=" * len(title)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            first, *deeper = str(node.module).split(".")
            assert first != "sessionprompt" or len(deeper) <= 1, f"line {node.lineno}"
        if isinstance(node, ast.Attribute):
            is_private = node.attr.startswith("_") and node.attr != "__init__"
            assert not is_private, f"line {node.lineno} reads {node.attr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_run(page: Path, tmp_path: Path) -> None:
    for package, pages in (("optuna", "_05_"), ("mlflow", "_11_")):
        if pages in page.stem:
            pytest.importorskip(package)
    given = {**os.environ, "MPLBACKEND": "agg"}
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__", str(page)]
    done = subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())  # what a page writes, it takes away
