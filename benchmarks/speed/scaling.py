"""Growth of training: seconds and memory against items, events, lengths, sizes, threads.

python benchmarks/speed/scaling.py [--axes items,dim] [--losses full,clusters]
    [--device cuda] [--output FILE]
python benchmarks/speed/scaling.py --table FILE

Plain GRU4Rec on synthetic sessions, whose items are drawn with popularity 1 / rank. Every point
runs in a process of its own and differs from the base (50,000 items, 100,000 events, sessions of 5,
d = 64, 512 prefixes a batch, one thread) on one axis. A step is batch, network, loss, gradients and
Adam; ``sampled`` is the softmax over 2,048 shared negatives and the targets, ``clusters`` that over
the last item's cluster and 1,024 negatives, with clusters of 700 items; its batches end in a few of
them, as in a fit. The axis ``events`` times whole epochs, preparation apart. Growth of the item
graph and of preparation is measured by `clustering.py` and `preparation.py`. Peak memory covers the
log and the libraries.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _measure import alone, emit, figures, markdown_table, options, peak_mb, popular, slope

from sessionprompt import Sessions
from sessionprompt.backbones import BACKBONES
from sessionprompt.batches import batches_of
from sessionprompt.encoding import NextItemTargets, PrefixData, SessionEncoder, prefix_data
from sessionprompt.network import SessionNetwork
from sessionprompt.recommender import PromptedSessionRecommender
from sessionprompt.scoring import workspace
from sessionprompt.training import TrainingPlan, build_net

BASE = {"items": 50_000, "events": 100_000, "length": 5, "dim": 64, "batch": 512, "threads": 1}
AXES: dict[str, list[int]] = {
    "items": [10_000, 30_000, 50_000, 100_000, 300_000, 1_000_000],
    "dim": [16, 32, 64, 100, 128, 256],
    "batch": [128, 256, 512, 1024, 2048],
    "length": [2, 5, 10, 20, 40],
    "threads": [1, 2],
    "events": [100_000, 1_000_000, 10_000_000],
}
LOSSES: dict[str, dict[str, Any]] = {
    "full": {"loss": "full"},
    "clusters": {"loss": "clusters", "n_negatives": 1024},
    "sampled": {"loss": "sampled", "n_negatives": 2048},
}
CLUSTER_SIZE = 700  # about what a session of Diginetica has at resolution 1


def main(args: argparse.Namespace) -> None:
    """Measure the points of the axes in turn."""
    for axis in args.axes.split(","):
        for value in AXES[axis]:
            for loss in args.losses.split(","):
                if axis == "events" and loss == "full" and value > args.full_events:
                    continue
                point = {**BASE, axis: value, "loss": loss, "device": args.device}
                line = alone(**point, repeats=args.repeats, one=1, whole=int(axis == "events"))
                shown = argparse.Namespace(**vars(args) | {"threads": point["threads"]})
                emit({"axis": axis, **point, **line}, shown, ("torch", "numpy"))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of steps or of an epoch at one point."""
    torch.set_num_threads(args.threads)
    started = time.perf_counter()
    network, data = prepare(args)
    network.to(args.device)
    line: dict[str, Any] = {
        "prepare_s": figures(time.perf_counter() - started),
        "examples": len(data),
    }
    params = {**LOSSES[args.loss], "batch_size": args.batch}
    plan = TrainingPlan.of(PromptedSessionRecommender("gru4rec", **params))
    net = build_net(network, plan, clusters=clusters_of(args))
    with workspace():
        wall, cpu, sizes = zip(*steps(net, data, args), strict=True)
    if args.whole:
        return line | {
            "epoch_s": figures(sum(wall)),
            "epoch_cpu_s": figures(sum(cpu)),
            "peak_mb": peak_mb(),
        }
    step = float(np.median(wall[3:]))
    size = float(np.mean(sizes[3:]))
    low, high = (figures(1e3 * value) for value in (min(wall[3:]), max(wall[3:])))
    line |= {"step_ms": figures(1e3 * step), "step_ms_min": low, "step_ms_max": high}
    cpu_ms = figures(1e3 * float(np.median(cpu[3:])))
    if args.device.startswith("cuda"):
        line["gpu"] = torch.cuda.get_device_name()
        line["gpu_peak_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return line | {
        "step_cpu_ms": cpu_ms,
        "examples_per_s": round(size / step),
        "peak_mb": peak_mb(),
    }


