"""One run of the data-set scripts: selection on validation, one look at the test, one line.

Selection happens on the newest tenth of the training sessions, which neither the clusters nor the
network see. What follows is chosen by ``--finish``: nothing, one epoch of ``partial_fit`` over that
tenth, or a new fit of clusters and network on the whole training part for the number of epochs
found best.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _quality import measured
from _shared import METRICS, data_option, machine, peak_gb, set_option, settings, write_line

from sessionprompt.clustering import ItemClusterer, by_falling_size
from sessionprompt.graphs import strengths
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.pipeline import Pipeline
from sessionprompt.presets import PAPER, RELEASED_CODE
from sessionprompt.recommender import PromptedSessionRecommender
from sessionprompt.sessions import Sessions

PACKAGES = ("torch", "numpy", "scikit-learn", "skorch", "igraph")
CONTROLS = ("one", "random", "permuted")
PRESETS = {"default": {}, "paper": PAPER, "released_code": RELEASED_CODE}


def arguments(description: str) -> argparse.ArgumentParser:
    """Options that every data-set script understands."""
    parser = argparse.ArgumentParser(description=description)
    data_option(parser)
    parser.add_argument(
        "--fraction", type=float, default=1.0, help="newest share of the training sessions"
    )
    parser.add_argument("--backbone", default="gru4rec")
    parser.add_argument(
        "--prompts", default="", help="comma-separated kinds; empty is the plain backbone"
    )
    parser.add_argument("--resolution", default="1.0", help="one number, or several with commas")
    parser.add_argument(
        "--clusters", default="leiden", choices=["leiden", *CONTROLS], help="controls"
    )
    parser.add_argument("--preset", default="default", choices=sorted(PRESETS))
    set_option(parser)
    parser.add_argument(
        "--finish",
        choices=["none", "partial", "refit"],
        default="none",
        help="after selection: nothing, an epoch over the held-out sessions, or a fit on all",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        help="skip selection: train on all training sessions for so many epochs",
    )
    parser.add_argument(
        "--no-test", action="store_true", help="stop after validation, as when choosing parameters"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="file to append the JSON line to")
    parser.add_argument("--name", default="", help="a word to find the run by")
    return parser


def newest(sessions: Sessions, fraction: float) -> Sessions:
    """The newest share of sessions that come oldest first."""
    return sessions[len(sessions) - round(fraction * len(sessions)) :]


class ControlClusterer(ItemClusterer):
    """Leiden's clusters with their meaning taken away.

    All items in ``"one"``; labels at ``"random"``, shuffled over the items; or ``"permuted"`` among
    items of like popularity, so that what a cluster says of popularity stays.
    """

    def __init__(self, kind: str, resolution: Any, random_state: int) -> None:
        super().__init__(resolution, random_state=random_state)
        self.kind = kind

    def _partitions(self) -> list[np.ndarray]:
        rng = np.random.default_rng(self.random_state)
        return [by_falling_size(self._control(labels, rng)) for labels in super()._partitions()]

    def _control(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.kind == "one":
            return np.zeros_like(labels)
        if self.kind == "random":
            return rng.permutation(labels)
        octave = np.log2(1 + strengths(self.graph_)).astype(int)
        shuffled = np.empty_like(labels)
        shuffled[np.lexsort((rng.random(len(labels)), octave))] = labels[
            np.argsort(octave, kind="stable")
        ]
        return shuffled


def build(args: argparse.Namespace) -> Pipeline:
    """The pipeline that the options describe."""
    params = {**PRESETS[args.preset], **settings(args)}
    if args.prompts or args.preset == "default":
        params["prompts"] = tuple(filter(None, args.prompts.split(",")))
    recommender = PromptedSessionRecommender(
        args.backbone, device=args.device, random_state=args.seed, **params
    )
    steps: list[tuple[str, Any]] = [("rec", recommender)]
    if "cluster" in params["prompts"]:
        values = tuple(float(value) for value in args.resolution.split(","))
        resolution = values if len(values) > 1 else values[0]
        clusterer = (
            ItemClusterer(resolution, random_state=args.seed)
            if args.clusters == "leiden"
            else ControlClusterer(args.clusters, resolution, args.seed)
        )
        steps.insert(0, ("clu", clusterer))
    return Pipeline(steps)


def run(
    name: str, args: argparse.Namespace, load: Callable[[], tuple[Sessions, Sessions]]
) -> dict[str, Any]:
    """Train, test once, report."""
    torch.set_num_threads(args.threads)
    started = time.perf_counter()
    train, test = load()
    prepared = time.perf_counter() - started
    fitted, held_out = temporal_train_test_split(train, test_size=0.1)
    pipeline = build(args)
    started = time.perf_counter()
    if args.epochs:
        pipeline.set_params(rec__max_epochs=args.epochs, rec__validation_fraction=None).fit(train)
    else:
        pipeline.fit(fitted, X_val=held_out)
    seconds = time.perf_counter() - started
    recommender = pipeline[-1]
    line: dict[str, Any] = {
        "data": name,
        "name": args.name,
        "backbone": args.backbone,
        "prompts": list(recommender.prompts),
        "resolution": args.resolution if recommender.prompts else None,
        "clusters": args.clusters if recommender.prompts else None,
        "n_clusters": np.atleast_1d(pipeline[0].n_clusters_).tolist()
        if len(pipeline) > 1
        else None,
        "fraction": args.fraction,
        "seed": args.seed,
        "n_train": len(train),
        "n_items": recommender.n_items_,
        "best_epoch": recommender.best_epoch_,
        "epochs": recommender.n_epochs_,
        "stop": recommender.stop_reason_,
        "valid": None if args.epochs else pipeline.evaluate(held_out, metrics=METRICS),
        "history": recommender.history_,
        "seconds_preparation": round(prepared, 2),
        "seconds_fit": round(seconds, 1),
        "seconds_per_epoch": round(
            float(np.median([row["dur"] for row in recommender.history_])), 2
        ),
        "finish": args.finish,
    }
    if not args.no_test:
        final = _finished(pipeline, args, train, held_out)
        started = time.perf_counter()
        line |= measured(final.ranks(test)) | {
            "seconds_test": round(time.perf_counter() - started, 2)
        }
    line["parameters"] = {k: v for k, v in pipeline[-1].get_params().items() if k != "random_state"}
    line |= outfit(args)
    write_line(line, args.output)
    return line


def _finished(
    pipeline: Pipeline, args: argparse.Namespace, train: Sessions, held_out: Sessions
) -> Pipeline:
    """The model that is tested: as selected, or taught the held-out sessions too."""
    if args.finish == "partial":
        return pipeline.partial_fit(held_out)
    if args.finish == "none":
        return pipeline
    folder = pipeline[-1].checkpoint_dir
    anew = build(args).set_params(
        rec__max_epochs=max(pipeline[-1].best_epoch_, 1),
        rec__validation_fraction=None,
        rec__checkpoint_dir=folder and os.path.join(folder, "refit"),
    )
    return anew.fit(train)


def outfit(args: argparse.Namespace) -> dict[str, Any]:
    """Peak memory, processor, threads, versions and command of this process."""
    line = {"peak_gb": peak_gb(), "gpu_peak_gb": None, **machine(PACKAGES), "threads": args.threads}
    if args.device.startswith("cuda"):
        line |= {
            "gpu_peak_gb": round(torch.cuda.max_memory_allocated() / 2**30, 2),
            "device": torch.cuda.get_device_name(),
        }
    return line
