"""Tables and plots of `benchmarks/results/`, written before Sphinx reads pages that include them.

Nothing of them is typed: a file that has no entry in `TABLES` gets a table of its plain values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
OF_MACHINE = {"device", "threads", "versions", "command", "compiled", "peer_versions"}
Line = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Columns of a table by their titles, each a path into a line, and which lines are shown."""

    file: str
    columns: dict[str, str]
    key: tuple[str, ...] = ()  # of lines with equal values of these, only the last one is shown
    where: Callable[[Line], bool] = field(default=lambda line: True)

    def lines(self) -> list[Line]:
        """Lines of the file that the table shows, those of one log together."""
        chosen = [line for line in read_lines(self.file) if self.where(line)]
        if self.key:
            newest = {tuple(cell(line, path) for path in self.key): line for line in chosen}
            chosen = list(newest.values())
        return sorted(chosen, key=lambda line: str(line.get("data")))

    def markdown(self) -> str:
        """The table, and below it the commands that made its lines."""
        lines = self.lines()
        rows = [[cell(line, path) for path in self.columns.values()] for line in lines]
        return pipe_table(list(self.columns), rows) + commands(self.file, lines)


TABLES = {
    "quality": Table(
        "stack.jsonl",
        {
            "data": "data",
            "model": "model",
            "dim, if not 64": "dim",
            "MRR@20": "%test.mrr@20",
            "R@20": "%test.recall@20",
            "MRR@20 from": "%interval.mrr@20.0",
            "to": "%interval.mrr@20.1",
            "seconds of fit": "cpu_seconds_fit",
        },
        key=("data", "model", "dim"),
    ),
    "backbones": Table(
        "backbones.jsonl",
        {
            "run": "name",
            "MRR@20": "%test.mrr@20",
            "R@20": "%test.recall@20",
            "MRR@20, known targets": "%test_known.mrr@20",
            "R@20, known targets": "%test_known.recall@20",
            "best epoch": "best_epoch",
            "seconds per epoch": "seconds_per_epoch",
        },
    ),
    "baselines": Table(
        "baselines.jsonl",
        {
            "data": "data",
            "model": "model",
            "parameters": "chosen",
            "MRR@20": "%test.mrr@20",
            "R@20": "%test.recall@20",
            "seconds of fit": "seconds_fit",
            "targets per second": "targets_per_second",
        },
    ),
    "diginetica": Table(
        "diginetica.jsonl",
        {
            "run": "name",
            "share of the log": "fraction",
            "resolution": "resolution",
            "best epoch": "best_epoch",
            "validation MRR@20": "%valid.mrr@20",
            "R@20": "%valid.recall@20",
            "test MRR@20": "%test.mrr@20",
            "test R@20": "%test.recall@20",
        },
    ),
    "attributes": Table(
        "attributes.jsonl",
        {
            "data": "data",
            "model": "model",
            "part": "part",
            "seed": "seed",
            "withhold": "withhold",
            "R@20": "%all.recall@20",
            "cold targets": "%cold.recall@20",
            "warm targets": "%warm.recall@20",
        },
    ),
    "peers": Table(
        "speed/peers_clusters.jsonl",
        {
            "model": "model",
            "library": "library",
            "variant": "variant",
            "precision": "precision",
            "examples trained a second": "train_per_s.0",
            "ranked a second": "evaluate_per_s.0",
            "seconds of preparation": "prepare_s.0",
            "MB in training": "train_peak_mb.0",
        },
        key=("model", "library", "variant", "precision"),
    ),
    "inference": Table(
        "speed/inference.jsonl",
        {
            "what": "part",
            "compiled": "compiled",
            "one call, median ms": "call_p50_ms",
            "99 of 100, ms": "call_p99_ms",
            "sessions a second": "sessions_per_s",
            "ranked a second": "examples_per_s",
            "MB": "peak_mb",
        },
        key=("part", "compiled"),
        where=lambda line: not str(line.get("name", "")).startswith(("before", "after")),
    ),
    "scaling": Table(
        "speed/scaling.jsonl",
        {
            "items": "items",
            "loss": "loss",
            "compiled": "compiled",
            "step, ms (least)": "step_ms_min",
            "processor time, ms": "step_cpu_ms",
            "MB": "peak_mb",
        },
        key=("items", "loss", "compiled"),
        where=lambda line: line["axis"] == "items",
    ),
    "preparation": Table(
        "speed/preparation.jsonl",
        {
            "table": "table",
            "events": "events",
            "sessions": "sessions",
            "items": "items",
            "seconds": "s",
            "MB": "peak_mb",
        },
    ),
    "losses": Table(
        "speed/losses.jsonl",
        {
            "items": "items",
            "all items, ms": "full.ms_min",
            "cluster and sample, ms": "clusters.ms_min",
            "sample of 8,192, ms": "sampled_8192.ms_min",
        },
    ),
    "encoders": Table(
        "speed/encoders.jsonl",
        {
            "backbone": "backbone",
            "encoder, ms": "encoder_ms",
            "whole step, ms": "step_ms",
            "examples a second": "examples_per_second",
            "items": "items",
            "compiled": "compiled",
        },
        key=("backbone",),
        where=lambda line: line["name"] in ("", "now"),
    ),
}
APART = {"paper", "grid_search.json", "yoochoose1_64.jsonl", "globo.jsonl"}  # no tables of lines


