"""The sections of a report: which lines each of the paper's tables and figures is made of."""

from __future__ import annotations

import statistics
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _plots
import _ran
import _tables
from _cells import files, mean
from _lines import ARMS, SETTING, Line, Lines, grouped, pick
from _pages import Block, Drawing, Prose
from _tables import Published, Table

KINDS_OF_PROMPTS = (
    "Test MRR@5 of each combination of cluster (C), user (U) and session (S) prompts, and of the "
    "plain backbone; mean over the seeds, with the standard deviation where there are several."
)
NO_SESSION_PROMPT = (
    "Session prompts of unseen sessions are absent by definition: under the protocol sessions "
    "every test session is unseen, so S, CS, US and CUS are tested without theirs."
)
IN_THE_FIGURE = (
    "Session prompts of unseen sessions are absent by definition: S, CS, US and CUS are tested "
    "without theirs."
)
TIMES = (
    "Test MRR@5 against the seconds until the epoch that was best on validation, means over the "
    "seeds."
)
RESOLUTIONS = (
    "Test MRR@5 over the resolution, mean over the seeds, with the standard deviation where there "
    "are several, and the plain backbone dashed if it was run; below, the number of clusters and "
    "the agreement of two seeds."
)
SEVERAL_MACHINES = "The times are of several machines, and compare only within one."


def table2(lines: Lines) -> list[Block]:
    """Plain and prompted, baselines, and the controls with their paired differences."""
    own = [*pick(lines.runs, experiment="table2"), *pick(lines.comparisons, experiment="table2")]
    blocks: list[Block] = []
    for setting, group in grouped(own, SETTING):
        baselines = pick(lines.baselines, data=setting[0], protocol=setting[1])
        runs = pick(group, kind="run")
        comparisons = pick(group, kind="comparison")
        title = _title("Table 2", setting)
        blocks.append(_tables.quality(runs, baselines, _published("table2", setting), title))
        title = _title("Paired differences", setting)
        blocks.append(_tables.differences(runs, comparisons, title, tuple(ARMS)))
    for setting, baselines in grouped(lines.baselines, SETTING[:2]):
        if not pick(own, data=setting[0], protocol=setting[1]):
            title = _title("Models without a network", setting)
            blocks.append(_tables.quality([], baselines, _published("table2", setting), title))
    arms = Prose("\n".join(f"- **{arm}**: {meaning}." for arm, meaning in ARMS.items()))
    return [arms, *blocks] if blocks else []


def figure2(lines: Lines) -> list[Block]:
    """Seven combinations of prompts beside the plain backbone."""
    blocks: list[Block] = []
    for setting, runs in grouped(_tested(lines, "figure2"), SETTING):
        title = _title("Figure 2", setting)
        note = ""
        notes = []
        if setting[1] == "sessions":
            note = IN_THE_FIGURE
            notes = [NO_SESSION_PROMPT]
        heights = {
            backbone: _points(own, "arm") for (backbone,), own in grouped(runs, ["backbone"])
        }
        arms = [arm for (arm,), _ in grouped(runs, ["arm"])]
        svg = _plots.bars(title, heights, arms, "MRR@5, %", note) if _plots.available() else None
        blocks.append(_drawing("figure2", setting, svg, KINDS_OF_PROMPTS, runs))
        blocks.append(_tables.prompts(runs, title, notes))
    return blocks + _differences(lines, "figure2")


def table3(lines: Lines) -> list[Block]:
    """Seconds of training against quality."""
    blocks: list[Block] = []
    timed = [run for run in _tested(lines, "table3") if run.get("seconds_to_best")]
    for setting, group in grouped(timed, SETTING):
        title = _title("Table 3", setting)
        keys = ["backbone", "arm", "device", "threads"]
        points = [
            (
                backbone,
                arm,
                statistics.fmean(line["seconds_to_best"] for line in own),
                _point(own)[0],
            )
            for (backbone, arm, *_), own in grouped(group, keys)
        ]
        note = SEVERAL_MACHINES if len(grouped(group, keys[2:])) > 1 else ""
        labels = ("seconds to the best epoch", "MRR@5, %")
        svg = _plots.scatter(title, points, labels, note) if _plots.available() else None
        blocks.append(_tables.times(group, _published("table3", setting), title))
        blocks.append(_drawing("table3", setting, svg, f"{TIMES} {note}".strip(), group))
    return blocks


def figure3(lines: Lines) -> list[Block]:
    """Quality, number of clusters and their agreement over the resolution."""
    blocks: list[Block] = []
    partitions = pick(lines.partitions, experiment="figure3")
    runs = _tested(lines, "figure3")
    for setting, group in grouped(runs, SETTING):
        parts = [
            line
            for line in pick(partitions, data=setting[0])
            if line.get("protocol") in (None, setting[1])
        ]
        blocks += [
            *_curve(setting, group, parts),
            _tables.resolutions(group, parts, _title("Figure 3", setting)),
        ]
    for (data,), parts in grouped(partitions, ["data"]):
        if not pick(runs, data=data):
            blocks.append(_tables.resolutions([], parts, f"Partitions: {data}"))
    return blocks + _differences(lines, "figure3")


