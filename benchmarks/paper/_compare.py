"""Arms against each other on the same test sessions: a bootstrap over the ranks of runs."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _ranks import are_kept, read_ranks
from _shared import write_line

from sessionprompt.comparison import holm, paired_bootstrap

__all__ = ["compare"]

Line = dict[str, Any]
PLACE = ("data", "protocol", "init", "backbone", "arm", "against", "metric")


def compare(blocks: list[Line], lines: list[Line], args: argparse.Namespace, head: Line) -> None:
    """Write all comparisons: every pair of arms, per backbone, over the seeds that both have run.

    A comparison whose ranks are not there keeps its line if that line is of the same seeds. Holm's
    adjustment covers the comparisons of one metric on one data set under one protocol and start.
    """
    file = args.output / f"{args.experiment}.comparisons.jsonl"
    comparisons = _Comparisons(lines, _earlier(file), args.output / "ranks")
    found = [line for block in blocks for line in comparisons.of_block(block)]
    file.unlink(missing_ok=True)
    for family in dict.fromkeys(line["family"] for line in found):
        members = [line for line in found if line["family"] == family]
        adjusted = holm([line["p"] for line in members])
        for line, p in zip(members, adjusted, strict=True):
            write_line({"kind": "comparison", **head, **line, "p_holm": float(p)}, file)


def _earlier(file: Path) -> list[Line]:
    """The lines that an earlier run wrote, but for the adjustment, which depends on the others."""
    if not file.exists():
        return []
    lines = [json.loads(text) for text in file.read_text().splitlines()]
    return [{key: line[key] for key in line if key != "p_holm"} for line in lines]


class _Comparisons:
    """Comparisons made of the lines of runs, their ranks, and the lines of earlier comparisons."""

    def __init__(self, lines: list[Line], earlier: list[Line], ranks: Path) -> None:
        self.lines = lines
        self.earlier = {_place(line): line for line in earlier}
        self.ranks = ranks

    def of_block(self, block: Line) -> Iterator[Line]:
        """Lines of all comparisons that a block of an experiment asks for."""
        metrics = block.get("metrics", ["mrr@5", "recall@5"])
        setting = {"data": block["data"], "protocol": block["protocol"]}
        axes = (metrics, block["inits"], block.get("backbones", []), block.get("compare", []))
        for metric, init, backbone, (arm, against) in itertools.product(*axes):
            place = {**setting, "init": init, "backbone": backbone}
            place |= {"arm": arm, "against": against, "metric": metric}
            yield from self._of_pair(place)

    def _of_pair(self, place: Line) -> Iterator[Line]:
        """The line of one comparison, or none where no seed has run in both arms."""
        shared = {key: place[key] for key in ("data", "protocol", "init", "backbone")}
        first = self._runs({**shared, "arm": place["arm"]})
        second = self._runs({**shared, "arm": place["against"]})
        seeds = sorted(first.keys() & second.keys())
        if not seeds:
            return
        runs = [side[seed] for side in (first, second) for seed in seeds]
        missing = [run["ranks"] for run in runs if not are_kept(self.ranks, run)]
        if not missing:
            yield self._computed(place, runs, seeds)
            return
        earlier = self.earlier.get(_place(place), {})
        if earlier.get("seeds") != seeds:
            raise SystemExit(
                f"{missing[0]}.npz is not there, and no earlier comparison is of the seeds {seeds};"
                " the same command with --ranks makes missing ranks again."
            )
        yield earlier

    def _computed(self, place: Line, runs: list[Line], seeds: list[int]) -> Line:
        """The line of a comparison of the runs of the first arm with those of the second."""
        ranks = [read_ranks(self.ranks, run) for run in runs]
        of_first = ranks[: len(seeds)]
        of_second = ranks[len(seeds) :]
        found = paired_bootstrap(of_first, of_second, place["metric"], random_state=0)
        setting = f"{place['data']}, {place['protocol']}, init={place['init']}"
        return {
            **place,
            "difference": found.difference,
            "low": found.low,
            "high": found.high,
            "p": found.p_value,
            "family": f"{place['metric']} on {setting}",
            "wins": found.wins,
            "seeds": seeds,
            "n_sessions": found.n_sessions,
            "n_targets": found.n_targets,
        }

    def _runs(self, key: Line) -> dict[int, Line]:
        """Run of every seed; the curve over resolutions compares no arms, so its runs are none."""
        runs = [
            line for line in self.lines if line["kind"] == "run" and key.items() <= line.items()
        ]
        return {line["seed"]: line for line in runs}


def _place(line: Line) -> tuple[Any, ...]:
    """What tells a comparison from the others of its experiment."""
    return tuple(line[key] for key in PLACE)
