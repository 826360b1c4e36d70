"""Recommending and ranking with a fitted pipeline: latency of single sessions, sessions and examples per second.

python benchmarks/speed/inference.py --data FOLDER/diginetica.parquet [--parts single,bulk,rank --strings]

The model (clusters, GRU4Rec, d=64, cluster prompts on inputs and candidates) knows all items of the training sessions;
it is fitted for one epoch on one session per item, since what it has learned does not change what it costs. Raw ids go
in and come out. ``single``: one call per session, lists of one list; the first hundred calls are not counted.
``bulk``: one call with many sessions. ``rank``: exact ranks of the next items of all prefixes of the test sessions.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from _measure import emit, figures, options, peak_mb, timed

from sessionprompt.pipeline import Pipeline, make_session_pipeline
from sessionprompt.sessions import Sessions

PACKAGES = ("numpy", "scipy", "torch", "scikit-learn")


def load(path: Path, strings: bool) -> tuple[Sessions, Sessions]:
    """One training session per item, and the test sessions."""
    events = pl.read_parquet(path).sort("session_id", "pos")
    if strings:
        events = events.with_columns(item_id="item-" + pl.col("item_id").cast(pl.String))
    train, test = (
        Sessions.from_events(events.filter(pl.col("split") == part), item="item_id", session="session_id")
        for part in ("train", "test")
    )
    first = np.unique(train.codes, return_index=True)[1]
    return train[np.unique(np.searchsorted(train.offsets, first, side="right") - 1)], test


def fitted(train: Sessions, backbone: str) -> Pipeline:
    """A pipeline that knows all items of these sessions."""
    params = {"max_epochs": 1, "validation_fraction": None, "random_state": 0, "device": "cpu"}
    return make_session_pipeline(backbone, **params).fit(train)


def single(model: Pipeline, test: Sessions, args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of single calls, each with a session of its own."""
    lists = np.random.default_rng(0).permutation(len(test))[: args.calls + 100]
    calls = [[test[row]] for row in lists.tolist()]
    seconds = []
    for X in calls:
        started = time.perf_counter()
        model.predict_topk(X, k=args.k)
        seconds.append(time.perf_counter() - started)
    p50, p90, p99, worst = np.quantile(seconds[100:], [0.5, 0.9, 0.99, 1]) * 1e3
    return {
        "calls": len(seconds) - 100,
        **{name: figures(ms) for name, ms in (("p50_ms", p50), ("p90_ms", p90), ("p99_ms", p99), ("max_ms", worst))},
    }


def bulk(model: Pipeline, test: Sessions, args: argparse.Namespace) -> dict[str, Any]:
    """Sessions per second of one call with many sessions."""
    lists = test[np.arange(args.sessions) % len(test)].to_lists()
    line = timed(lambda: model.predict_topk(lists, k=args.k), args.repeats)
    return {"sessions": len(lists), **line, "sessions_per_s": figures(len(lists) / line["s"])}


def rank(model: Pipeline, test: Sessions, args: argparse.Namespace) -> dict[str, Any]:
    """Ranked examples per second, each among all items."""
    found: dict[str, Any] = {}
    line = timed(lambda: found.update(model.evaluate(test)), args.repeats)
    metrics = {name: round(found[name], 5) for name in ("mrr@20", "recall@20", "n_targets")}
    return {**metrics, **line, "examples_per_s": figures(found["n_targets"] / line["s"])}


PARTS = {"single": single, "bulk": bulk, "rank": rank}

if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Parquet file with session_id, item_id, pos, split")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--backbone", default="gru4rec")
    parser.add_argument("--strings", action="store_true", help="string ids instead of integers")
    for name, default in (("calls", 2000), ("sessions", 20_000), ("k", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore", message=".* sessions hold nothing that the model knows")
    train, test = load(args.data, args.strings)
    model = fitted(train, args.backbone)
    for part in args.parts.split(","):
        shared = {"part": part, "backbone": args.backbone, "items": model[-1].n_items_, "k": args.k}
        emit(shared | PARTS[part](model, test, args) | {"peak_mb": peak_mb()}, args, PACKAGES)
