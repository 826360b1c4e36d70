"""Recommending and ranking with a fitted pipeline: latency of one session, rates of many.

python benchmarks/speed/inference.py --data FOLDER/diginetica.parquet [--parts single,bulk,rank
--strings]

The model (clusters, GRU4Rec, d=64, cluster prompts on inputs and candidates) knows all items of the
training sessions; it is fitted for one epoch on one session per item, since what it has learned
does not change what it costs. Raw ids go in and come out. ``single``: one call per session, lists
of one list, and in turn with it the bare product with the table and search of the best; the first
hundred are not counted. ``bulk``: one call with many sessions. ``rank``: exact ranks of the next
items of all prefixes of the test sessions. Processor time stands beside wall time: it is what
counts where other work shares the core.
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
        Sessions.from_events(
            events.filter(pl.col("split") == part), item="item_id", session="session_id"
        )
        for part in ("train", "test")
    )
    first = np.unique(train.codes, return_index=True)[1]
    return train[np.unique(np.searchsorted(train.offsets, first, side="right") - 1)], test


def fitted(train: Sessions, backbone: str) -> Pipeline:
    """A pipeline that knows all items of these sessions."""
    params = {"max_epochs": 1, "validation_fraction": None, "random_state": 0, "device": "cpu"}
    return make_session_pipeline(backbone, **params).fit(train)


def single(model: Pipeline, test: Sessions, args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of calls with one session each, and of the bare product and search in turn."""
    rows = np.random.default_rng(0).permutation(len(test))[: args.calls + 100]
    table = model[-1]._item_vectors()[1]
    actions = {
        "call": lambda session: model.predict_topk([session], k=args.k),
        "floor": lambda _: torch.mv(table, table[0]).topk(args.k),
    }
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for row in rows.tolist():
        session = test[row]
        for name, action in actions.items():
            started = time.perf_counter(), time.process_time()
            action(session)
            spent[name].append((time.perf_counter() - started[0], time.process_time() - started[1]))
    line: dict[str, Any] = {"calls": args.calls}
    for name, pairs in spent.items():
        for kind, values in zip(("ms", "cpu_ms"), 1e3 * np.array(pairs[100:]).T, strict=True):
            for share in (50, 90, 99, 100):
                line[f"{name}_p{share}_{kind}"] = figures(np.percentile(values, share))
    return line | {"p50_cpu_ratio": figures(line["call_p50_cpu_ms"] / line["floor_p50_cpu_ms"])}


def bulk(model: Pipeline, test: Sessions, args: argparse.Namespace) -> dict[str, Any]:
    """Sessions per second of one call with many sessions."""
    lists = test[np.arange(args.sessions) % len(test)].to_lists()
    line = timed(lambda: model.predict_topk(lists, k=args.k), args.repeats)
    rates = {f"sessions_per_{kind}": figures(len(lists) / line[kind]) for kind in ("s", "cpu_s")}
    return {"sessions": len(lists), **line, **rates}


def rank(model: Pipeline, test: Sessions, args: argparse.Namespace) -> dict[str, Any]:
    """Ranked examples per second, each among all items."""
    found: dict[str, Any] = {}
    line = timed(lambda: found.update(model.evaluate(test)), args.repeats)
    metrics = {name: round(found[name], 5) for name in ("mrr@20", "recall@20", "n_targets")}
    rates = {
        f"examples_per_{kind}": figures(found["n_targets"] / line[kind]) for kind in ("s", "cpu_s")
    }
    return {**metrics, **line, **rates}


PARTS = {"single": single, "bulk": bulk, "rank": rank}

if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="Parquet file with session_id, item_id, pos, split"
    )
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
