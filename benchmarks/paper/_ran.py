"""Tables of what was run: machines and budgets, tuning, versions, commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _cells import NOTHING, extent, files, percent, plain, seeds, values
from _lines import Line, grouped, pick
from _tables import Table


def machines(runs: list[Line], baselines: list[Line]) -> Table:
    """How much was run on which machine, and on what data."""
    keys = ("experiment", "data", "protocol", "init", "device", "threads")
    lines = [*runs, *({**line, "experiment": "baselines", "init": None} for line in baselines)]
    rows = []
    for setting, group in grouped(lines, keys):
        own = pick(group, same_run_as=None)
        shared = f", {len(group) - len(own)} shared" if len(own) < len(group) else ""
        sizes = [extent(values(group, key)) for key in ("n_train", "n_items")]
        hashes = (
            ", ".join(sorted({str(value)[:16] for value in values(group, "data_hash")})) or NOTHING
        )
        cost = [
            f"{sum(map(_seconds, own)) / 3600:.2f}",
            plain(max(values(own, "peak_gb"), default=None)),
        ]
        epochs = extent(values(group, "epochs"))
        rows.append(
            [
                *map(plain, setting),
                f"{len(own)}{shared}",
                seeds(group),
                epochs,
                *cost,
                *sizes,
                hashes,
            ]
        )
    caption = (
        "Runs that this report is made of and those shared with another experiment, the epochs "
        "that each trained for, and hours of training in all, with the search for settings."
    )
    head = [
        "experiment",
        "data",
        "protocol",
        "init",
        "machine",
        "threads",
        "runs",
        "seeds",
        "epochs",
        "hours",
        "peak GB",
    ]
    head += ["training sessions", "items", "hash of the data"]
    return Table("Runs", caption, head, rows, files(lines))


def _seconds(line: Line) -> float:
    """Seconds of all settings tried, or of the one fit."""
    return sum(values(line.get("tried") or [], "seconds")) or line.get("seconds_fit") or 0.0


def tuning(runs: list[Line]) -> Table:
    """How many settings each arm had to choose from, and what was chosen."""
    keys = ("experiment", "data", "protocol", "init", "backbone", "arm")
    tuned = [run for run in runs if run.get("tuned")]
    rows = []
    for setting, lines in grouped(tuned, keys):
        tries = max(len(line.get("tried") or []) for line in lines)
        chosen = "; ".join(sorted({_assigned(line["tuned"]) for line in lines}))
        valid = percent(values([line.get("valid") or {} for line in lines], "mrr@5"))
        rows.append([*map(plain, setting), str(tries), chosen, valid])
    caption = (
        "Where there was a choice of settings: how many each arm tried, those chosen, and the "
        "validation MRR@5 in percent of the runs with them."
    )
    return Table(
        "Tuning", caption, [*keys, "tried", "chosen", "MRR@5, validation"], rows, files(tuned)
    )


def _assigned(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key}={plain(value)}" for key, value in settings.items())


def versions(line: Line) -> str:
    """The versions of a line, as text."""
    return ", ".join(f"{name} {version}" for name, version in (line.get("versions") or {}).items())


def listed(
    title: str, caption: str, lines: list[Line], text: Callable[[Line], str | None]
) -> Table:
    """The distinct texts of some lines, how many lines have each, and the files they stand in."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        if made := text(line):
            found.setdefault(made, []).append(line)
    rows = [[made, str(len(own)), ", ".join(files(own))] for made, own in sorted(found.items())]
    return Table(title, caption, [title.lower(), "lines", "files"], rows, files(lines))
