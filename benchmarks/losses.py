"""The loss over clusters against the full softmax: the same fit, tested on the same sessions.

python benchmarks/losses.py --data FOLDER --file diginetica --fraction 0.25 --backbone gru4rec
    [--losses full,clusters] [--seeds 0,1,2] [--device cuda] [--ranks FOLDER] [--output FILE]
python benchmarks/losses.py --compare FOLDER [--output FILE]

Networks without prompts, otherwise with all defaults, fitted on the oldest nine tenths; the newest
tenth chooses the epoch and weighs repeats. ``--ranks`` keeps the ranks of the test targets, one
file for each fit, so that fits may run in several processes; ``--compare`` then writes what each
loss gains over the full softmax, for each log and backbone over all seeds that both have.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from _gains import KeptRanks
from _quality import gains, measured
from _shared import data_option, machine, write_line
from clusters import load

from sessionprompt import PromptedSessionRecommender
from sessionprompt.metrics import RankedTargets

FIRST = "full"
SETTING = ("data", "fraction", "backbone", "loss", "seed")
PACKAGES = ("numpy", "torch", "igraph")


def arguments() -> argparse.Namespace:
    """Options of this script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data_option(parser)
    parser.add_argument("--file", default="diginetica")
    parser.add_argument("--fraction", type=float, default=1.0, help="newest share of training")
    parser.add_argument("--backbone", default="gru4rec")
    parser.add_argument("--losses", default="full,clusters")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--ranks", type=Path, help="folder for the ranks of each fit")
    parser.add_argument("--compare", type=Path, help="folder of ranks to compare")
    parser.add_argument("--output", type=Path, help="file to append the JSON lines to")
    return parser.parse_args()


def fit_all(args: argparse.Namespace) -> None:
    """Fit and test once for each loss and seed."""
    parts = load(args)
    for seed in map(int, args.seeds.split(",")):
        for loss in args.losses.split(","):
            line, ranked = fit(loss, seed, parts, args)
            write_line({**line, **about()}, args.output)
            if args.ranks:
                setting = {name: line[name] for name in SETTING}
                KeptRanks(setting, ranked, ranked.counts == 0).save(args.ranks)


def fit(
    loss: str, seed: int, parts: tuple[Any, Any, Any], args: argparse.Namespace
) -> tuple[dict[str, Any], RankedTargets]:
    """The line of one fit, and the ranks."""
    train, held_out, test = parts
    started = time.perf_counter()
    model = PromptedSessionRecommender(
        args.backbone,
        prompts=(),
        loss=loss,
        max_epochs=args.epochs,
        precision=args.precision,
        device=args.device,
        random_state=seed,
    ).fit(train, X_val=held_out)
    seconds = time.perf_counter() - started
    ranked = model.ranks(test)
    line = {
        "data": args.file,
        "fraction": args.fraction,
        "backbone": args.backbone,
        "loss": loss,
        "seed": seed,
        **measured(ranked),
        "history": model.history_,
        "seconds_fit": round(seconds, 1),
    }
    return line, ranked


def about() -> dict[str, Any]:
    """Threads, processor or GPU, versions and command."""
    return {"threads": torch.get_num_threads(), **machine(PACKAGES)}


def compare(args: argparse.Namespace) -> None:
    """Write what each loss gains over the full softmax, over the seeds that both have."""
    found: dict[tuple[Any, ...], dict[int, RankedTargets]] = defaultdict(dict)
    for path in sorted(args.compare.glob("*.npz")):
        kept = KeptRanks.load(path)
        *case, seed = (kept.setting[name] for name in SETTING)
        found[tuple(case)][seed] = kept.ranked
    for (*case, loss), ranked in found.items():
        first = found.get((*case, FIRST), {})
        seeds = sorted(first.keys() & ranked.keys())
        if loss == FIRST or not seeds:
            continue
        gain = gains([ranked[seed] for seed in seeds], [first[seed] for seed in seeds])
        line = dict(zip(SETTING, (*case, loss, seeds), strict=True))
        write_line({**line, "gain": {"over": FIRST, **gain}, **about()}, args.output)


def main() -> None:
    """Fit, or compare what was fitted."""
    args = arguments()
    torch.set_num_threads(1)
    if args.compare:
        compare(args)
    else:
        fit_all(args)


if __name__ == "__main__":
    main()
