"""Training in several processes beside one: seconds of a step, and whether the steps are the same.

python benchmarks/speed/processes.py --data FOLDER [--processes 1,2] [--fraction .25]
    [--losses full,clusters,sampled] [--steps N] [--epochs 1] [--curve] [--output FILE]

GRU4Rec with cluster prompts on the newest share of Diginetica's training sessions, started by
torchrun once for each number of processes, each of one thread. Of each loss, a line holds the
median seconds of a step, what it is to those of one process, the largest relative difference of a
step's loss from one process, processor time of a step and of its parts in the first process, and,
with `--curve`, metrics of the validation sessions after each epoch. `--exchange` times what a step
sends of a table instead: rows of a sparse gradient, or a dense one; seconds of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.distributed as dist
from _measure import data_file, data_option, emit, figures, options
from skorch.callbacks import Callback

from sessionprompt.clustering import ItemClusterer
from sessionprompt.datasets import load_parquet
from sessionprompt.metrics import ranking_metrics
from sessionprompt.network import rank_targets
from sessionprompt.recommender import PromptedSessionRecommender
from sessionprompt.training import EndOfTraining, add_up, gradients, joined, net

LOSSES: dict[str, dict[str, Any]] = {
    "full": {"loss": "full"},
    "clusters": {"loss": "clusters"},
    "sampled": {"loss": "sampled"},
}
PACKAGES = ("numpy", "torch")
METRICS = ["mrr@20", "recall@20"]
PARTS = {
    "encode": (net.SessionNet, "infer"),
    "exchange states": (net, "exchanged"),
    "loss": (net.SessionNet, "get_loss"),
    "backward": (torch.Tensor, "backward"),
    "add up gradients": (net, "add_up"),
}
TABLE = (43_000, 64)  # of Diginetica
ROWS = (1_000, 5_000, 15_000, 30_000)


class Curve(Callback):
    """Metrics of the validation sessions after each epoch."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_epoch_end(self, owner: Any, dataset_valid: Any = None, **kwargs: Any) -> None:
        """Rank all targets, in every process."""
        ranks = rank_targets(owner.network, dataset_valid, owner.batch_size)[0]
        values = ranking_metrics(ranks, METRICS)
        self.rows.append({name: float(f"{value:.6g}") for name, value in values.items()})