def prepare(args: argparse.Namespace) -> tuple[SessionNetwork, PrefixData]:
    """A fresh plain network that knows all items, and the prefixes of a synthetic log."""
    rng = np.random.default_rng(0)
    codes = popular(args.events, args.items, rng)
    offsets = np.append(np.arange(0, args.events, args.length), args.events)
    session = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    events = pd.DataFrame({"session": session, "item": codes})
    sessions = Sessions.from_events(events, session="session", item="item")
    encoder = SessionEncoder.learn(sessions)
    backbone = BACKBONES["gru4rec"](args.dim)
    counts = torch.ones(args.items)  # a table of all items, whether the log holds them or not
    network = SessionNetwork(backbone, args.items, {}, counts, None, False, "cosine", 0.07)
    data = prefix_data(NextItemTargets.of(sessions, encoder), encoder, 50, backbone.one_pass)[0]
    if args.loss == "clusters":
        data = replace(data, clusters=clusters_of(args), part_items=backbone.part_items)
    return network, data


def clusters_of(args: argparse.Namespace) -> np.ndarray:
    """Cluster of each item."""
    return np.arange(args.items) // CLUSTER_SIZE


def steps(
    net: Any, data: PrefixData, args: argparse.Namespace
) -> Iterator[tuple[float, float, int]]:
    """Wall and processor time and size of each step of training; batches are part of it."""
    batches = batches_of(data, args.batch, np.random.default_rng(0))
    number = args.repeats + 3
    if args.whole:
        number = len(data)
    for _ in range(number):
        started = time.perf_counter(), time.process_time()
        batch, targets = next(batches, (None, None))
        if batch is None:
            return
        net.train_step(((batch, targets),))
        yield time.perf_counter() - started[0], time.process_time() - started[1], len(batch)


def table(path: Path) -> str:
    """The newest line of each point as Markdown, and the slope of time along each axis.

    Processor time, since wall time depends on what else runs, but for threads: milliseconds a step,
    seconds an epoch.
    """
    points: dict[tuple[str, str], dict[int, dict[str, Any]]] = defaultdict(dict)
    for line in map(json.loads, path.read_text().splitlines()):
        points[line["axis"], line["loss"]][line[line["axis"]]] = line
    rows = []
    for (axis, loss), lines in points.items():
        values = sorted(lines)
        name = {"events": "epoch_cpu_s", "threads": "step_ms"}.get(axis, "step_cpu_ms")
        times, memory = ([lines[value][key] for value in values] for key in (name, "peak_mb"))
        cells = [", ".join(f"{cell:,g}" for cell in row) for row in (values, times, memory)]
        rows.append([axis, loss, *cells, str(slope(values, times))])
    return markdown_table(["axis", "loss", "values", "time", "MB at most", "slope of time"], rows)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--axes", default=",".join(AXES))
    parser.add_argument("--losses", default=",".join(LOSSES))
    parser.add_argument(
        "--full-events",
        type=int,
        default=1_000_000,
        help="largest log for epochs of the full softmax",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--table", type=Path, help="print the table of this file instead")
    for name, value in {**BASE, "one": 0, "whole": 0}.items():
        if name != "threads":
            parser.add_argument(f"--{name}", type=int, default=value, help=argparse.SUPPRESS)
    parser.add_argument("--loss", default="full", help=argparse.SUPPRESS)
    parser.set_defaults(repeats=15)
    args = parser.parse_args()
    if args.table:
        print(table(args.table))
    elif args.one:
        print(json.dumps(measure(args)))
    else:
        main(args)
