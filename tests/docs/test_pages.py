"""Code of the site's pages and of the README runs; the reference names all that is public."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import shutil
import subprocess
import threading
import time
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import urlopen

import pytest
from house import PACKAGE, ROOT

from sessionprompt.cli import main

DOCS = ROOT / "docs"
GUIDES = sorted(path.stem for path in (DOCS / "guide").glob("*.md") if path.stem != "index")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPTIONAL = ("optuna", "pandas", "matplotlib")
INSIDE = {"engines"}  # for packages that have no page of names of their own


# ------------------------------------------------------------------------------------- guide pages
@pytest.mark.parametrize("guide", GUIDES)
def test_the_code_of_a_guide_runs(guide: str) -> None:
    names: dict[str, Any] = {}
    for kind, text in FENCE.findall((DOCS / "guide" / f"{guide}.md").read_text()):
        if kind == "python" and is_installed(text):
            exec(text, names)


def is_installed(text: str) -> bool:
    """Whether the optional packages that a block imports are here."""
    named = [one for one in OPTIONAL if f"import {one}" in text]
    return all(find_spec(one) is not None for one in named)


# -------------------------------------------------------------------------- start page and README
class Reader:
    """Somebody who runs the blocks of a page in a folder of their own, one after another."""

    def __init__(self, port: int) -> None:
        self.names: dict[str, Any] = {}
        self.port = port
        self.answers: list[Any] = []

    def follow(self, page: Path) -> None:
        """Run every block of a page."""
        for kind, text in FENCE.findall(page.read_text()):
            if kind == "python":
                exec(text, self.names)
            elif kind in ("", "sh"):
                for line in text.replace("\\\n", " ").splitlines():
                    self.type(line.partition("  #")[0].strip())

    def type(self, line: str) -> None:
        """Run a line of a shell, or look whether it could be run."""
        words = shlex.split(line.replace("8000", str(self.port)))
        if not words:
            return
        if words[:1] == ["make"]:
            assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text()
        elif words[:2] == ["pip", "install"]:
            check_requirements(words[2:])
        elif words[:2] == ["sessionprompt", "serve"]:
            threading.Thread(target=main, args=[words[1:]], daemon=True).start()
            wait_for(f"http://localhost:{self.port}/health")
        elif words[:1] == ["sessionprompt"]:
            assert main(words[1:]) == 0
        elif words[:1] == ["curl"]:
            self.answers.append(self.ask(words))
        else:
            raise AssertionError(f"nobody knows how to run {line!r}")

    def ask(self, words: list[str]) -> Any:
        """Answer to a request that is made by curl."""
        if shutil.which("curl") is None:
            pytest.skip("curl, which the page uses, is not installed")
        return json.loads(subprocess.run(words, check=True, capture_output=True).stdout)


def check_requirements(words: list[str]) -> None:
    """Assert that files of constraints are there, and extras and pins are those of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    constraints = (ROOT / "constraints.txt").read_text().splitlines()
    for word in words:
        if word.startswith("."):
            extras = re.findall(r"[\w-]+", word)
            assert set(extras) <= set(project["optional-dependencies"])
        elif "==" in word:
            assert word in constraints


def wait_for(address: str) -> None:
    """Wait until a server answers."""
    for _ in range(200):
        try:
            urlopen(address).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"nothing answers at {address}")


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_port: int) -> Iterator[Reader]:
    """A reader in an empty folder, whose server ends with the test."""
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    started: list[Any] = []

    def run(app: Any, **options: Any) -> None:
        started.append(uvicorn.Server(uvicorn.Config(app, **options)))
        started[-1].run()

    monkeypatch.setattr("sessionprompt.serving.server.uvicorn.run", run)
    yield Reader(unused_port)
    for server in started:
        server.should_exit = True


@pytest.fixture
def unused_port() -> int:
    """A port of this machine that nothing listens on."""
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.mark.slow
def test_the_start_page_leads_from_a_csv_to_a_served_recommendation(
    reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("matplotlib")
    reader.follow(DOCS / "index.md")
    [answer] = reader.answers
    assert len(answer["recommendations"][0]["items"]) == 5
    assert Path("clusters.png").stat().st_size > 10_000
    assert "recall@20" in capsys.readouterr().out


@pytest.mark.slow
def test_the_readme_runs_as_printed(reader: Reader) -> None:
    reader.follow(ROOT / "README.md")
    assert len(Path("out.jsonl").read_text().splitlines()) == len(reader.names["test"])


def test_the_readme_shows_a_small_picture() -> None:
    [picture] = re.findall(r"!\[[^]]+]\((.+)\)", (ROOT / "README.md").read_text())
    assert (ROOT / picture).stat().st_size < 150_000
    assert (ROOT / picture).with_suffix(".py").exists()


# ------------------------------------------------------------------------------------- reference
def reference() -> dict[str, set[str]]:
    """Names that the reference has a page for, by module."""
    found: dict[str, set[str]] = {}
    module = ""
    for page in (DOCS / "reference").glob("*.rst"):
        for line in page.read_text().splitlines():
            if line.startswith(".. currentmodule:: "):
                module = line.split()[-1]
            elif re.fullmatch(r"   \w+", line) and page.stem != "index":
                found.setdefault(module, set()).add(line.strip())
    return found


def modules_inside() -> set[str]:
    """Modules whose door stands in the reference as a whole."""
    text = (DOCS / "reference" / "inside.rst").read_text()
    return set(re.findall(r"^   sessionprompt\.(\w+)$", text, re.MULTILINE))


def public_modules() -> list[str]:
    """Modules and packages at the top that are not private."""
    names = [path.stem for path in PACKAGE.glob("*.py")]
    names += [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    return sorted(name for name in names if not name.startswith("_"))


def public_names(module: ModuleType) -> set[str]:
    """Names that a module offers."""
    return set(module.__all__)


def test_every_name_at_the_top_has_its_page() -> None:
    import sessionprompt

    assert public_names(sessionprompt) <= reference()["sessionprompt"]


@pytest.mark.parametrize("name", public_modules())
def test_every_public_name_stands_in_the_reference(name: str) -> None:
    if name in modules_inside() | INSIDE:
        return
    tree = ast.parse(source_of(name))
    offered = {one for node in tree.body if is_list_of_names(node) for one in names_of(node)}
    at_the_top = reference()["sessionprompt"]
    named = reference().get(f"sessionprompt.{name}", set()) | at_the_top
    assert offered - named - {"run"} == set(), (
        f"add these to docs/reference, or {name} to inside.rst"
    )


def source_of(name: str) -> str:
    """Text of a module, or of the door of a package."""
    path = PACKAGE / f"{name}.py"
    if not path.exists():
        path = PACKAGE / name / "__init__.py"
    return path.read_text()


def is_list_of_names(node: ast.stmt) -> bool:
    """Whether a statement says what the module offers."""
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def names_of(node: ast.stmt) -> list[str]:
    """Names in such a statement."""
    assert isinstance(node, ast.Assign)
    return list(ast.literal_eval(node.value))


def test_what_the_reference_names_is_there() -> None:
    for module, names in reference().items():
        if module:
            offered = importlib.import_module(module)
            assert [name for name in sorted(names) if not hasattr(offered, name)] == []
