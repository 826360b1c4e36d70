"""Arms against each other on the same test sessions: ranks that runs leave behind, and the bootstrap over them."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _shared import write_line

from sessionprompt.comparison import holm, paired_bootstrap
from sessionprompt.metrics import RankedTargets

__all__ = ["compare", "keep_ranks"]

Line = dict[str, Any]


def keep_ranks(folder: Path, name: str, data_hash: str, ranked: RankedTargets) -> None:
    """Write the ranks of a run where comparisons find them, and once per split which targets they are of."""
    (folder / "ranks").mkdir(exist_ok=True)
    # 0 is unknown to the model
    known = np.where(np.isfinite(ranked.ranks), ranked.ranks, 0).astype(np.uint32)
    np.savez_compressed(folder / "ranks" / f"{name}.npz", ranks=known)
    targets = folder / "ranks" / f"targets-{data_hash}.npz"
    if not targets.exists():
        places = {
            "sessions": ranked.sessions.astype(np.int32),
            "positions": ranked.positions.astype(np.int32),
        }
        np.savez_compressed(targets, **places)


def compare(blocks: list[Line], lines: list[Line], args: argparse.Namespace, head: Line) -> None:
    """Write all comparisons anew: every pair of arms, per backbone, over the seeds that both have run.

    Holm's adjustment covers the comparisons of one metric on one data set under one protocol and
    start.
    """
    file = args.output / f"{args.experiment}.comparisons.jsonl"
    file.unlink(missing_ok=True)
    found = [line for block in blocks for line in _compared(block, lines, args.output / "ranks")]
    for family in dict.fromkeys(line["family"] for line in found):
        members = [line for line in found if line["family"] == family]
        for line, p in zip(members, holm([line["p"] for line in members]), strict=True):
            write_line({"kind": "comparison", **head, **line, "p_holm": float(p)}, file)


def _compared(block: Line, lines: list[Line], ranks: Path) -> Iterator[Line]:
    for metric, init in itertools.product(
        block.get("metrics", ["mrr@5", "recall@5"]), block["inits"]
    ):
        yield from _of_metric(block, init, metric, lines, ranks)


def _of_metric(
    block: Line, init: str, metric: str, lines: list[Line], ranks: Path
) -> Iterator[Line]:
    shared = {"data": block["data"], "protocol": block["protocol"], "init": init}
    for backbone in block.get("backbones", []):
        for arm, against in block.get("compare", []):
            sides = [
                _runs({**shared, "backbone": backbone, "arm": name}, lines)
                for name in (arm, against)
            ]
            seeds = sorted(sides[0].keys() & sides[1].keys())
            if not seeds:
                continue
            a, b = ([read_ranks(ranks, side[seed]) for seed in seeds] for side in sides)
            found = paired_bootstrap(a, b, metric, random_state=0)
            yield {
                **shared,
                "backbone": backbone,
                "arm": arm,
                "against": against,
                "metric": metric,
                "difference": found.difference,
                "low": found.low,
                "high": found.high,
                "p": found.p_value,
                "family": f"{metric} on {block['data']}, {block['protocol']}, init={init}",
                "wins": found.wins,
                "seeds": seeds,
                "n_sessions": found.n_sessions,
                "n_targets": found.n_targets,
            }


def _runs(key: Line, lines: list[Line]) -> dict[int, Line]:
    """The run of every seed; of an arm at several resolutions, none: the curve compares no arms."""
    runs = [line for line in lines if line["kind"] == "run" and key.items() <= line.items()]
    return {line["seed"]: line for line in runs}


def read_ranks(folder: Path, line: Line) -> RankedTargets:
    """Ranks of the run of a line, without what comparisons do not look at."""
    ranks = _read(folder / f"{line['ranks']}.npz")["ranks"].astype(float)
    targets = _read(folder / f"targets-{line['data_hash']}.npz")
    return RankedTargets(
        **targets,
        ranks=np.where(ranks == 0, np.inf, ranks),
        counts=np.zeros(len(ranks), dtype=np.int64),
        repeated=np.zeros(len(ranks), dtype=bool),
        top=None,
        n_items=line["n_items"],
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        raise SystemExit(
            f"{path.name} is not there; it is written beside the line of its run: train that one anew."
        )
    with np.load(path) as kept:
        return dict(kept)
