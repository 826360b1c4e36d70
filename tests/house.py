"""Figures of how the package reads; `python tests/house.py` prints them, and where each of them is broken."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sessionprompt

PACKAGE = Path(sessionprompt.__file__).parent
COLUMNS, FILE_LINES, BODY_LINES = 100, 450, 30
TOP_FILES, TOP_PRIVATE = 20, 3
ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Finding:
    """A place in the package that breaks a bound, and by how much."""

    place: str
    size: int = 1

    def __str__(self) -> str:
        return f"{self.place} ({self.size})"


def sources(package: Path = PACKAGE) -> dict[str, str]:
    """Text of every source file by its path inside the package."""
    kinds = ("*.py", "*.pyi", "*.c")
    paths = sorted(path for kind in kinds for path in package.rglob(kind))
    return {str(path.relative_to(package)): path.read_text() for path in paths}


def trees(texts: dict[str, str]) -> Iterator[tuple[str, ast.Module]]:
    """Path and syntax tree of every Python file."""
    for name, text in texts.items():
        if name.endswith(".py"):
            yield name, ast.parse(text)


def nodes(texts: dict[str, str], kinds: type | tuple[type, ...]) -> Iterator[tuple[str, ast.AST]]:
    """Path and node of every node of these kinds."""
    for name, tree in trees(texts):
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield name, node


def is_parallel(node: ast.AST) -> bool:
    """Whether an assignment gives several names values that are written side by side."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    return any(isinstance(target, ast.Tuple) for target in node.targets) and not _swaps(node)


def _swaps(node: ast.Assign) -> bool:
    """Whether the values are the names themselves in another order."""
    written = {ast.unparse(target) for target in node.targets[0].elts}  # type: ignore[attr-defined]
    return written == {ast.unparse(value) for value in node.value.elts}  # type: ignore[attr-defined]


def parallel_assignments(texts: dict[str, str]) -> list[Finding]:
    """Assignments of several values at once."""
    found = nodes(texts, ast.Assign)
    return [Finding(f"{name}:{node.lineno}") for name, node in found if is_parallel(node)]


def conditional_expressions(texts: dict[str, str]) -> list[Finding]:
    """Expressions `a if b else c`."""
    return [Finding(f"{name}:{node.lineno}") for name, node in nodes(texts, ast.IfExp)]


def long_lines(texts: dict[str, str]) -> list[Finding]:
    """Lines that reach over the last column."""
    return [
        Finding(f"{name}:{number}", len(line))
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > COLUMNS
    ]


def long_files(texts: dict[str, str]) -> list[Finding]:
    """Python files of too many lines."""
    counts = {name: len(text.splitlines()) for name, text in texts.items() if name.endswith(".py")}
    return [Finding(name, count) for name, count in counts.items() if count > FILE_LINES]


def long_bodies(texts: dict[str, str]) -> list[Finding]:
    """Functions whose body, without its docstring, has too many lines."""
    found = []
    for name, node in nodes(texts, FUNCTIONS):
        length = body_lines(node)
        if length > BODY_LINES:
            found.append(Finding(f"{name}:{node.lineno} {node.name}", length))
    return found


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    if not body:
        return 0
    return body[-1].end_lineno - body[0].lineno + 1  # type: ignore[operator]


def top_level_files(package: Path = PACKAGE) -> list[str]:
    """Python files directly in the package."""
    return sorted(path.name for path in package.glob("*.py"))


def private_top_level_files(package: Path = PACKAGE) -> list[str]:
    """Those of them whose name starts with one underscore."""
    return [name for name in top_level_files(package) if name[0] == "_" and name[:2] != "__"]


def assignments(texts: dict[str, str]) -> int:
    """Number of all assignments."""
    return sum(1 for _ in nodes(texts, ASSIGNMENTS))


def report() -> str:
    """All figures with their bounds, and the places that count against them."""
    texts = sources()
    n = assignments(texts)
    parallel = parallel_assignments(texts)
    conditional = conditional_expressions(texts)
    lines = [
        f"files at the top level: {len(top_level_files())} (at most {TOP_FILES}), "
        f"private: {len(private_top_level_files())} (at most {TOP_PRIVATE})",
        f"parallel assignments: {100 * len(parallel) / n:.1f} % of {n} (below 2)",
        f"conditional expressions: {100 * len(conditional) / n:.1f} per 100 assignments (below 4)",
    ]
    broken = {
        "parallel": parallel,
        "conditional": conditional,
        f"lines over {COLUMNS} columns": long_lines(texts),
        f"files over {FILE_LINES} lines": long_files(texts),
        f"bodies over {BODY_LINES} lines": long_bodies(texts),
    }
    for title, found in broken.items():
        places = "".join(f"\n    {one}" for one in found)
        lines.append(f"{title}: {len(found)}{places}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
