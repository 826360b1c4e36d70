"""Memory of a fit, stage by stage: imports, data, clusters, start, training, validation, refit.

python benchmarks/speed/memory.py --data FOLDER [--file diginetica] [--set max_epochs=1]
python benchmarks/speed/memory.py --data FOLDER --steps 60     without most steps and validation
python benchmarks/speed/memory.py --data FOLDER --saved NEW_FOLDER     then     --saved FOLDER
python benchmarks/speed/memory.py --items 1000000 [--events 1200000] [--plain] [--set max_epochs=1]

`make_session_pipeline` with all defaults but what --set says, on the training sessions of a
prepared log, or on a synthetic log in which every one of many items occurs. Peaks are MB that the
system counts of the process (VmHWM, set back at the end of each stage), mapped files among them.
With --saved the sessions are saved to a new folder in a first call, and opened from there in a
second one, whose process has no reader of Parquet files in it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from _measure import (
    data_file,
    data_option,
    emit,
    options,
    peak_mb,
    set_option,
    settings,
    timed,
)
from skorch.callbacks import Callback

from sessionprompt import Sessions, make_session_pipeline
from sessionprompt.datasets import load_parquet
from sessionprompt.training import EndOfTraining
from sessionprompt.vocabulary import Vocabulary

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "skorch", "polars", "igraph")
LENGTH = 5  # events of a synthetic session
CLUSTER_SIZE = 700  # items


class Stages(Callback):
    """Peaks of stages, in MB; a stage that comes again counts with its highest.

    Training ends after some steps, if any are given.
    """

    def __init__(self, steps: int | None) -> None:
        self.steps = steps
        self.n_steps = 0
        self.peaks: dict[str, int] = {}
        self.run = "selection"

    def end(self, stage: str) -> None:
        """End a stage, and begin the next one."""
        lines = Path("/proc/self/status").read_text().splitlines()
        [found] = [line for line in lines if line.startswith("VmHWM")]
        most = int(found.split()[1]) // 2**10
        self.peaks[stage] = max(most, self.peaks.get(stage, 0))
        Path("/proc/self/clear_refs").write_text("5")

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """End what comes before the first step."""
        self.n_steps = 0
        self.end(f"{self.run}_start")

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        """End a step."""
        self.end(f"{self.run}_training")
        self.n_steps += 1
        if self.n_steps == self.steps:
            raise EndOfTraining("callback")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """End a validation."""
        self.end(f"{self.run}_validation")

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Begin what comes after the last epoch."""
        self.run = "refit"


def main(args: argparse.Namespace) -> None:
    """Measure one fit."""
    stages = Stages(args.steps)
    stages.end("imports")
    train = sessions(args)
    stages.end("data")
    if args.saved is not None and not args.saved.exists():
        train.save(args.saved)
        return
    pipeline = make_session_pipeline(random_state=0)
    pipeline.set_params(**{f"rec__{name}": value for name, value in settings(args).items()})
    pipeline.set_params(rec__net_params={"callbacks": [stages]})
    if args.plain:
        pipeline.set_params(rec__prompts=())
    else:
        train = pipeline[0].fit_transform(train)
    stages.end("clusters")
    line = timed(lambda: pipeline[-1].fit(train), 1)
    stages.end("rest")
    peak = max(stages.peaks.values())
    how = {"file": args.file, "opened": args.saved is not None, "steps": args.steps}
    if args.items is not None:
        how = {"items": args.items, "events": train.n_events, "steps": args.steps}
    how |= {"plain": args.plain, "set": args.set}
    emit({**how, **line, "peaks_mb": stages.peaks, "peak_mb": max(peak, peak_mb())}, args, PACKAGES)


def sessions(args: argparse.Namespace) -> Sessions:
    """Training sessions of a log, or synthetic ones."""
    if args.items is not None:
        return synthetic(args.items, args.events)
    if args.saved is not None and args.saved.exists():
        return Sessions.open(args.saved)
    return load_parquet(data_file(args.data, args.file))[0]


def synthetic(n_items: int, n_events: int) -> Sessions:
    """Shuffled sessions of five items of a cluster; every item occurs, in neighbours' company."""
    rng = np.random.default_rng(0)
    numbers = np.arange(n_events // LENGTH * LENGTH)
    starts = numbers[::LENGTH] % n_items // CLUSTER_SIZE * CLUSTER_SIZE  # (n_sessions,)
    drawn = np.repeat(starts, LENGTH) + rng.integers(CLUSTER_SIZE, size=len(numbers))
    codes = np.where(numbers < n_items, numbers, np.minimum(drawn, n_items - 1))
    codes = rng.permutation(codes.astype(np.int32).reshape(-1, LENGTH))
    offsets = np.arange(len(codes) + 1) * LENGTH
    return Sessions(codes.ravel(), offsets, Vocabulary(np.arange(n_items)))


if __name__ == "__main__":
    parser = options(__doc__)
    data_option(parser)
    parser.add_argument("--items", type=int, help="of a synthetic log, in place of a file")
    parser.add_argument("--events", type=int, default=1_200_000, help="of a synthetic log")
    parser.add_argument("--file", default="diginetica")
    parser.add_argument(
        "--plain", action="store_true", help="no prompts, clusters of the loss alone"
    )
    parser.add_argument("--saved", type=Path, help="folder of the sessions")
    parser.add_argument("--steps", type=int, help="of a run; None is all")
    set_option(parser)
    main(parser.parse_args())
