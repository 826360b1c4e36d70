"""Rules of the house that no linter knows, checked on the source: floors, doors and docstrings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import sessionprompt

PACKAGE = Path(sessionprompt.__file__).parent

# From the ground up. A room is a file or folder of the package; it imports from floors below and
# from itself.
FLOORS: tuple[set[str], ...] = (
    {"vocabulary", "_checks", "_files", "_memory", "_order", "_ragged", "_catalogue"},
    {"_compiled", "_frames", "_filters"},
    {"sessions"},
    {"metrics", "model_selection", "graphs", "segments", "_sweeps"},
    {"_attach", "_screening"},
    {"clustering"},
    {"encoding"},
    {"batches", "targets"},
    {"session_graphs", "_recommending", "comparison"},
    {"backbones"},
    {"prompts", "presets", "losses", "optimizers"},
    {"sampling"},
    {"network"},
    {"inference", "initialization", "_parameters"},
    {"evaluation", "callbacks"},
    {"training"},
    {"recommender"},
    {"pipeline"},
)
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}

# They import what they like, and nothing on a floor imports them, except where saving and loading
# begin.
ASIDE = {"persistence", "cli", "demo", "baselines", "plotting", "datasets", "testing", "__main__"}
# the rooms behind persistence and cli
ASIDE |= {"_archive", "_plain", "_records", "_shelf", "_tables"}
SAVERS = {
    ("recommender", "save"),
    ("recommender", "load"),
    ("pipeline", "save"),
    ("pipeline", "load"),
}

# Who may open which library; pandas and its like are reached through narwhals.
DOORS: dict[str, set[str]] = {
    "igraph": {"clustering"},
    "leidenalg": {"clustering"},
    "matplotlib": {"plotting"},
    "pandas": set(),
    "polars": set(),
    "pyarrow": set(),
}
UNKNOWN_TO_BACKBONES = {"sklearn", "skorch", "narwhals", "prompts", "sessions", "_frames"}


@dataclass(frozen=True)
class Import:
    """What one import statement brings in, and where it stands."""

    place: str
    room: str
    function: str
    target: tuple[str, ...]

    @property
    def brings(self) -> str:
        """The room of the package or the library that is imported."""
        return (
            (*self.target, "__init__")[1] if self.target[0] == "sessionprompt" else self.target[0]
        )

    @property
    def ours(self) -> bool:
        """Whether it is a room of the package."""
        return self.target[0] == "sessionprompt"


def module_parts(path: Path) -> tuple[str, ...]:
    """`sessionprompt/backbones/narm.py` -> ("sessionprompt", "backbones", "narm")."""
    return path.relative_to(PACKAGE.parent).with_suffix("").parts


def imports_of(source: str, parts: tuple[str, ...]) -> list[Import]:
    """Return all imports of a module but those for the type checker only."""
    return [
        Import(f"{'/'.join(parts)}.py:{node.lineno}", parts[1], function, target)
        for node, function in run_time_nodes(ast.parse(source), "")
        for target in targets(node, parts)
    ]


def run_time_nodes(tree: ast.AST, function: str) -> Iterator[tuple[ast.AST, str]]:
    """Yield every node and the name of the function it is in, but nothing under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in (
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        ):
            continue
        yield node, function
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from run_time_nodes(node, inner)


