"""Ranks of targets kept in files, and what a model gains over another one, over all seeds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _shared import markdown_table

from sessionprompt.comparison import paired_bootstrap
from sessionprompt.metrics import RankedTargets

METRICS = ("recall@20", "mrr@20")
PARTS = ("all", "cold", "new", "warm")
OTHERS = {
    "cold": ("plain", "unscaled", "counter"),
    "unscaled": ("plain", "counter"),
    "shuffled": ("plain",),
    "prompts": ("plain",),
}
GROUP = ("data", "backbone", "fraction", "hold_out", "epochs", "part")


@dataclass(frozen=True)
class KeptRanks:
    """Ranks of the targets of one model and seed.

    Attributes
    ----------
    setting : dict
        Data, model, its parameters and seed.
    ranked : RankedTargets
        Without lists.
    is_cold : ndarray of shape (n,), bool
        Targets that no training session holds.
    """

    setting: dict[str, Any]
    ranked: RankedTargets
    is_cold: np.ndarray

    def save(self, folder: Path) -> None:
        """Write a file that is named after the setting."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            folder / ("_".join(map(str, self.setting.values())) + ".npz"),
            setting=json.dumps(self.setting),
            sessions=self.ranked.sessions,
            positions=self.ranked.positions,
            ranks=self.ranked.ranks.astype(np.float32),
            repeated=self.ranked.repeated,
            is_cold=self.is_cold,
        )

    @classmethod
    def load(cls, path: Path) -> KeptRanks:
        """Ranks of a file."""
        stored = np.load(path)
        columns = {name: stored[name] for name in ("sessions", "positions", "repeated")}
        ranked = RankedTargets(
            **columns,
            ranks=stored["ranks"].astype(np.float64),
            counts=np.where(stored["is_cold"], 0, 1),
            top=None,
            n_items=0,
        )
        return cls(json.loads(str(stored["setting"])), ranked, stored["is_cold"])

    def rows(self, part: str) -> np.ndarray:
        """Targets of a part, (n,)."""
        rows = {
            "all": np.ones_like(self.is_cold),
            "cold": self.is_cold,
            "new": self.is_cold & ~self.ranked.repeated,
            "warm": ~self.is_cold,
        }
        return rows[part]

    def of(self, part: str) -> RankedTargets:
        """Targets of a part alone."""
        rows = self.rows(part)
        ranked = self.ranked
        return RankedTargets(
            sessions=ranked.sessions[rows],
            positions=ranked.positions[rows],
            ranks=ranked.ranks[rows],
            counts=ranked.counts[rows],
            repeated=ranked.repeated[rows],
            top=None,
            n_items=ranked.n_items,
        )


def figures(seeds: Sequence[KeptRanks]) -> dict[str, Any]:
    """Metrics of all targets and of each part that has any, means over the seeds."""
    result: dict[str, Any] = {}
    for part in PARTS:
        n_targets = int(seeds[0].rows(part).sum())
        if not n_targets:
            continue
        found = [one.of(part).summary(METRICS) for one in seeds]
        means = {name: float(np.mean([values[name] for values in found])) for name in METRICS}
        result[part] = {"n": n_targets, **means}
    return result


def gains(folder: Path, order: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Lines with the figures of each model and its gains over others, over the seeds of both."""
    kept = [KeptRanks.load(path) for path in sorted(folder.glob("*.npz"))]
    groups: dict[Any, dict[str, dict[int, KeptRanks]]] = {}
    for one in kept:
        key = tuple(one.setting[name] for name in GROUP)
        groups.setdefault(key, {}).setdefault(_name(one.setting), {})[one.setting["seed"]] = one
    for key in sorted(groups):
        models = groups[key]
        for name in sorted(models, key=lambda name: (order.index(name.split(",")[0]), name)):
            seeds = models[name]
            first = next(iter(seeds.values()))
            line = {**first.setting, "seed": sorted(seeds), **figures(list(seeds.values()))}
            for other in OTHERS.get(name.split(",")[0], ()):
                if other in models:
                    line[f"over_{other}"] = _gain(seeds, models[other])
            yield line


def _gain(ours: dict[int, KeptRanks], theirs: dict[int, KeptRanks]) -> dict[str, Any]:
    """Difference, interval and p-value of each part and metric, over the seeds that both have."""
    both = sorted(ours.keys() & theirs.keys())
    sides = ([ours[seed] for seed in both], [theirs[seed] for seed in both])
    if len(theirs) == 1:  # a counter draws nothing
        sides = (list(ours.values()), list(theirs.values()))
    result: dict[str, Any] = {"seeds": len(sides[0])}
    for part in PARTS:
        if not sides[0][0].rows(part).any():
            continue
        result[part] = {}
        for metric in METRICS:
            a, b = ([one.of(part) for one in side] for side in sides)
            found = paired_bootstrap(a, b, metric, random_state=0)
            result[part][metric] = [found.difference, found.low, found.high, found.p_value]
    return result


def table(path: Path) -> str:
    """Recall@20 in percent by log and model, with what each gains over "plain"."""
    heads = ["log", "model", "seeds", "all", "cold", "new", "warm", "gain on plain, 95 % interval"]
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    return markdown_table(heads, [_row(line) for line in lines if line["part"] == "test"])


def _row(line: dict[str, Any]) -> list[str]:
    data = line["data"]
    if line["fraction"] < 1:
        data += f", newest {line['fraction']:.0%}"
    if line["hold_out"]:
        data += f", {line['hold_out']:.0%} of the items held out"
    if line["epochs"] != 5:
        data += f", {line['epochs']} epochs"
    cells = []
    for part in PARTS:
        cell = "-"
        if part in line:
            cell = f"{100 * line[part]['recall@20']:.1f}"
        cells.append(cell)
    gain = ""
    if "over_plain" in line:
        middle, low, high, _ = 100 * np.array(line["over_plain"]["all"]["recall@20"])
        gain = f"{middle:+.1f} ({low:+.1f} to {high:+.1f})"
    return [data, _name(line), str(len(line["seed"])), *cells, gain]


def _name(setting: dict[str, Any]) -> str:
    """Model, with what is not the default."""
    name = str(setting["model"])
    if setting["withhold"] and name in ("cold", "unscaled", "shuffled"):
        name += f", withhold {setting['withhold']:g}"
    if setting["gate"] != "add":
        name += f", gate {setting['gate']}"
    return name
