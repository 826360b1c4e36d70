"""Import contracts, doors, docstrings, and figures of how the code reads."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import house
import pytest
from house import ROOT, sources

SOURCES = sources()
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["name"]: contract for contract in SETTINGS["contracts"]}

# lines that break a contract, each in a module of a copy of the package
BROKEN = {
    "metrics/ranks.py": ("from ..recommender import anything", "Floors:"),
    "recommender.py": ("def f():\n    from .encoding.encoder import anything", "Door of encoding"),
    "storage/files.py": ("from . import archive", "No circles"),
    "graphs.py": ("import igraph", "Leiden's libraries"),
    "sessions/events.py": ("import pandas", "Tables of events"),
    "backbones/narm.py": ("from sklearn.base import anything", "A backbone knows"),
    "vocabulary.py": ("import torch", "What stands before"),
}


def contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    """Verdict of import-linter on the package in a folder."""
    command = [sys.executable, "-c", "from importlinter.cli import *; lint_imports_command()"]
    options = ["--no-logo", "--no-cache"]
    variables = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run(
        [*command, *options], cwd=folder, env=variables, capture_output=True, text=True
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the settings and a copy of the package."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(house.PACKAGE, tmp_path / "sessionprompt", ignore=unwanted)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def module_file(copy: Path, name: str) -> Path:
    """File of a module, or of the package that it has become."""
    file = copy / "sessionprompt" / name
    if file.exists():
        return file
    return file.with_suffix("") / "__init__.py"


needs_linter = pytest.mark.skipif(
    importlib.util.find_spec("importlinter") is None,
    reason="needs import-linter, which the extra 'test' installs",
)


@needs_linter
def test_contracts_hold() -> None:
    verdict = contracts(ROOT)
    assert verdict.returncode == 0, verdict.stdout


@needs_linter
def test_every_contract_can_be_broken(copy: Path) -> None:
    for name, (line, _) in BROKEN.items():
        with module_file(copy, name).open("a") as file:
            file.write(f"\n{line}\n")
    verdict = contracts(copy)
    broken = re.findall(r"^(.+?) +BROKEN$", verdict.stdout, flags=re.MULTILINE)
    assert verdict.returncode == 1
    for _, title in BROKEN.values():
        assert any(name.startswith(title) for name in broken), (title, verdict.stdout)


def without_door(packages: set[str]) -> set[str]:
    """Packages whose modules anybody could import past their `__init__`."""
    doors = {name.removeprefix("Door of ") for name in CONTRACTS if name.startswith("Door of ")}
    return packages - doors


def exempted() -> list[str]:
    """Contracts that let something pass."""
    return [name for name, contract in CONTRACTS.items() if "ignore_imports" in contract]


def test_every_package_has_a_door_and_no_contract_an_exemption() -> None:
    packages = {path.parent.name for path in house.PACKAGE.glob("*/__init__.py")}
    assert without_door(packages) == set()
    assert without_door({*packages, "cellar"}) == {"cellar"}
    assert exempted() == []


def unnamed(text: str, packages: set[str]) -> set[str]:
    """Packages and top-level modules that a text does not name with their errand."""
    modules = {name for name in house.top_level_files() if name != "__init__.py"}
    return {f"{name}/" for name in packages if f"`{name}/`" not in text} | {
        name for name in modules if f"`{name}`" not in text
    }


@pytest.mark.skipif(
    not (ROOT / "docs").exists(), reason="the source distribution comes without docs"
)
def test_the_data_flow_names_every_package() -> None:
    text = (ROOT / "docs" / "data-flow.md").read_text()
    packages = {path.parent.name for path in house.PACKAGE.glob("*/__init__.py")}
    assert unnamed(text, packages) == set()
    assert unnamed(text, {"cellar"}) == {"cellar/"}


def past_a_door(source: str) -> list[str]:
    """What a script takes from inside a package, or under a private name, of the library."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}:{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += re.findall(r"(?<!\w)sessionprompt(?:\.\w+)+", node.value)
    ours = [name for name in found if re.match(r"sessionprompt\b", name)]
    return [name for name in ours if name.count(".") > 1 or re.search(r"[.:]_", name)]