def targets(node: ast.AST, parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the full names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [tuple(alias.name.split(".")) for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = (parts[: -node.level] if node.level else ()) + tuple(
        (node.module or "").split(".") if node.module else ()
    )
    if base == ("sessionprompt",):  # each name may be a room
        return [(*base, alias.name) if is_room(alias.name) else base for alias in node.names]
    return [base]


def is_room(name: str) -> bool:
    """Whether the package has a file or folder of this name."""
    return (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir()


def floor_fault(found: Import) -> str | None:
    """Say what is wrong with an import between rooms, if anything."""
    if not found.ours or found.room in ASIDE | {"__init__", found.brings}:
        return None
    if found.brings == "persistence" and (found.room, found.function) in SAVERS:
        return None
    if FLOOR.get(found.brings, len(FLOORS)) < FLOOR[found.room]:
        return None
    return f"{found.place}: {found.room} imports {found.brings}, which is not on a floor below"


def door_fault(found: Import) -> str | None:
    """Say which library is opened by the wrong room, if any is."""
    if found.room == "backbones" and found.brings in UNKNOWN_TO_BACKBONES:
        return f"{found.place}: a backbone knows no {found.brings}"
    if not found.ours and found.room not in DOORS.get(found.brings, {found.room}):
        return f"{found.place}: {found.brings} is for {sorted(DOORS[found.brings]) or 'nobody'} to import"
    return None


def reads_argv(source: str) -> bool:
    """Whether a module reads the command line."""
    return any(
        (isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.argv")
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "sys"
            and "argv" in [a.name for a in node.names]
        )
        for node in ast.walk(ast.parse(source))
    )


def undocumented(source: str) -> list[str]:
    """Return the names of public functions and classes without a docstring."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, definitions)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]


SOURCES = {path: path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
IMPORTS = [
    found for path, source in SOURCES.items() for found in imports_of(source, module_parts(path))
]


def test_every_file_has_a_floor() -> None:
    rooms = {module_parts(path)[1] for path in SOURCES}
    homeless = rooms - set(FLOOR) - ASIDE - {"__init__"}
    assert not homeless, f"give {sorted(homeless)} a floor in {Path(__file__).name}"


def test_modules_import_only_from_lower_floors() -> None:
    homes = [found for found in IMPORTS if found.room in set(FLOOR) | ASIDE]
    assert [fault for found in homes if (fault := floor_fault(found))] == []


def test_libraries_come_in_through_their_doors() -> None:
    assert [fault for found in IMPORTS if (fault := door_fault(found))] == []


def test_only_the_command_line_reads_argv() -> None:
    assert [
        path.name
        for path, source in SOURCES.items()
        if path.name != "cli.py" and reads_argv(source)
    ] == []


def test_what_is_public_has_a_docstring() -> None:
    assert {
        path.name: names for path, source in SOURCES.items() if (names := undocumented(source))
    } == {}


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("metrics", "from .recommender import PromptedSessionRecommender"),
        ("metrics", "from sessionprompt import Sessions"),
        ("metrics", "from . import training"),
        ("metrics", "import sessionprompt.network as net"),
        ("metrics", "from .model_selection import temporal_train_test_split"),
        ("batches", "def lazily():\n    from .prompts import PromptBlend"),
        ("recommender", "from .persistence import save"),
        ("pipeline", "def fit():\n    from .persistence import save"),
        ("training", "from .datasets import make_sessions"),
        ("training", "from .nowhere import anything"),
    ],
)
def test_an_import_from_above_is_found(room: str, source: str) -> None:
    assert any(map(floor_fault, imports_of(source, ("sessionprompt", room))))


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("metrics", "import numpy as np\nfrom .sessions import Sessions"),
        ("sessions", "from sessionprompt import _frames"),
        ("metrics", "if TYPE_CHECKING:\n    from .recommender import PromptedSessionRecommender"),
        ("recommender", "def save():\n    from .persistence import save"),
        ("demo", "from sessionprompt import Sessions"),
        ("__init__", "from .recommender import PromptedSessionRecommender"),
    ],
)
def test_an_import_from_below_is_fine(room: str, source: str) -> None:
    assert not any(map(floor_fault, imports_of(source, ("sessionprompt", room))))


@pytest.mark.parametrize(
    ("parts", "source"),
    [
        (("graphs",), "import igraph"),
        (("persistence",), "def load():\n    from leidenalg import find_partition"),
        (("sessions",), "import pandas as pd"),
        (("backbones", "narm"), "from sklearn.base import BaseEstimator"),
        (("backbones", "narm"), "from ..sessions import Sessions"),
        (("backbones", "narm"), "from .. import prompts"),
    ],
)
def test_the_wrong_door_is_found(parts: tuple[str, ...], source: str) -> None:
    assert any(map(door_fault, imports_of(source, ("sessionprompt", *parts))))


def test_the_smaller_rules_find_something_too() -> None:
    assert reads_argv("import sys\nprint(sys.argv[1:])")
    assert reads_argv("from sys import argv")
    assert not reads_argv("import sys\nprint(sys.path)")
    assert undocumented("def f(): ...\nclass C: ...\ndef _g(): ...") == ["f", "C"]
