"""Run an experiment of the paper: one command, resumable, one line of results for every model.

python benchmarks/paper/run.py table2 --tier small --data FOLDER [--only gru4rec,narm --arms
plain,prompted --seeds 0] [--ranks]

What an experiment holds is in its TOML file, the arms it compares in `arms.toml`, the searches of
the paper in `searches.toml`. The paper's own data sets (`--sets lastfm`, `xing` or `reddit`, with
`--data` as the folder of the raw file) are run only where `--sets` names them. Lines go to
`benchmarks/results/paper/TIER/EXPERIMENT.jsonl`; a model whose line is there, or in the file of
another experiment of the tier, is not trained again. When all that was asked for has run, the arms
are compared over the test sessions.

Every arm searches the same grid on the validation sessions, with the first seed; the other seeds
take what it chose. The test sessions are ranked once for each line, by the model that validation
chose. Ranks stay beside the lines (folder `ranks`, left out of the repository), since comparisons
are made of them; ``--ranks`` makes those that are missing again, from the settings that the lines
say were chosen.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1]))  # what all benchmarks share stands one folder up
from _blocks import AXES, HERE, asked, blocks_of, check_words, chosen_blocks
from _compare import compare
from _data import ON_REQUEST, check_files, data_hash, load, sizes
from _others import baselines, missing_lines, partitions, shape
from _quality import measured
from _ranks import are_kept, keep_ranks
from _shared import METRICS, data_option, write_line
from _train import ControlClusterer, outfit

from sessionprompt.clustering import ItemClusterer
from sessionprompt.datasets import Split
from sessionprompt.pipeline import Pipeline
from sessionprompt.recommender import PromptedSessionRecommender

EXPERIMENTS = ("table2", "figure2", "table3", "figure3")
ARMS = tomllib.loads((HERE / "arms.toml").read_text())
# what is compared is the network, at the rate that a block gives it
NETWORK_ALONE = {"repeats": None, "loss": "full", "recency": None, "lr_schedule": "constant"}
SAME_FIGURES = 1e-6  # the report lets a comparison differ by as much from its runs
ORDER = ("backbones", "arms", "resolutions", "inits", "seeds")  # the last changes slowest


@dataclass(frozen=True)
class Cell:
    """One model of an experiment: what its line says first, and what it is trained with."""

    data: str
    protocol: str
    init: str
    backbone: str
    arm: str
    resolution: Any
    seed: int
    block: dict[str, Any] = field(compare=False)

    @property
    def key(self) -> dict[str, Any]:
        """What tells the line from others."""
        return {name: value for name, value in vars(self).items() if name != "block"}

    @property
    def name(self) -> str:
        """The key as one word, for files."""
        return "-".join(str(value) for value in self.key.values()).replace(" ", "")


def main() -> None:
    """Train what is missing, rank what it learned, compare."""
    args = arguments()
    torch.set_num_threads(args.threads)
    file = args.output / f"{args.experiment}.jsonl"
    blocks = blocks_of(args.experiment, args.tier)
    check_words(args, blocks)
    asked_for = chosen_blocks(args, blocks)
    say_what_is_left_out(args, blocks)
    check_data(asked_for, args)
    for block in asked_for:
        for cell in cells(block, args):
            find_or_train(cell, file, args)
        for make in (baselines, partitions):
            for line in make(block, args, known(args.output)):
                write_line({**head(args), **line, **outfit(args)}, file)
    compare(blocks, lines_of(file), args, head(args))


def arguments() -> argparse.Namespace:
    """Options of this script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--tier", choices=["smoke", "small", "full"], default="smoke")
    data_option(parser)
    parser.add_argument("--only", help="backbones, with commas; all by default")
    for name in [name for name in AXES if name != "only"]:
        parser.add_argument(f"--{name}", help=f"{name}, with commas; all by default")
    parser.add_argument(
        "--ranks", action="store_true", help="make the ranks of earlier lines again where missing"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="folder of the lines")
    parser.add_argument(
        "--note", help="what the lines shall say of the machine, such as other work beside the runs"
    )
    args = parser.parse_args()
    args.output = args.output or HERE.parent / "results" / "paper" / args.tier
    return args


