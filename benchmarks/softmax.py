"""The full softmax: loss and gradients, ours, torch's, and the matrix products within.

python benchmarks/softmax.py [--precision float32,bfloat16 --items 43097 --batch 512 --dim 64]
[--output FILE]

The ways take turns; medians of the processor time of one forward and backward pass, in
milliseconds. ``ours`` is the library's loss, ``tiled`` the same as on a processor for which the
compiled module is not made. ``plain`` is the composition of product and cross-entropy, in float32.
``torch`` is its `linear_cross_entropy` with the options it takes by itself, ``torch_chunks`` with
chunks of rows (``--chunk``), both with factors of the precision; torch before 2.13 lacks it, and
the line then says so. ``products`` are the three matrix products with factors and results of the
precision. ``apart`` is how far each loss is from the plain one. ``shares`` says where the tiled
loss spends its time, by operation, as torch's profiler sees it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from _shared import machine, write_line
from torch import Tensor

from sessionprompt.losses import linear_cross_entropy
from sessionprompt.scoring import without_kernels

SIZES = {"items": 43097, "batch": 512, "dim": 64, "repeats": 9, "threads": 1, "chunk": 64}
LACKING = f"torch {torch.__version__} has no linear_cross_entropy: it came with 2.13"

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
Way = Callable[[], Any]


def main(words: Sequence[str] | None = None) -> None:
    """Time the ways in turn and write one line per precision."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--precision", default="float32,bfloat16", help="of factors, with commas")
    parser.add_argument("--note", help="what the lines shall say of other work on the machine")
    parser.add_argument("--output", type=Path, help="file to append the JSON lines to")
    args = parser.parse_args(words)
    torch.set_num_threads(args.threads)
    for precision in args.precision.split(","):
        write_line(measure(precision, args), args.output)


def measure(precision: str, args: argparse.Namespace) -> dict[str, Any]:
    """Medians of the ways and their ratios."""
    torch.manual_seed(0)
    states = torch.randn(args.batch, args.dim, requires_grad=True)  # (B, d)
    table = torch.nn.Parameter(torch.randn(args.items, args.dim) / args.dim**0.5)  # (N, d)
    targets = torch.randint(args.items, (args.batch,))  # (B,)
    losses = {**of_library(precision), "plain": plain}
    losses |= of_torch(getattr(torch, precision), args.chunk)
    ways = {
        name: forward_and_backward(loss, states, table, targets) for name, loss in losses.items()
    }
    ways["products"] = products(states, table, getattr(torch, precision))
    medians = in_turn(ways, args.repeats)
    line = {"precision": precision, **{name: getattr(args, name) for name in SIZES}, **medians}
    line |= ratios(medians)
    line["apart"] = apart(losses, states, table, targets)
    line["shares"] = shares_of(ways["tiled"])
    if "torch" not in losses:
        line["note"] = LACKING
    if args.note:
        line["note_time"] = args.note
    return line | machine(["torch"])


def forward_and_backward(loss: Loss, states: Tensor, table: Tensor, targets: Tensor) -> Way:
    """One forward and backward pass; gradients add up in memory that is there."""
    return lambda: loss(states, table, targets).backward()


def plain(states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the matrix of all scores."""
    return F.cross_entropy(states @ table.T, targets)


def of_library(precision: str) -> dict[str, Loss]:
    """The library's loss, with and without the compiled module."""

    def ours(states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        return linear_cross_entropy(states, table, targets, precision)

    def tiled(states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        with without_kernels():
            return linear_cross_entropy(states, table, targets, precision)

    return {"ours": ours, "tiled": tiled}


def of_torch(dtype: torch.dtype, chunk: int) -> dict[str, Loss]:
    """torch's own loss that makes no matrix of all scores, or nothing where torch lacks it."""
    if not hasattr(F, "linear_cross_entropy"):
        return {}

    def with_options(options: Any) -> Loss:
        def loss(states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
            return F.linear_cross_entropy(
                states.to(dtype), table.to(dtype), targets, options=options
            )

        return loss

    automatic = torch.nn.LinearCrossEntropyOptions()
    chunks = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=chunk, chunking_method=None)
    return {"torch": with_options(automatic), "torch_chunks": with_options(chunks)}


def products(states: Tensor, table: Tensor, dtype: torch.dtype) -> Way:
    """The three matrix products that no loss can do without, into memory made beforehand."""
    left = states.detach().to(dtype)  # (B, d)
    right = table.detach().to(dtype)  # (N, d)
    scores = left.new_empty(len(left), len(right))  # (B, N)
    states_grad = torch.empty_like(left)  # (B, d)
    table_grad = torch.empty_like(right)  # (N, d)

    def multiply() -> None:
        torch.mm(left, right.T, out=scores)
        torch.mm(scores, right, out=states_grad)
        torch.mm(scores.T, left, out=table_grad)

    return multiply


def in_turn(ways: dict[str, Way], repeats: int) -> dict[str, float]:
    """Median milliseconds of each way; the first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            started = time.process_time()
            way()
            seconds[name].append(time.process_time() - started)
    return {name: round(1e3 * float(np.median(runs[1:])), 1) for name, runs in seconds.items()}


def ratios(medians: dict[str, float]) -> dict[str, float]:
    """Time of each loss of the library by that of every other way."""
    others = [name for name in medians if name not in ("ours", "tiled")]
    pairs = [(way, other) for way in ("ours", "tiled") for other in others]
    return {f"{way} / {other}": round(medians[way] / medians[other], 2) for way, other in pairs}


def apart(
    losses: dict[str, Loss], states: Tensor, table: Tensor, targets: Tensor
) -> dict[str, float]:
    """Distance of each loss from the plain one, to one digit."""
    with torch.no_grad():
        values = {name: float(loss(states, table, targets)) for name, loss in losses.items()}
    expected = values.pop("plain")
    return {name: float(f"{abs(value - expected):.1g}") for name, value in values.items()}


def shares_of(way: Way) -> dict[str, float]:
    """Share of the six costliest operations in the time of some calls."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for _ in range(3):
            way()
    rows = sorted(profile.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    return {row.key: round(row.self_cpu_time_total / total, 3) for row in rows[:6]}


if __name__ == "__main__":
    main()
