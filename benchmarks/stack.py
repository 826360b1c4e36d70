"""A network, counters, each with the weights of repeats, and stacks of them: quality and seconds.

python benchmarks/stack.py --data FOLDER --file yoochoose_100k [--models rules,rules+network]

A model named alone is that model as it is; one that ends in + is a stack of it alone; names joined
by + are a stack of these, gru4rec*3 three with seeds of their own. A backbone's name, such as
gru4rec, stands for `make_session_pipeline` with all defaults, `gru4rec-` for that without
`repeats`; `network` is GRU4Rec with --epochs and without `repeats`. Files without a test part are
split in time, the newest tenth for testing. Lines hold 95 % intervals over the test sessions, and
what a model gains over the first of --models.
"""

from __future__ import annotations

import argparse
import os
import time
from inspect import signature
from pathlib import Path
from typing import Any

from _quality import HEADLINE, gains, measured
from _shared import data_file, data_option, machine, set_option, settings, write_line

from sessionprompt import StackedSessionRecommender, make_session_pipeline
from sessionprompt.backbones import BACKBONES
from sessionprompt.baselines import VSKNN, SequentialRules
from sessionprompt.comparison import metric_intervals
from sessionprompt.datasets import load_parquet
from sessionprompt.metrics import RankedTargets, last_step
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.sessions import Sessions

MODELS = "network,rules,knn,network+,rules+,knn+,rules+knn,network+rules,network+rules+knn"


def arguments() -> argparse.Namespace:
    """Options of this script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data_option(parser)
    parser.add_argument("--file", default="yoochoose_100k")
    parser.add_argument("--models", default=MODELS, help="comma-separated")
    parser.add_argument("--epochs", type=int, default=3, help="of the network, its rate falling")
    parser.add_argument("--recency", type=float, default=1.0, help="of backbones; 0 for none")
    parser.add_argument("--dim", type=int, help="of backbones; a hidden layer has 2 dim")
    set_option(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="file to append the JSON lines to")
    return parser.parse_args()


def member(name: str, args: argparse.Namespace, seed: int) -> Any:
    """Model of a name."""
    if name == "rules":
        return SequentialRules()
    if name == "knn":
        return VSKNN()
    backbone = name.removesuffix("-")
    if backbone in BACKBONES:
        params: dict[str, Any] = {"recency": args.recency or None, "random_state": seed}
        if args.dim is not None:
            params["dim"] = args.dim
            if "hidden" in signature(BACKBONES[backbone]).parameters:
                params["backbone_params"] = {"hidden": 2 * args.dim}
        params |= settings(args)
        if name != backbone:
            params["repeats"] = None
        return make_session_pipeline(backbone, **params)
    return make_session_pipeline(
        "gru4rec",
        resolution=1.0,
        loss="full",
        recency=None,
        lr=0.005,
        lr_schedule="linear",
        max_epochs=args.epochs,
        patience=None,
        repeats=None,
        random_state=seed,
    )


def model_of(text: str, args: argparse.Namespace) -> Any:
    """Model of an entry of --models."""
    if "+" not in text:
        return member(text, args, args.seed)
    members = []
    for part in filter(None, text.split("+")):
        name, _, copies = part.partition("*")
        members.append((name, member(name, args, args.seed)))
        for n in range(1, int(copies or 1)):
            members.append((f"{name}_{n}", member(name, args, args.seed + n)))
    return StackedSessionRecommender(members, random_state=args.seed)


def load(args: argparse.Namespace) -> tuple[Sessions, Sessions]:
    """Training and test sessions."""
    loaded = load_parquet(data_file(args.data, args.file))
    if isinstance(loaded, Sessions):
        return temporal_train_test_split(loaded, test_size=0.1)
    return loaded[0], loaded[-1]


def run(
    text: str, args: argparse.Namespace, train: Sessions, test: Sessions
) -> tuple[dict[str, Any], RankedTargets]:
    """Fit, test once, report; and the ranks."""
    started = time.perf_counter()
    cpu_started = time.process_time()
    model = model_of(text, args).fit(train)
    cpu_fitted = time.process_time()
    fitted = time.perf_counter()
    ranked = model.ranks(test)
    intervals = {metric: metric_intervals(ranked, metric)["all"] for metric in HEADLINE}
    line = {
        "data": args.file,
        "model": text,
        "dim": args.dim,
        "set": args.set,
        **measured(ranked),
        "interval": {metric: [found.low, found.high] for metric, found in intervals.items()},
        "seconds_fit": round(fitted - started, 1),
        "cpu_seconds_fit": round(cpu_fitted - cpu_started, 1),
        "seconds_ranks": round(time.perf_counter() - fitted, 1),
    }
    last = last_step(model)
    if getattr(last, "blend_", None) is not None:
        line["blend"] = last.blend_.to_dict()
    if hasattr(last, "history_"):
        line["history"] = last.history_
    return line, ranked


def main() -> None:
    """Run all models, one after another."""
    args = arguments()
    train, test = load(args)
    first = None
    for text in args.models.split(","):
        line, ranked = run(text, args, train, test)
        if first is None:
            first = text, ranked
        else:
            line["gain"] = {"over": first[0], **gains(ranked, first[1])}
        about = machine(("numpy", "scipy", "scikit-learn", "torch"))
        threads = len(os.sched_getaffinity(0))
        write_line({**line, "threads": threads, **about}, args.output)


if __name__ == "__main__":
    main()
