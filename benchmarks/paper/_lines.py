"""The lines of results: read from a folder, checked, and picked by experiment.

A fault of any line ends the report with the line's file and number: no table is made of figures
that cannot be true.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from sessionprompt.metrics import check_arithmetic

Line = dict[str, Any]

EXPERIMENTS = ("table2", "figure2", "table3", "figure3")
SETTING = ("data", "protocol", "init")
ARMS = {
    "plain": "the backbone alone",
    "prompted": "the paper's model as its released code has it, with two elementwise gates (one "
    "value for every dimension), cluster prompts on the inputs and scores by inner product",
    "scalar": "the paper's model as its text has it, the same with one scalar gate for all "
    "dimensions",
    "cosine": "plain with cosine scores",
    "candidates": "this library's, with four resolutions, cosine scores, and prompts on inputs "
    "and candidates",
    "normalised": "control, prompts dropped, their normalisation kept",
    "one": "control, all items in one cluster",
    "random": "control, labels shuffled over the items, so clusters of the same sizes",
    "permuted": "control, labels shuffled among items of like popularity",
}
PROMPT_KINDS = ("C", "U", "S", "CU", "CS", "US", "CUS")
# the eight of the paper
BACKBONES = ("gru4rec", "narm", "core", "srgnn", "tagnn", "gcsan", "gcegnn", "lessr")
ORDER = {
    "data": (),
    "protocol": ("sessions", "within_session"),
    "init": ("graph", "normal", "reference"),
    "backbone": (*BACKBONES, "stamp"),
    "arm": (*ARMS, *PROMPT_KINDS),
    "experiment": EXPERIMENTS,
}
REQUIRED = {
    "run": ("experiment", "data", "protocol", "backbone", "arm", "init", "seed"),
    "comparison": (
        *("experiment", "data", "protocol", "backbone", "init", "arm", "against", "metric"),
        *("difference", "low", "high", "p", "p_holm", "wins", "seeds"),
    ),
    "partition": ("experiment", "data", "resolution", "n_clusters"),
    "baseline": ("data", "protocol", "model", "test"),
}


@dataclass(frozen=True)
class Lines:
    """All lines of a folder by kind, each with its `file` and `place`."""

    runs: list[Line]
    comparisons: list[Line]
    partitions: list[Line]
    baselines: list[Line]


class Fault(Exception):
    """A line that no table may be made of."""


def read(folder: Path) -> Lines:
    """Every line of every file in the folder, checked."""
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise Fault(
            f"{folder.name} holds no .jsonl files; name the folder that the lines were written to."
        )
    lines = [line for file in files for line in _of_file(file)]
    kinds = {kind: [line for line in lines if line["kind"] == kind] for kind in REQUIRED}
    found = Lines(*(kinds[kind] for kind in ("run", "comparison", "partition", "baseline")))
    _check_together(found)
    return found


def _of_file(file: Path) -> Iterator[Line]:
    for number, text in enumerate(file.read_text().splitlines(), start=1):
        if text.strip():
            place = f"{file.name}, line {number}"
            try:
                line = json.loads(text)
            except json.JSONDecodeError as error:
                raise Fault(f"{place} is no JSON: {error}.") from None
            yield _checked({**line, "file": file.name, "place": place})


def _checked(line: Line) -> Line:
    """The line, if all it holds can be true."""
    place = line["place"]
    kind = line.get("kind")
    if kind not in REQUIRED:
        raise Fault(f"{place}: kind={kind!r} is not known; it is one of {list(REQUIRED)}.")
    if missing := [key for key in REQUIRED[kind] if line.get(key) is None]:
        raise Fault(f"{place}: a {kind} needs {', '.join(missing)}.")
    for part in ("valid", "test", "test_known"):
        if faults := check_arithmetic(line.get(part) or {}):
            raise Fault(f"{place}: {part} cannot be true: {' '.join(faults)}")
    if kind == "comparison":
        _check_comparison(line)
    return {**line, "resolution": _resolution(line.get("resolution"))}


def _resolution(value: Any) -> Any:
    """One resolution as a number, whether it was written alone or as a list of one."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return float(value) if isinstance(value, int) else value


