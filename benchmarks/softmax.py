"""The full softmax: loss and gradients against the plain composition, and against their three matrix products.

python benchmarks/softmax.py [--precision float32,bfloat16 --items 43097 --batch 512 --dim 64]
[--output FILE]

The ways take turns; medians of the processor time of one forward and backward pass, in
milliseconds. ``ours`` is the library's loss, ``tiled`` the same without the compiled module, which
serves bfloat16 on some processors (`compiled`). In bfloat16 the products have bfloat16 factors and
results, while both losses keep float32 sums; the plain composition is float32. ``shares`` says
where the tiled loss spends its time, by operation, as torch's profiler sees it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from _shared import machine, write_line

from sessionprompt import losses


def main() -> None:
    """Time the ways in turn and write one line per precision."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("items", 43097),
        ("batch", 512),
        ("dim", 64),
        ("repeats", 9),
        ("threads", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--precision", default="float32,bfloat16", help="of factors, with commas")
    parser.add_argument("--output", type=Path, help="file to append the JSON lines to")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for precision in args.precision.split(","):
        write_line(measure(precision, args), args.output)


def measure(precision: str, args: argparse.Namespace) -> dict[str, Any]:
    """Medians of the three ways, and their ratios."""
    torch.manual_seed(0)
    states = torch.randn(args.batch, args.dim, requires_grad=True)
    table = torch.nn.Parameter(torch.randn(args.items, args.dim) / args.dim**0.5)
    targets = torch.randint(args.items, (args.batch,))
    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: losses.linear_cross_entropy(states, table, targets, precision).backward(),
        "tiled": without_compiled(
            lambda: losses.linear_cross_entropy(states, table, targets, precision).backward()
        ),
        "plain": lambda: F.cross_entropy(states @ table.T, targets).backward(),
        "products": products(states, table, getattr(torch, precision)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.repeats + 1):
        for name, way in ways.items():
            started = time.process_time()
            way()
            seconds[name].append(time.process_time() - started)
    medians = {name: float(np.median(runs[1:])) * 1e3 for name, runs in seconds.items()}
    pairs = [(way, other) for way in ("ours", "tiled") for other in ("plain", "products")]
    ratios = {f"{way} / {other}": round(medians[way] / medians[other], 2) for way, other in pairs}
    sizes = {name: getattr(args, name) for name in ("items", "batch", "dim", "repeats", "threads")}
    return {
        "precision": precision,
        **sizes,
        **{k: round(v, 1) for k, v in medians.items()},
        **ratios,
        "shares": shares_of(ways["tiled"]),
        **machine(["torch"]),
    }


def without_compiled(way: Callable[[], Any]) -> Callable[[], None]:
    """The same with torch's products alone."""

    def run() -> None:
        usable, losses.usable = losses.usable, lambda device: False
        try:
            way()
        finally:
            losses.usable = usable

    return run


def shares_of(way: Callable[[], Any]) -> dict[str, float]:
    """Share of the six costliest operations in the time of some calls."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for _ in range(3):
            way()
    rows = sorted(profile.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    return {row.key: round(row.self_cpu_time_total / total, 3) for row in rows[:6]}


def products(states: torch.Tensor, table: torch.Tensor, dtype: torch.dtype) -> Callable[[], None]:
    """Return the three matrix products that loss and gradients cannot do without, into memory made beforehand."""
    left, right = states.detach().to(dtype), table.detach().to(dtype)
    scores, of_states, of_table = (
        left.new_empty(len(left), len(right)),
        torch.empty_like(left),
        torch.empty_like(right),
    )

    def multiply() -> None:
        torch.mm(left, right.T, out=scores)
        torch.mm(scores, right, out=of_states)
        torch.mm(scores.T, left, out=of_table)

    return multiply


if __name__ == "__main__":
    main()
