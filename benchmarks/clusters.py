"""Whether clusters help as prompts, with the weights of repeats in place.

python benchmarks/clusters.py --data FOLDER --file diginetica --fraction 0.25 [--seeds 3]

GRU4Rec with all defaults but a last training on everything, so that one training on the oldest nine
tenths is compared. Every arm has the same loss, whose candidates come from Leiden's clusters; the
clusters of the prompts are columns of an item table, so that the controls change these alone:
"random" shuffles the labels over the items, "permuted" among items of like popularity. "text" is
the prompt of the text of arXiv 2410.04756 (one resolution, inputs alone, a scalar gate), "released"
that of its code (elementwise gates). Arms are tested on the same official or newest sessions; the
lines hold what each gains over "none", in one seed and, at the end, over all of them.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _quality import gains, measured
from _shared import data_file, data_option, machine, write_line
from _train import ControlClusterer, newest

from sessionprompt import ItemAttributes, ItemClusterer, Pipeline, PromptedSessionRecommender
from sessionprompt.datasets import load_parquet
from sessionprompt.metrics import RankedTargets
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.sessions import Sessions

ONE = (1.0,)
SEVERAL = (1.0, 8.0, 64.0)
INPUTS = {"prompt_candidates": False}
ARMS: dict[str, tuple[tuple[float, ...], str, dict[str, Any]]] = {
    "none": ((), "leiden", {}),
    "one": (ONE, "leiden", {}),
    "several": (SEVERAL, "leiden", {}),
    "random": (SEVERAL, "random", {}),
    "permuted": (SEVERAL, "permuted", {}),
    "text": (ONE, "leiden", {**INPUTS, "gate": "scalar"}),
    "released": (ONE, "leiden", {**INPUTS, "gate": "elementwise"}),
}


def arguments() -> argparse.Namespace:
    """Options of this script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data_option(parser)
    parser.add_argument("--file", default="yoochoose_100k")
    parser.add_argument("--fraction", type=float, default=1.0, help="newest share of training")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--output", type=Path, help="file to append the JSON lines to")
    return parser.parse_args()


def load(args: argparse.Namespace) -> tuple[Sessions, Sessions, Sessions]:
    """Training, validation and test sessions."""
    loaded = load_parquet(data_file(args.data, args.file))
    if isinstance(loaded, Sessions):
        train, test = temporal_train_test_split(loaded, test_size=0.1)
    else:
        train, test = loaded[0], loaded[-1]
    fitted, held_out = temporal_train_test_split(newest(train, args.fraction), test_size=0.1)
    return fitted, held_out, test


def cluster_table(train: Sessions, kind: str, resolutions: tuple[float, ...], seed: int) -> Any:
    """Item table with a column of clusters for each resolution."""
    clusterer = ItemClusterer(resolutions, random_state=seed)
    if kind != "leiden":
        clusterer = ControlClusterer(kind, resolutions, seed)
    clusterer.fit(train)
    labels = clusterer.labels_.reshape(len(clusterer.vocabulary_.ids), -1)  # (n_items, n_columns)
    table = {"item": clusterer.vocabulary_.ids}
    for column, name in enumerate(column_names(resolutions)):
        table[name] = np.char.add("c", labels[:, column].astype(str))
    return table


def column_names(resolutions: tuple[float, ...]) -> list[str]:
    """Names of the columns of clusters, by resolution."""
    return [f"cluster_{resolution:g}" for resolution in resolutions]


def model_of(arm: str, train: Sessions, args: argparse.Namespace, seed: int) -> Pipeline:
    """Pipeline of an arm, not fitted yet."""
    resolutions, kind, params = ARMS[arm]
    steps: list[tuple[str, Any]] = [("clu", ItemClusterer(random_state=seed))]
    names = column_names(resolutions)
    if names:
        table = cluster_table(train, kind, resolutions, seed)
        steps.append(("att", ItemAttributes(table, columns=names, min_support=1)))
    recommender = PromptedSessionRecommender(
        "gru4rec",
        prompts=names,
        loss="clusters",
        max_epochs=args.epochs,
        random_state=seed,
        **params,
    )
    return Pipeline([*steps, ("rec", recommender)])


def run(
    arm: str, parts: tuple[Sessions, Sessions, Sessions], args: argparse.Namespace, seed: int
) -> tuple[dict[str, Any], RankedTargets]:
    """Fit and test once: the line, and the ranks."""
    train, held_out, test = parts
    started = time.process_time()
    model = model_of(arm, train, args, seed).fit(train, X_val=held_out)
    fitted = time.process_time()
    ranked = model.ranks(test)
    line = {
        "data": args.file,
        "fraction": args.fraction,
        "arm": arm,
        "seed": seed,
        **measured(ranked),
        "history": model[-1].history_,
        "cpu_seconds_fit": round(fitted - started, 1),
    }
    return line, ranked


def main() -> None:
    """Run all arms with all seeds, then compare."""
    args = arguments()
    torch.set_num_threads(1)
    about = {
        "threads": len(os.sched_getaffinity(0)),
        **machine(("numpy", "scikit-learn", "torch", "igraph")),
    }
    parts = load(args)
    names = args.arms.split(",")
    ranks: dict[str, list[RankedTargets]] = {name: [] for name in names}
    for seed in range(args.seeds):
        for arm in names:
            line, ranked = run(arm, parts, args, seed)
            ranks[arm].append(ranked)
            if arm != names[0]:
                line["gain"] = {"over": names[0], **gains(ranked, ranks[names[0]][-1])}
            write_line({**line, **about}, args.output)
    for arm in names[1:]:
        gain = {"over": names[0], **gains(ranks[arm], ranks[names[0]])}
        line = {"data": args.file, "fraction": args.fraction, "arm": arm, "seeds": args.seeds}
        write_line({**line, "gain": gain, **about}, args.output)


if __name__ == "__main__":
    main()