def _check_comparison(line: Line) -> None:
    if not line["low"] <= line["high"]:
        raise Fault(
            f"{line['place']}: the interval runs from low={line['low']} to high={line['high']}."
        )
    if not 0 <= line["p"] <= line["p_holm"] <= 1:
        raise Fault(
            f"{line['place']}: p={line['p']} and p_holm={line['p_holm']}, "
            "but 0 <= p <= p_holm <= 1."
        )
    if not 0 <= line["wins"] <= len(line["seeds"]):
        raise Fault(f"{line['place']}: wins={line['wins']} of {len(line['seeds'])} seeds.")


def _check_together(lines: Lines) -> None:
    """Check of all lines: one tier, no run twice, one data set a name, differences that fit."""
    _check_constant(
        [*lines.runs, *lines.comparisons, *lines.partitions, *lines.baselines], (), "tier"
    )
    _check_constant(lines.runs, ("experiment", "data", "protocol"), "data_hash")
    seen: dict[str, Line] = {}
    for line in lines.runs:
        name = str(
            [
                line.get(key)
                for key in ("experiment", *SETTING, "backbone", "arm", "seed", "resolution")
            ]
        )
        if name in seen:
            raise Fault(
                f"{line['place']} and {seen[name]['place']} are the same run; remove one of them."
            )
        seen[name] = line
    for comparison in lines.comparisons:
        _check_difference(comparison, lines.runs)


def _check_constant(lines: Sequence[Line], keys: Sequence[str], name: str) -> None:
    for _, group in grouped([line for line in lines if line.get(name) is not None], keys):
        for line in group:
            if line[name] != group[0][name]:
                raise Fault(
                    f"{line['place']}: {name}={line[name]!r}, "
                    f"but {group[0]['place']}: {group[0][name]!r}; "
                    "report them in folders of their own."
                )


def _check_difference(comparison: Line, runs: Sequence[Line]) -> None:
    """The difference must be that of the runs with these seeds, where all of them are there."""
    same = {key: comparison[key] for key in ("experiment", *SETTING, "backbone")}
    means = []
    for arm in (comparison["arm"], comparison["against"]):
        side = [
            run
            for run in pick(runs, **same, arm=arm)
            if run["seed"] in comparison["seeds"] and run.get("test")
        ]
        if sorted(run["seed"] for run in side) != sorted(comparison["seeds"]):
            return
        means.append(sum(run["test"][comparison["metric"]] for run in side) / len(side))
    if abs(means[0] - means[1] - comparison["difference"]) > 1e-6:
        raise Fault(
            f"{comparison['place']}: difference={comparison['difference']:.6g}, "
            "but the runs of these seeds differ by "
            f"{means[0] - means[1]:.6g}."
        )


def pick(lines: Iterable[Line], **values: Any) -> list[Line]:
    """The lines that hold these values."""
    return [line for line in lines if all(line.get(key) == value for key, value in values.items())]


def grouped(lines: Iterable[Line], keys: Sequence[str]) -> list[tuple[tuple[Any, ...], list[Line]]]:
    """The lines by their values of some keys, in the order in which the report shows them."""

    def place(line: Line) -> list[tuple[int, float, str]]:
        return [_rank(key, line.get(key)) for key in keys]

    groups = [list(group) for _, group in groupby(sorted(lines, key=place), place)]
    return [(_values(group[0], keys), group) for group in groups]


def _values(line: Line, keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(line.get(key) for key in keys)


def _rank(key: str, value: Any) -> tuple[int, float, str]:
    """Known values in their own order, then numbers by size, then the others by name."""
    known = ORDER.get(key, ())
    number = float(value) if isinstance(value, int | float) else 0.0
    return (known.index(value) if value in known else len(known), number, str(value))