def test_benchmarks_use_doors() -> None:
    scripts = sorted((ROOT / "benchmarks").rglob("*.py"))
    faults = {path.name: past_a_door(path.read_text()) for path in scripts}
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from sessionprompt.clustering.leiden import ItemClusterer",
        "import sessionprompt.kernels.bfloat16 as kernels",
        "from sessionprompt._checks import check_choice",
        "from sessionprompt.scoring import _rounds",
        "find_spec('sessionprompt.kernels._bfloat16')",
    ],
)
def test_a_script_that_goes_past_a_door_is_found(source: str) -> None:
    assert past_a_door(source)
    assert not past_a_door("from sessionprompt.clustering import ItemClusterer")


def reads_argv(source: str) -> bool:
    """Whether a module reads the command line."""
    nodes = house.nodes_of(source)
    attributes = [ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)]
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "sys"]
    names = [alias.name for node in imports for alias in node.names]
    return "sys.argv" in attributes or "argv" in names


def test_only_the_command_line_reads_argv() -> None:
    modules = [name for name in SOURCES if name.endswith(".py") and not name.startswith("cli/")]
    assert [name for name in modules if reads_argv(SOURCES[name])] == []
    assert reads_argv("import sys\nprint(sys.argv[1:])")
    assert reads_argv("from sys import argv")
    assert not reads_argv("import sys\nprint(sys.path)")


def undocumented(source: str) -> list[str]:
    """Names of public functions and classes without a docstring."""
    kinds = (*house.FUNCTIONS, ast.ClassDef)
    definitions = [node for node in ast.parse(source).body if isinstance(node, kinds)]
    public = [node for node in definitions if not node.name.startswith("_")]
    return [node.name for node in public if not ast.get_docstring(node)]


def test_what_is_public_has_a_docstring() -> None:
    modules = [name for name in SOURCES if name.endswith(".py")]
    missing = {name: undocumented(SOURCES[name]) for name in modules}
    assert {name: found for name, found in missing.items() if found} == {}
    assert undocumented("def f(): ...\nclass C: ...\ndef _g(): ...") == ["f", "C"]


def test_few_files_at_the_top_of_the_package() -> None:
    top = house.top_level_files()
    assert len(top) <= house.TOP_FILES
    assert len(house.private_files(top)) <= house.TOP_PRIVATE
    assert house.private_files(["__init__.py", "_checks.py", "graphs.py"]) == ["_checks.py"]


def test_plain_assignments() -> None:
    parallel, conditional = house.shares(SOURCES)
    assert parallel < house.PARALLEL
    assert conditional < house.CONDITIONAL


def texts_of(found: list[house.Finding]) -> list[str]:
    """Places and sizes as `python tests/house.py` prints them."""
    return [str(one) for one in found]


def test_short_lines_bodies_and_files() -> None:
    assert texts_of(house.long_lines(SOURCES)) == []
    assert texts_of(house.long_bodies(SOURCES)) == []
    assert texts_of(house.long_files(SOURCES)) == []


def test_no_conditional_expression_inside_a_call() -> None:
    assert texts_of(house.conditionals_in_calls(SOURCES)) == []


DENSE = """
a, b = x, y
a, b = b, a
row, column = np.divmod(x, 3)
c = d = 1 if a else 2
print(f"{1 if a else 2}", b if a else c, end=1 if b else 2)
"""


def test_figures_count_what_they_say() -> None:
    dense = {"dense.py": DENSE}
    assert texts_of(house.parallel_assignments(dense)) == ["dense.py:2 (1)"]
    assert len(house.conditional_expressions(dense)) == 4
    assert texts_of(house.conditionals_in_calls(dense)) == ["dense.py:6 (1)"]
    assert house.shares(dense) == (25.0, 100.0)


def test_figures_find_what_is_long() -> None:
    long = {"long.c": "x" * 101, "long.py": "def f():\n    '''Doc.'''\n" + "    a = 1\n" * 460}
    assert texts_of(house.long_lines(long)) == ["long.c:1 (101)"]
    assert texts_of(house.long_bodies(long)) == ["long.py:1 f (460)"]
    assert texts_of(house.long_files(long)) == ["long.py (462)"]


def test_a_constructor_that_only_stores_may_be_long() -> None:
    names = [f"a{number}" for number in range(40)]
    head = f"def __init__(self, {', '.join(names)}):\n"
    stores = head + "".join(f"    self.{name} = {name}\n" for name in names)
    assert house.long_bodies({"a.py": stores}) == []
    assert texts_of(house.long_bodies({"a.py": stores + "    self.b = 1\n"})) == [
        "a.py:1 __init__ (41)"
    ]
