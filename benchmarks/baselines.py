"""Recommenders without a network: quality, seconds to fit, sessions a second, peak memory.

python benchmarks/baselines.py --data FOLDER --file diginetica [--model SLIST] [--choose]

Without --model, every model runs in a process of its own, so that peak memory is its own. A model
is fitted with its default parameters or, with --choose, with the best found on the newest tenth of
the training sessions: one parameter after another, in the order of `GRIDS`. Then it is fitted on
all training sessions and tested once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _quality import measured
from _shared import data_file, data_option, machine, peak_gb, write_line
from sklearn.base import clone

from sessionprompt import baselines
from sessionprompt.datasets import load_parquet
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.sessions import Sessions

GRIDS: dict[str, dict[str, list[Any]]] = {
    "AssociationRules": {"last_n": [1, 2, None]},
    "SequentialRules": {
        "last_n": [1, 2, None],
        "steps": [2, 5, 10],
        "backward": [0, 0.25, 0.5, 1],
        "shrinkage": [None, 0, 5, 20],
        "repeats": [0, 0.1, 0.2, 0.4],
    },
    "ItemKNN": {"alpha": [0.5, 0.75, 1], "shrinkage": [0, 5, 20, 80], "last_n": [1, 2, None]},
    "VSKNN": {"n_neighbors": [50, 100, 200, 500], "sample_size": [500, 1000, 2500, 5000]},
    "STAN": {
        "lambda3": [0.5, 1, 2, 4, 8],
        "lambda1": [0.5, 1, 2, 4],
        "lambda2": [None, 0.8, 0.4, 0.2, 0.1],
        "n_neighbors": [200, 500, 1000],
    },
    "SLIST": {
        "alpha": [0.05, 0.2, 0.4, 0.6, 0.8],
        "recency": [None, 1.6, 0.8, 0.4, 0.2],
        "predict_decay": [0.5, 1, 2, 4],
        "train_decay": [0.5, 1, 2],
        "reg": [3, 10, 30],
        "past": ["last", "all"],
    },
}


def arguments() -> argparse.Namespace:
    """Options of this script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data_option(parser)
    parser.add_argument(
        "--file", default="diginetica", choices=["diginetica", "yoochoose1_64", "yoochoose_100k"]
    )
    parser.add_argument(
        "--model", choices=sorted(baselines.__all__), help="one model instead of all"
    )
    parser.add_argument(
        "--choose", action="store_true", help="choose parameters on validation sessions"
    )
    parser.add_argument("--monitor", default="mrr@20", help="metric by which they are chosen")
    parser.add_argument("--output", type=Path, help="file to append the JSON lines to")
    return parser.parse_args()


def choose(
    model: Any, grid: dict[str, list[Any]], train: Sessions, monitor: str
) -> tuple[Any, list[dict[str, Any]]]:
    """The model with the best parameters, tuned one after another, and what was tried."""
    fitted, held_out = temporal_train_test_split(train, test_size=0.1)
    tried: list[dict[str, Any]] = []

    def value(params: dict[str, Any]) -> float:
        found = [row[monitor] for row in tried if row["params"] == params]
        if not found:
            trial = clone(model).set_params(**params).fit(fitted)
            tried.append({"params": params, **trial.evaluate(held_out, metrics=[monitor])})
        return tried[-1][monitor] if not found else found[0]

    best = {name: getattr(model, name) for name in grid}
    for name, values in grid.items():
        best = max(({**best, name: setting} for setting in values), key=value)
    return clone(model).set_params(**best), tried


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Choose, fit, test once, report."""
    train, test = load_parquet(data_file(args.data, args.file))
    loaded = peak_gb()
    model = getattr(baselines, args.model)()
    tried = []
    if args.choose:
        model, tried = choose(model, GRIDS.get(args.model, {}), train, args.monitor)
    visitors = test.split_last()[0]
    _, fit = timed(lambda: model.fit(train))
    ranked, ranking = timed(lambda: model.ranks(test))
    _, predicting = timed(lambda: model.predict(visitors, k=20))
    return {
        "data": args.file,
        "model": args.model,
        "parameters": model.get_params(),
        "chosen": f"by {args.monitor} on the newest tenth of the training sessions"
        if args.choose
        else "defaults",
        "tried": tried,
        "n_train": len(train),
        "n_items": model.n_items_,
        **measured(ranked),
        "seconds_fit": [round(value, 2) for value in fit],
        "targets_per_second": [round(len(ranked.ranks) / value) for value in ranking],
        "top20_per_second": [round(len(visitors) / value) for value in predicting],
        "clocks": ["wall", "processor"],
        "peak_gb_loaded": loaded,
        "peak_gb": peak_gb(),
        "threads": len(os.sched_getaffinity(0)),
        **machine(("numpy", "scipy", "scikit-learn")),
    }


def timed(action: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
    """What an action returns, and its seconds of wall and of processor time."""
    started = time.perf_counter(), time.process_time()
    result = action()
    return result, (time.perf_counter() - started[0], time.process_time() - started[1])


def main() -> None:
    """Run one model here, or all in processes of their own."""
    args = arguments()
    if not args.model:
        models = [name for name in baselines.__all__ if name in GRIDS or not args.choose]
        for name in models:
            subprocess.run([sys.executable, *sys.argv, "--model", name], check=True)
        return
    write_line(run(args), args.output)


if __name__ == "__main__":
    main()