def read_lines(file: str) -> list[Line]:
    """Lines of a file of results."""
    return [json.loads(line) for line in (RESULTS / file).read_text().splitlines()]


def cell(line: Line, path: str) -> str:
    """Value at a path of keys and places, as text; a % before the path makes percents."""
    value: Any = line
    for step in path.removeprefix("%").split("."):
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(step)
    return as_text(value, path.startswith("%"))


def as_text(value: Any, percent: bool = False) -> str:
    """A value of a line as a reader wants it."""
    if value is None or isinstance(value, dict):
        return ""
    if isinstance(value, str):
        return "no" if value.startswith("kernels need") else value.replace("|", "\\|")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(as_text(one) for one in value)
    if percent:
        return f"{100 * value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def pipe_table(titles: list[str], rows: Iterable[list[str]]) -> str:
    """Table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n"


def commands(file: str, lines: list[Line]) -> str:
    """Folded list of what made these lines, and where."""
    made = []
    for line in lines:
        where = ", ".join(str(line[name]) for name in ("device", "note_time") if name in line)
        made.append(f"- `{line.get('command', 'the command is not kept')}`; {where}")
    unique = "\n".join(dict.fromkeys(made))
    title = f"Lines of `benchmarks/results/{file}` and their commands"
    return f"\n:::{{dropdown}} {title}\n{unique}\n:::\n"


def plain_table(file: str) -> Table:
    """Table of all plain values of a file."""
    names: dict[str, str] = {}
    for line in read_lines(file):
        for name, value in line.items():
            if name not in OF_MACHINE and not isinstance(value, dict | list):
                names.setdefault(name, name)
    return Table(file, names)


def others() -> str:
    """Tables of the files that no table above shows."""
    shown = {table.file for table in TABLES.values()}
    found = [path.relative_to(RESULTS).as_posix() for path in sorted(RESULTS.rglob("*.jsonl"))]
    parts = []
    for file in found:
        if file not in shown and file.split("/")[0] not in APART:
            parts.append(f"### {file.removesuffix('.jsonl')}\n\n{plain_table(file).markdown()}")
    return "\n".join(parts)


# ------------------------------------------------------------------------------------------ plots
def panels(n: int, height: float = 3.0, **options: Any) -> tuple[Figure, list[Any]]:
    """A figure with so many panels side by side."""
    figure = Figure(figsize=(9.5, height), layout="constrained")
    found = figure.subplots(1, n, squeeze=False, **options)[0]
    for panel in found:
        panel.spines[["top", "right"]].set_visible(False)
    return figure, list(found)


def grid(n: int, columns: int, height: float) -> tuple[Figure, list[Any]]:
    """A figure with so many panels in rows; those that are left over are hidden."""
    figure = Figure(figsize=(9.5, height), layout="constrained")
    found = figure.subplots(-(-n // columns), columns, squeeze=False).ravel().tolist()
    for place, panel in enumerate(found):
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_visible(place < n)
    return figure, found


def quality_plot() -> Figure:
    """MRR@20 with its interval, by log and model."""
    lines = [line for line in TABLES["quality"].lines() if "interval" in line]
    logs = list(dict.fromkeys(line["data"] for line in lines))
    figure, found = grid(len(logs), 2, 4.6)
    for panel, log in zip(found, logs, strict=False):
        chosen = [line for line in lines if line["data"] == log]
        chosen.sort(key=lambda line: -line["test"]["mrr@20"])
        for place, line in enumerate(chosen):
            low, high = (100 * end for end in line["interval"]["mrr@20"])
            panel.plot([low, high], [place, place], color=COLOURS[0], lw=2)
            panel.plot(100 * line["test"]["mrr@20"], place, "o", color=COLOURS[0])
        panel.set_yticks(range(len(chosen)), [line["model"] for line in chosen], fontsize=8)
        panel.set_ylim(len(chosen) - 0.5, -0.5)
        panel.set_title(log, fontsize=9)
        panel.set_xlabel("MRR@20, %")
    return figure


def backbones_plot() -> Figure:
    """MRR@20 of each backbone by variant."""
    points: dict[str, dict[str, float]] = {}
    for line in read_lines("backbones.jsonl"):
        backbone, variant, _ = line["name"].split()
        points.setdefault(variant, {})[backbone] = 100 * line["test"]["mrr@20"]
    names = sorted({backbone for found in points.values() for backbone in found})
    figure, (panel,) = panels(1, 3.2)
    for colour, (variant, found) in zip(COLOURS, points.items(), strict=False):
        places = [names.index(backbone) for backbone in found]
        panel.plot(places, list(found.values()), "o", color=colour, label=variant)
    panel.set_xticks(range(len(names)), names)
    panel.set_ylabel("MRR@20, %, all targets")
    panel.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def peers_plot() -> Figure:
    """Examples trained and ranked a second beside RecBole."""
    lines = TABLES["peers"].lines()
    models = list(dict.fromkeys(line["model"] for line in lines))
    kinds: dict[str, dict[str, Line]] = {}
    for line in lines:
        kind = " ".join([line["library"], line.get("variant", line["precision"]).replace("_", " ")])
        kinds.setdefault(kind, {})[line["model"]] = line
    figure, found = panels(2, 3.4)
    wide = 0.8 / len(kinds)
    for panel, name in zip(found, ["train_per_s", "evaluate_per_s"], strict=True):
        for place, (kind, of_model) in enumerate(kinds.items()):
            heights = [of_model[model][name][0] for model in models]
            left = [row + place * wide for row in range(len(models))]
            panel.bar(left, heights, wide, label=kind, color=COLOURS[place])
        panel.set_xticks([row + 0.4 - wide / 2 for row in range(len(models))], models)
        panel.set_yscale("log")
        panel.set_ylabel(
            name.removesuffix("_per_s").replace("evaluate", "ranked") + ", examples a second"
        )
    figure.legend(
        *found[0].get_legend_handles_labels(), ncols=4, loc="outside upper center", frameon=False
    )
    return figure


def scaling_plot() -> Figure:
    """Least time of a training step by number of items and by dimension."""
    figure, found = panels(2, 3.2)
    for panel, axis in zip(found, ["items", "dim"], strict=True):
        curves: dict[str, dict[int, float]] = {}
        for line in read_lines("speed/scaling.jsonl"):
            if line["axis"] == axis:
                compiled = ", compiled" if line.get("compiled") is True else ""
                curves.setdefault(line["loss"] + compiled, {})[line[axis]] = line["step_ms_min"]
        for colour, (name, curve) in zip(COLOURS, sorted(curves.items()), strict=False):
            values = sorted(curve)
            panel.plot(values, [curve[one] for one in values], "o-", color=colour, label=name, ms=4)
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel({"items": "items", "dim": "dimensions"}[axis])
        panel.set_ylabel("training step, ms (least)")
        panel.legend(frameon=False, fontsize=8)
    return figure


def candidates_plot() -> Figure:
    """What a loss finds by the candidates that it scores for a row."""
    own = next(line["candidates"]["own"] for line in read_lines("speed/losses.jsonl"))
    curves: dict[str, list[tuple[float, Line]]] = {"full": [], "clusters": [], "sampled": []}
    for line in read_lines("diginetica.jsonl"):
        if line["name"].startswith("candidates-"):
            loss, drawn = line["name"].split("-")[1:]
            row = {"clusters": own, "sampled": line["parameters"]["batch_size"]}[loss]
            curves[loss].append((row + int(drawn), line))
        elif line["name"] == "quarter-full":
            curves["full"].append((line["n_items"], line))
    names = {"full": "all items", "clusters": "a cluster and a sample", "sampled": "a sample"}
    titles = {"mrr@20": "MRR@20", "recall@20": "R@20"}
    figure, found = panels(2, 3.0)
    for panel, (metric, title) in zip(found, titles.items(), strict=True):
        for colour, (loss, points) in zip(COLOURS, curves.items(), strict=False):
            places, lines = zip(*sorted(points, key=lambda point: point[0]), strict=True)
            heights = [100 * line["test"][metric] for line in lines]
            panel.plot(places, heights, "o-", color=colour, label=names[loss])
        panel.set_xscale("log")
        panel.set_xlabel("candidates of a row")
        panel.set_ylabel(f"{title}, %, all test targets")
    found[1].legend(frameon=False, fontsize=8)
    return figure


def prompt_differences() -> list[Line]:
    """What the published prompt changes in MRR@5, by log, protocol, start and backbone."""
    lines = read_lines("paper/small/table2.comparisons.jsonl")
    return [
        line
        for line in lines
        if (line["arm"], line["against"], line["metric"]) == ("prompted", "plain", "mrr@5")
    ]


def prompts_plot() -> Figure:
    """Differences of the published prompt with their intervals."""
    lines = prompt_differences()
    groups = list(dict.fromkeys((line["data"], line["protocol"], line["init"]) for line in lines))
    figure, found = grid(len(groups), 4, 5.4)
    for panel, group in zip(found, groups, strict=False):
        chosen = [line for line in lines if (line["data"], line["protocol"], line["init"]) == group]
        for place, line in enumerate(chosen):
            ends = [100 * line["low"], 100 * line["high"]]
            colour = COLOURS[2] if line["low"] > 0 else COLOURS[1] if line["high"] < 0 else "grey"
            panel.plot(ends, [place, place], color=colour, lw=2)
            panel.plot(100 * line["difference"], place, "o", color=colour)
        panel.axvline(0, color="grey", lw=0.8)
        panel.set_yticks(range(len(chosen)), [line["backbone"] for line in chosen], fontsize=8)
        panel.set_ylim(len(chosen) - 0.5, -0.5)
        panel.set_title(f"{group[0]}\n{group[1]}, {group[2]}", fontsize=8)
        panel.margins(x=0.2)
    figure.supxlabel("points of MRR@5 that the published prompt adds", fontsize=9)
    return figure


def prompts_table() -> str:
    """Differences of the published prompt as a table."""
    columns = {
        "data": "data",
        "protocol": "protocol",
        "start": "init",
        "backbone": "backbone",
        "seeds": "seeds",
        "points of MRR@5": "%difference",
        "from": "%low",
        "to": "%high",
        "p after Holm": "p_holm",
    }
    rows = [[cell(line, path) for path in columns.values()] for line in prompt_differences()]
    return pipe_table(list(columns), rows)


PLOTS = {
    "quality": quality_plot,
    "backbones": backbones_plot,
    "peers": peers_plot,
    "scaling": scaling_plot,
    "candidates": candidates_plot,
    "prompts": prompts_plot,
}


def write_all(folder: Path) -> None:
    """Write tables and plots."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {name: table.markdown() for name, table in TABLES.items()}
    texts["others"] = others()
    texts["prompts"] = prompts_table()
    for name, text in texts.items():
        write_if_new(folder / f"{name}.txt", text)
    for name, draw in PLOTS.items():
        draw().savefig(folder / f"{name}.svg", metadata={"Date": None})


def write_if_new(path: Path, text: str) -> None:
    """Write a file unless it holds this text, so that pages which include it stay as they are."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("builder-inited", lambda app: write_all(Path(app.srcdir, "generated", "results")))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
