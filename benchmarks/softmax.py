"""The full softmax: tiled loss and gradients against the plain composition, and against their three matrix products.

python benchmarks/softmax.py [--items 43097 --batch 512 --dim 64 --repeats 9]

The three take turns; medians of the processor time of one forward and backward pass, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from sessionprompt.losses import linear_cross_entropy


def main() -> None:
    """Time the three in turn and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("items", 43097), ("batch", 512), ("dim", 64), ("repeats", 9), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    states = torch.randn(args.batch, args.dim, requires_grad=True)
    table = torch.nn.Parameter(torch.randn(args.items, args.dim) / args.dim**0.5)
    targets = torch.randint(args.items, (args.batch,))
    scores, left, right = torch.empty(args.batch, args.items), torch.empty_like(states), torch.empty_like(table)

    def products() -> None:
        with torch.no_grad():
            torch.mm(states, table.T, out=scores)
            torch.mm(scores, table, out=left)
            torch.mm(scores.T, states, out=right)

    ways: dict[str, Callable[[], None]] = {
        "tiled": lambda: linear_cross_entropy(states, table, targets).backward(),
        "plain": lambda: F.cross_entropy(states @ table.T, targets).backward(),
        "products": products,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.repeats + 1):
        for name, way in ways.items():
            started = time.process_time()
            way()
            seconds[name].append(time.process_time() - started)
    medians = {name: float(np.median(runs[1:])) * 1e3 for name, runs in seconds.items()}
    ratios = {f"tiled / {name}": round(medians["tiled"] / medians[name], 2) for name in ("plain", "products")}
    print(json.dumps({**vars(args), **{name: round(value, 1) for name, value in medians.items()}, **ratios}))


if __name__ == "__main__":
    main()