def _curve(setting: Sequence[Any], runs: list[Line], partitions: list[Line]) -> list[Block]:
    """The drawing of Figure 3, if there is a run with one resolution."""
    curves = {
        backbone if arm == "prompted" else f"{backbone} {arm}": _points(own, "resolution")
        for (backbone, arm), own in grouped(_single(runs), ["backbone", "arm"])
    }
    if not curves:
        return []
    levels = {
        backbone: _point(own)[0]
        for (backbone,), own in grouped(pick(runs, arm="plain"), ["backbone"])
    }
    panels = {
        name: {
            line["resolution"]: mean(line[key])
            for line in _single(partitions)
            if line.get(key) is not None
        }
        for name, key in (("clusters", "n_clusters"), ("agreement", "agreement"))
    }
    labels = ("resolution", "MRR@5, %")
    title = _title("Figure 3", setting)
    below = {name: values for name, values in panels.items() if values}
    svg = _plots.curves(title, curves, levels, below, labels) if _plots.available() else None
    return [_drawing("figure3", setting, svg, RESOLUTIONS, [*runs, *partitions])]


def what_was_run(lines: Lines) -> list[Block]:
    """Runs, tuning, versions and commands."""
    every = [*lines.runs, *lines.baselines]
    tables = [
        _ran.machines(lines.runs, lines.baselines),
        _ran.tuning(lines.runs),
        _ran.listed("Versions", "Versions that the lines were made with.", every, _ran.versions),
        _ran.listed(
            "Commands", "Commands that made the lines.", every, lambda line: line.get("command")
        ),
    ]
    fixed = [] if tables[1].rows else [Prose("No run had a choice of settings.")]
    return [*[table for table in tables if table.rows], *fixed]


SECTIONS: dict[str, Callable[[Lines], list[Block]]] = {
    "Table 2: plain and prompted backbones": table2,
    "Figure 2: kinds of prompts": figure2,
    "Table 3: training time": table3,
    "Figure 3: resolution of the clusters": figure3,
    "What was run": what_was_run,
}


def _differences(lines: Lines, experiment: str) -> list[Table]:
    tables = []
    for setting, comparisons in grouped(pick(lines.comparisons, experiment=experiment), SETTING):
        place = dict(zip(SETTING, setting, strict=True))
        runs = pick(_tested(lines, experiment), **place)
        title = _title("Paired differences", setting)
        tables.append(_tables.differences(runs, comparisons, title))
    return tables


def _drawing(
    experiment: str, setting: Sequence[Any], svg: str | None, caption: str, lines: list[Line]
) -> Block:
    if svg is None:
        return Prose(_plots.MISSING)
    name = "_".join([experiment, *map(str, setting)])
    title = _title(f"{experiment[:-1].capitalize()} {experiment[-1]}", setting)
    return Drawing(title, f"{name}.svg", svg, caption, files(lines))


def _title(start: str, setting: Sequence[Any]) -> str:
    words = [f"{key} {value}" for key, value in zip(SETTING[1:], setting[1:], strict=False)]
    return f"{start}: {', '.join([setting[0], *words])}"


def _published(table: str, setting: Sequence[Any]) -> Published:
    """What the paper says about this data, if the protocol is its own."""
    theirs = tomllib.loads((Path(__file__).parent / "published.toml").read_text())
    if setting[1] != theirs["protocol"]:
        return Published(theirs["source"], {}, ())
    tables = theirs[table].get(setting[0], {})
    figures = {
        (backbone, arm): value for backbone, arms in tables.items() for arm, value in arms.items()
    }
    notes = []
    if not figures:
        notes.append(f"The paper reports no figures for {setting[0]}.")
    if sizes := theirs["table1"].get(setting[0]):
        notes.append(f"The paper's sessions (Table 1): {_tables.said_sizes(sizes)}.")
    return Published(theirs["source"], figures, notes)


def _tested(lines: Lines, experiment: str) -> list[Line]:
    return [run for run in pick(lines.runs, experiment=experiment) if run.get("test")]


def _point(runs: Sequence[Line]) -> tuple[float, float]:
    """Mean and standard deviation of the test MRR@5 in percent."""
    values = [100 * run["test"]["mrr@5"] for run in runs]
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def _points(runs: list[Line], key: str) -> dict[Any, tuple[float, float]]:
    return {value: _point(own) for (value,), own in grouped(runs, [key])}


def _single(lines: list[Line]) -> list[Line]:
    return [line for line in lines if isinstance(line["resolution"], float)]
