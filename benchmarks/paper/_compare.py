"""Arms against each other on the same test sessions: a bootstrap over the ranks of runs."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _ranks import are_kept, read_ranks
from _shared import write_line

from sessionprompt.comparison import holm, paired_bootstrap

__all__ = ["compare"]

Line = dict[str, Any]
PLACE = ("data", "protocol", "init", "backbone", "arm", "against", "metric")
RESAMPLES_BEFORE = 2000  # of lines that do not say how many,
COMPARISONS_BEFORE = 5  # and the size of a family that they are enough for
SAME_FIGURES = 1e-6  # the report lets a comparison differ by as much from its runs


def compare(blocks: list[Line], lines: list[Line], args: argparse.Namespace, head: Line) -> None:
    """Write all comparisons: every pair of arms, per backbone, over the seeds that both have run.

    Holm's adjustment covers the comparisons of one metric on one data set under one protocol and
    start, and the resamples grow with the number of them that the experiment asks for. An earlier
    line of the same runs and of as many resamples stays as it is; without ranks, so does one of
    fewer, and a sentence says where that leaves no comparison a chance.
    """
    file = args.output / f"{args.experiment}.comparisons.jsonl"
    places = [place for block in blocks for place in _places(block)]
    comparisons = _Comparisons(lines, _earlier(file), args.output / "ranks", places)
    found = [line for place in places for line in comparisons.of_pair(place)]
    file.unlink(missing_ok=True)
    for family in dict.fromkeys(line["family"] for line in found):
        members = [line for line in found if line["family"] == family]
        adjusted = holm([line["p"] for line in members])
        _say_where_too_few(family, members)
        for line, p in zip(members, adjusted, strict=True):
            write_line({"kind": "comparison", **head, **line, "p_holm": float(p)}, file)


def _places(block: Line) -> Iterator[Line]:
    """What tells each comparison that a block asks for from the others."""
    metrics = block.get("metrics", ["mrr@5", "recall@5"])
    setting = {"data": block["data"], "protocol": block["protocol"]}
    axes = (metrics, block["inits"], block.get("backbones", []), block.get("compare", []))
    for metric, init, backbone, (arm, against) in itertools.product(*axes):
        place = {**setting, "init": init, "backbone": backbone}
        yield place | {"arm": arm, "against": against, "metric": metric}


def _family(place: Line) -> str:
    """Name of the comparisons that are adjusted together."""
    return f"{place['metric']} on {place['data']}, {place['protocol']}, init={place['init']}"


def _say_where_too_few(family: str, members: list[Line]) -> None:
    """Name a family whose earlier lines are of too few resamples for its size."""
    n_resamples = max(line.get("n_resamples", RESAMPLES_BEFORE) for line in members)
    least = 2 * len(members) / (n_resamples + 1)
    if least > 0.05:
        print(
            f"{family}: no adjusted p-value of {len(members)} comparisons with {n_resamples} "
            f"resamples can be below {least:.3g}; --ranks makes the ranks that more are drawn from",
            file=sys.stderr,
        )


def _earlier(file: Path) -> list[Line]:
    """The lines that an earlier run wrote, but for the adjustment, which depends on the others."""
    if not file.exists():
        return []
    lines = [json.loads(text) for text in file.read_text().splitlines()]
    return [{key: line[key] for key in line if key != "p_holm"} for line in lines]


class _Comparisons:
    """Comparisons made of the lines of runs, their ranks, and the lines of earlier comparisons."""

    def __init__(
        self, lines: list[Line], earlier: list[Line], ranks: Path, places: list[Line]
    ) -> None:
        self.lines = lines
        self.earlier = {_place(line): line for line in earlier}
        self.ranks = ranks
        self.sizes = Counter(map(_family, places))

    def of_pair(self, place: Line) -> Iterator[Line]:
        """The line of one comparison, or none where no seed has run in both arms."""
        shared = {key: place[key] for key in ("data", "protocol", "init", "backbone")}
        first = self._runs({**shared, "arm": place["arm"]})
        second = self._runs({**shared, "arm": place["against"]})
        seeds = sorted(first.keys() & second.keys())
        if not seeds:
            return
        runs = [side[seed] for side in (first, second) for seed in seeds]
        earlier = self.earlier.get(_place(place), {})
        if _is_of(earlier, runs, seeds) and self._has_enough(earlier):
            yield earlier
            return
        missing = [run["ranks"] for run in runs if not are_kept(self.ranks, run)]
        if not missing:
            yield self._computed(place, runs, seeds)
            return
        if earlier.get("seeds") != seeds:
            raise SystemExit(
                f"{missing[0]}.npz is not there, and no earlier comparison is of the seeds {seeds};"
                " the same command with --ranks makes missing ranks again."
            )
        yield earlier

    def _has_enough(self, line: Line) -> bool:
        """Whether a line is of the resamples that its family asks for."""
        return line.get("n_comparisons", COMPARISONS_BEFORE) >= self.sizes[line["family"]]

    def _computed(self, place: Line, runs: list[Line], seeds: list[int]) -> Line:
        """The line of a comparison of the runs of the first arm with those of the second."""
        ranks = [read_ranks(self.ranks, run) for run in runs]
        of_first = ranks[: len(seeds)]
        of_second = ranks[len(seeds) :]
        family = _family(place)
        found = paired_bootstrap(
            of_first,
            of_second,
            place["metric"],
            n_comparisons=self.sizes[family],
            random_state=0,
        )
        return {
            **place,
            "difference": found.difference,
            "low": found.low,
            "high": found.high,
            "p": found.p_value,
            "family": family,
            "wins": found.wins,
            "seeds": seeds,
            "n_sessions": found.n_sessions,
            "n_targets": found.n_targets,
            "n_resamples": found.n_resamples,
            "n_comparisons": self.sizes[family],
        }

    def _runs(self, key: Line) -> dict[int, Line]:
        """Run of every seed; the curve over resolutions compares no arms, so its runs are none."""
        runs = [
            line for line in self.lines if line["kind"] == "run" and key.items() <= line.items()
        ]
        return {line["seed"]: line for line in runs}


def _is_of(line: Line, runs: list[Line], seeds: list[int]) -> bool:
    """Whether an earlier line is of these runs, those of one arm and then those of the other."""
    if line.get("seeds") != seeds:
        return False
    worth = [run["test"][line["metric"]] for run in runs]
    ours = sum(worth[: len(seeds)])
    theirs = sum(worth[len(seeds) :])
    return abs((ours - theirs) / len(seeds) - line["difference"]) <= SAME_FIGURES


def _place(line: Line) -> tuple[Any, ...]:
    """What tells a comparison from the others of its experiment."""
    return tuple(line[key] for key in PLACE)