class Steps(Callback):
    """Loss and end of each step; training ends after some of them."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.losses: list[float] = []
        self.ends: list[float] = []
        self.processor_ends: list[float] = []

    def on_batch_end(self, owner: Any, loss: Any = None, training: bool = False, **kwargs: Any):
        """Note a step."""
        if not training:
            return
        self.losses.append(loss.item())
        self.ends.append(time.perf_counter())
        self.processor_ends.append(time.process_time())
        if len(self.losses) == self.most:
            raise EndOfTraining("callback")


def worker(args: argparse.Namespace) -> None:
    """Train with each loss; the first process writes what it saw."""
    torch.set_num_threads(1)
    with joined() as first:
        found = {}
        if args.exchange:
            found = exchanges()
        else:
            train, _ = load_parquet(data_file(args.data, "diginetica"))
            train = train[len(train) - round(args.fraction * len(train)) :]
            train = ItemClusterer(random_state=0).fit_transform(train)
            found = {loss: trained(train, loss, args) for loss in args.losses.split(",")}
        if first:
            Path(args.worker).write_text(json.dumps(found))


def trained(train: Any, loss: str, args: argparse.Namespace) -> dict[str, Any]:
    """Losses, seconds of steps, and history of a training."""
    steps = Steps(args.steps)
    curve = Curve()
    callbacks: list[Callback] = [steps]
    if args.curve:
        callbacks.append(curve)
    model = PromptedSessionRecommender(
        **LOSSES[loss],
        max_epochs=args.epochs,
        batch_size=args.batch,
        refit=False,
        repeats=None,
        device=args.device,
        random_state=0,
        net_params={"callbacks": callbacks},
    )
    started = time.perf_counter()
    spent: dict[str, list[float]] = {name: [] for name in PARTS}
    with ExitStack() as stack:
        for name, (owner, method) in PARTS.items():
            timed = on_the_clock(getattr(owner, method), spent[name])
            stack.enter_context(patch.object(owner, method, timed))
        model.fit(train)
    parts = {name: figures(float(np.median(seconds))) for name, seconds in spent.items()}
    whole = figures(float(np.median(np.diff(steps.processor_ends))))
    return {
        "losses": steps.losses,
        "processor_s": {"step": whole, **parts},
        "step_s": figures(float(np.median(np.diff(steps.ends)))),
        "fit_s": figures(time.perf_counter() - started),
        "curve": curve.rows,
        "items": model.n_items_,
    }


def on_the_clock(function: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    """The function, which notes its seconds of processor time."""

    @wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.process_time()
        answer = function(*args, **kwargs)
        spent.append(time.process_time() - started)
        return answer

    return timed


def exchanges() -> dict[str, Any]:
    """Seconds of sending a gradient as rows, and as a whole."""
    found = {}
    for n in ROWS:
        generator = torch.Generator().manual_seed(dist.get_rank())
        rows = torch.randperm(TABLE[0], generator=generator)[:n].sort().values
        gradient = torch.sparse_coo_tensor(rows[None], torch.ones(n, TABLE[1]), TABLE).coalesce()
        for name, most in {"rows": float("inf"), "dense": 0.0}.items():
            gradients.DENSE_FROM = most
            taken = [seconds(gradient) for _ in range(12)]
            found[f"{name} {n}"] = figures(float(np.median(taken)))
    return found


def seconds(gradient: torch.Tensor) -> float:
    """Processor seconds until the gradients of all processes are added up."""
    table = torch.nn.Parameter(torch.zeros(TABLE))
    table.grad = gradient.clone()
    dist.barrier()
    started = time.process_time()
    add_up([("table", table)], torch.zeros(()))
    return time.process_time() - started


def run(processes: int, args: argparse.Namespace) -> dict[str, Any]:
    """What the first of some processes saw."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        start += ["--nproc-per-node", str(processes)]
        command = [*start, *sys.argv, "--worker", str(path)]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        return json.loads(path.read_text())


def lines(processes: int, found: dict[str, Any], alone: dict[str, Any]) -> list[dict[str, Any]]:
    """A line for each loss, beside the same loss in one process."""
    made = []
    for loss, one in found.items():
        other = alone[loss]
        n = min(len(one["losses"]), len(other["losses"]))
        losses = np.array([one["losses"][:n], other["losses"][:n]])  # (2, n)
        difference = np.abs(losses[0] / losses[1] - 1).max()
        measured = {}
        if one["curve"]:
            measured["curve"] = one["curve"]
        made.append(
            {
                "loss": loss,
                "processes": processes,
                "items": one["items"],
                "steps": n,
                "step_s": one["step_s"],
                "processor_s": one["processor_s"],
                "speedup": figures(other["step_s"] / one["step_s"]),
                "fit_s": one["fit_s"],
                "largest_difference": figures(float(difference)),
                **measured,
            }
        )
    return made


def main() -> None:
    """Measure each number of processes, one of them first."""
    parser = options(__doc__)
    data_option(parser)
    parser.add_argument("--processes", default="1,2")
    parser.add_argument("--losses", default="full,clusters,sampled")
    parser.add_argument("--fraction", type=float, default=0.25)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--steps", type=int, help="end after so many steps")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--curve", action="store_true", help="metrics after each epoch")
    parser.add_argument("--exchange", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        worker(args)
        return
    fixed = {"data": "diginetica", "fraction": args.fraction, "batch": args.batch, "seed": 0}
    if args.exchange:
        fixed = {"table": TABLE, "processes": 2}
        emit({"part": "exchange", **run(2, args), **fixed}, args, PACKAGES)
        return
    alone: dict[str, Any] = {}
    for processes in map(int, args.processes.split(",")):
        found = run(processes, args)
        alone = alone or found
        for line in lines(processes, found, alone):
            emit({"part": "training", **line, **fixed}, args, PACKAGES)


if __name__ == "__main__":
    main()
