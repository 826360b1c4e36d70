"""Figures of how the package reads, printed by `python tests/house.py` with what breaks a bound."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sessionprompt"
COLUMNS = 100
FILE_LINES = 450
BODY_LINES = 30
TOP_FILES = 20
TOP_PRIVATE = 3
PARALLEL = 2.0  # percent of all assignments
CONDITIONAL = 4.0  # per hundred assignments
ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Texts = dict[str, str]


@dataclass(frozen=True)
class Finding:
    """A place in the package that breaks a bound, and by how much."""

    place: str
    size: int = 1

    def __str__(self) -> str:
        return f"{self.place} ({self.size})"


def sources(package: Path = PACKAGE) -> Texts:
    """Text of every source file by its path inside the package."""
    kinds = ("*.py", "*.pyi", "*.c", "*.h")
    paths = sorted(path for kind in kinds for path in package.rglob(kind))
    return {path.relative_to(package).as_posix(): path.read_text() for path in paths}


def nodes(texts: Texts, kinds: type | tuple[type, ...]) -> Iterator[tuple[str, ast.AST]]:
    """Path and node of every node of these kinds in the Python files."""
    for name, text in texts.items():
        if not name.endswith(".py"):
            continue
        for node in nodes_of(text):
            if isinstance(node, kinds):
                yield name, node


@cache
def nodes_of(source: str) -> list[ast.AST]:
    """All nodes of a source file, which many figures are counted of."""
    return list(ast.walk(ast.parse(source)))


def places(found: Iterator[tuple[str, ast.AST]]) -> list[Finding]:
    """Findings of some nodes, by file and line."""
    where = sorted({(name, node.lineno) for name, node in found})  # type: ignore[attr-defined]
    return [Finding(f"{name}:{line}") for name, line in where]


def count_of_assignments(texts: Texts) -> int:
    """Number of all assignments."""
    return sum(1 for _ in nodes(texts, ASSIGNMENTS))


def parallel_assignments(texts: Texts) -> list[Finding]:
    """Assignments of values that stand side by side to names that stand side by side."""
    return places(pair for pair in nodes(texts, ast.Assign) if is_parallel(pair[1]))


def is_parallel(node: ast.AST) -> bool:
    """Whether an assignment gives several names a value each, and does not only swap them."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    names = [target for target in node.targets if isinstance(target, ast.Tuple)]
    if not names:
        return False
    left = {ast.unparse(name) for name in names[0].elts}
    right = {ast.unparse(value) for value in node.value.elts}
    return left != right


def conditional_expressions(texts: Texts) -> list[Finding]:
    """Expressions ``a if b else c``, one each."""
    found = [(name, node.lineno) for name, node in nodes(texts, ast.IfExp)]  # type: ignore[attr-defined]
    return [Finding(f"{name}:{line}") for name, line in sorted(found)]


def conditionals_in_calls(texts: Texts) -> list[Finding]:
    """Conditional expressions that are an argument of a call or stand in an f-string."""
    found = nodes(texts, (ast.Call, ast.FormattedValue))
    return places((name, part) for name, node in found for part in arguments(node) if is_if(part))


def arguments(node: ast.AST) -> list[ast.expr]:
    """Arguments of a call, or what an f-string formats."""
    if isinstance(node, ast.FormattedValue):
        return [node.value]
    assert isinstance(node, ast.Call)
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def is_if(node: ast.AST) -> bool:
    """Whether a node is a conditional expression."""
    return isinstance(node, ast.IfExp)


def long_lines(texts: Texts) -> list[Finding]:
    """Lines that reach over the last column."""
    return [
        Finding(f"{name}:{number}", len(line))
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > COLUMNS
    ]


def long_files(texts: Texts) -> list[Finding]:
    """Files of too many lines."""
    counts = {name: len(text.splitlines()) for name, text in texts.items()}
    return [Finding(name, count) for name, count in counts.items() if count > FILE_LINES]


def long_bodies(texts: Texts) -> list[Finding]:
    """Functions whose body has too many lines; constructors that only store are none of them."""
    found = []
    for name, node in nodes(texts, FUNCTIONS):
        length = body_lines(node)  # type: ignore[arg-type]
        if length > BODY_LINES and not only_stores(node):  # type: ignore[arg-type]
            found.append(Finding(f"{name}:{node.lineno} {node.name}", length))  # type: ignore[attr-defined]
    return found


def body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    """Statements of a function without its docstring."""
    if ast.get_docstring(function) is None:
        return function.body
    return function.body[1:]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Number of lines from the first statement after the docstring to the last."""
    statements = body(function)
    if not statements:
        return 0
    return statements[-1].end_lineno - statements[0].lineno + 1  # type: ignore[operator]


def only_stores(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is a constructor of nothing but ``self.name = name``."""
    stored = [f"self.{argument.arg} = {argument.arg}" for argument in all_arguments(function)]
    written = [ast.unparse(statement) for statement in body(function)]
    return function.name == "__init__" and set(written) <= set(stored)


def all_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """Parameters of a function that have names of their own."""
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def top_level_files(package: Path = PACKAGE) -> list[str]:
    """Python files directly in the package."""
    return sorted(path.name for path in package.glob("*.py"))


def private_files(names: list[str]) -> list[str]:
    """Those files whose name starts with one underscore."""
    return [name for name in names if name[0] == "_" and name[:2] != "__"]


def shares(texts: Texts) -> tuple[float, float]:
    """Percent of parallel assignments, and conditional expressions per hundred assignments."""
    total = max(count_of_assignments(texts), 1)
    parallel = 100 * len(parallel_assignments(texts)) / total
    conditional = 100 * len(conditional_expressions(texts)) / total
    return parallel, conditional


def report() -> str:
    """All figures with their bounds, and the places that count against them."""
    texts = sources()
    top = top_level_files()
    total = count_of_assignments(texts)
    parallel, conditional = shares(texts)
    lines = [
        f"files at the top level: {len(top)} (at most {TOP_FILES}), "
        f"private: {len(private_files(top))} (at most {TOP_PRIVATE})",
        f"parallel assignments: {parallel:.1f} % of {total} (below {PARALLEL:g})",
        f"conditional expressions: {conditional:.1f} per 100 assignments (below {CONDITIONAL:g})",
    ]
    lists = {
        "parallel": parallel_assignments(texts),
        "conditional": conditional_expressions(texts),
        "conditional inside a call or f-string": conditionals_in_calls(texts),
        f"lines over {COLUMNS} columns": long_lines(texts),
        f"files over {FILE_LINES} lines": long_files(texts),
        f"bodies over {BODY_LINES} lines": long_bodies(texts),
    }
    for title, found in lists.items():
        lines.append(f"{title}: {len(found)}")
        lines += [f"    {one}" for one in found]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