def say_what_is_left_out(args: argparse.Namespace, blocks: list[dict[str, Any]]) -> None:
    """Name the data sets of the tier that only --sets brings in."""
    held = {block["data"] for block in blocks}
    names = [name for name in ON_REQUEST if name in held]
    if names and args.sets is None:
        print(
            f"left out, since only --sets brings them in: {', '.join(names)} (of the paper; their "
            "raw files are to be had on request)",
            file=sys.stderr,
        )


def check_data(blocks: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """End before anything is trained where files are missing of what has no lines yet."""
    lines = known(args.output)
    for block in blocks:
        keys = [cell.key for cell in cells(block, args) if not runs_of(cell, lines)]
        if keys or missing_lines(block, args, lines) or args.ranks:
            check_files(block["data"], args.data)
    args.output.mkdir(parents=True, exist_ok=True)


def cells(block: dict[str, Any], args: argparse.Namespace) -> Iterator[Cell]:
    """Yield the models of a block that the options leave in, seed by seed."""
    axes = [block.get(axis, [None]) for axis in reversed(ORDER)]
    for seed, init, resolution, arm, backbone in itertools.product(*axes):
        if backbone is None or not (asked(args.only, backbone) and asked(args.arms, arm)):
            continue
        if not (asked(args.seeds, str(seed)) and asked(args.inits, init)):
            continue
        if "cluster" not in arm_of(arm)["prompts"]:
            resolution = None
        elif resolution is None:
            resolution = arm_of(arm).get("resolution", 1.0)
        place = (block["data"], block["protocol"], init, backbone, arm, resolution, seed)
        yield Cell(*place, block)


def arm_of(name: str) -> dict[str, Any]:
    """Parameters of an arm, with those of the arm that it is like."""
    arm = dict(ARMS[name])
    if "like" not in arm:
        return arm
    return {**arm_of(arm.pop("like")), **arm}


def head(args: argparse.Namespace) -> dict[str, Any]:
    """What every line begins with."""
    note = {"note_time": args.note} if args.note else {}
    return {"experiment": args.experiment, "tier": args.tier, **note}


def lines_of(file: Path) -> list[dict[str, Any]]:
    """The lines of a file that may not be there yet."""
    if not file.exists():
        return []
    return [json.loads(text) for text in file.read_text().splitlines()]


def known(folder: Path) -> list[dict[str, Any]]:
    """All lines of a tier."""
    return [line for file in sorted(folder.glob("*.jsonl")) for line in lines_of(file)]


def find_or_train(cell: Cell, file: Path, args: argparse.Namespace) -> None:
    """Write the line of a cell, unless it is there; that of another experiment if there is one."""
    found = runs_of(cell, known(file.parent))
    found.sort(key=lambda line: line["experiment"] != args.experiment)  # its own line first
    if not found:
        in_own_process(train_and_test, cell, file, args)
        return
    if not any(line["experiment"] == args.experiment for line in found):
        taken = {"experiment": args.experiment, "same_run_as": found[0]["experiment"]}
        write_line({**found[0], **taken}, file)
    if args.ranks and not are_kept(file.parent / "ranks", found[0]):
        in_own_process(make_ranks_again, cell, found[0], file.parent / "ranks", args)


def runs_of(cell: Cell, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of the runs of a cell."""
    return [line for line in lines if cell.key.items() <= line.items() and line["kind"] == "run"]


def in_own_process(function: Callable[..., None], *arguments: Any) -> None:
    """Call a function in a process of its own, for its peak of memory; not in the smallest tier."""
    args = arguments[-1]
    if args.tier == "smoke":
        function(*arguments)
        return
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        process.submit(function, *arguments).result()


def loaded(cell: Cell, args: argparse.Namespace) -> Split:
    """The data of a cell."""
    return load(cell.data, cell.protocol, args.data, **cell.block.get("choices", {}))


def train_and_test(cell: Cell, file: Path, args: argparse.Namespace) -> None:
    """Choose on validation, test once, write the line."""
    torch.set_num_threads(args.threads)
    split = loaded(cell, args)
    best, tried = chosen(cell, split, known(file.parent), args)
    ranked = best.ranks(split.test)
    model = best[-1]
    digest = data_hash(split)
    keep_ranks(file.parent / "ranks", cell.name, digest, ranked)
    seconds = [row["dur"] for row in model.history_]
    line = {
        "kind": "run",
        **head(args),
        **cell.key,
        "ranks": cell.name,
        **clusters(best),
        "choices": cell.block.get("choices", {}),
        "n_train": len(split.train),
        "n_items": model.n_items_,
        "sizes": sizes(split, cell.protocol),
        "valid": best.evaluate(split.valid, metrics=METRICS),
        **measured(ranked),
        "best_epoch": model.best_epoch_,
        "epochs": model.n_epochs_,
        "stop": model.stop_reason_,
        "seconds_fit": round(sum(seconds), 1),
        "seconds_to_best": round(sum(seconds[: model.best_epoch_]), 1),
        "seconds_per_epoch": round(float(np.median(seconds)), 2),
        "tuned": tried[-1]["setting"],
        "tried": tried[:-1],
        "data_hash": digest,
        "parameters": {k: v for k, v in model.get_params().items() if k != "random_state"},
    }
    write_line({**line, **outfit(args)}, file)


def make_ranks_again(
    cell: Cell, line: dict[str, Any], folder: Path, args: argparse.Namespace
) -> None:
    """Train the model of a line anew with the setting that it chose, and keep its ranks.

    Ranks that are not those of the line's figures are not kept: another processor, or another
    version of torch or of this library, trains another model.
    """
    torch.set_num_threads(args.threads)
    split = loaded(cell, args)
    digest = data_hash(split)
    if digest != line["data_hash"]:
        sys.exit(f"{cell.name} was trained on data of hash {line['data_hash']}, this is {digest}")
    pipeline = build(cell, line["tuned"], args).fit(split.train, X_val=split.valid)
    ranked = pipeline.ranks(split.test)
    figures = measured(ranked)["test"]
    apart = max(abs(figures[name] - line["test"][name]) for name in METRICS)
    if apart <= SAME_FIGURES:
        keep_ranks(folder, cell.name, digest, ranked)
        return
    print(
        f"{cell.name}: trained anew, a metric differs by {apart:.2g} from its line, so its ranks "
        "are not kept; an empty --output makes lines and ranks of this machine",
        file=sys.stderr,
    )


def chosen(
    cell: Cell, split: Split, lines: list[dict[str, Any]], args: argparse.Namespace
) -> tuple[Pipeline, list[dict[str, Any]]]:
    """Pipeline with the best setting on validation; what was tried, and last what was chosen."""
    first = {**cell.key, "seed": cell.block["seeds"][0]}
    earlier = [
        line["tuned"] for line in lines if first.items() <= line.items() and line["kind"] == "run"
    ]
    grid = cell.block.get("grid", {})
    settings = earlier[:1] or [
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    ]
    best_score = -np.inf
    tried = []
    for setting in settings:
        started = time.perf_counter()
        pipeline = build(cell, setting, args).fit(split.train, X_val=split.valid)
        seconds = round(time.perf_counter() - started, 1)
        score = pipeline[-1].best_score_
        tried.append({"setting": setting, "score": score, "seconds": seconds})
        if score > best_score:
            best_score = score
            best = pipeline
            best_setting = setting
    return best, [*tried, {"setting": best_setting}]


def build(cell: Cell, setting: dict[str, Any], args: argparse.Namespace) -> Pipeline:
    """The pipeline of a cell with one setting of the grid."""
    arm = arm_of(cell.arm)
    kind = arm.pop("clusters", "leiden")
    arm.pop("resolution", None)
    params = {**NETWORK_ALONE, **cell.block.get("params", {}), **arm, **setting}
    params["init"] = cell.init
    recommender = PromptedSessionRecommender(
        cell.backbone, device=args.device, random_state=cell.seed, **params
    )
    if "cluster" not in arm["prompts"]:
        return Pipeline([("rec", recommender)])
    resolution = cell.resolution
    if isinstance(resolution, list):
        resolution = tuple(resolution)
    clusterer = ItemClusterer(resolution, random_state=cell.seed)
    if kind != "leiden":
        clusterer = ControlClusterer(kind, resolution, cell.seed)
    return Pipeline([("clu", clusterer), ("rec", recommender)])


def clusters(pipeline: Pipeline) -> dict[str, Any]:
    """Numbers and sizes of the clusters of a prompted pipeline."""
    if len(pipeline) == 1:
        return {"n_clusters": None, "cluster_sizes": None}
    labels = pipeline[0].labels_.reshape(len(pipeline[0].vocabulary_), -1)
    sizes = [np.bincount(column) for column in labels.T]
    return {"n_clusters": [len(size) for size in sizes], "cluster_sizes": shape(sizes[0])}


if __name__ == "__main__":
    main()
