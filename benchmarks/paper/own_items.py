"""Share of recommended items that the session holds already, and metrics without them.

python benchmarks/paper/own_items.py --data FOLDER [--only core,gru4rec --arms plain,random]
[--output FILE]

The first `within_session` block of `table2.toml` in the tier, first start and first seed; every
session's last event is the target. In a log where nothing repeats, an own item in the list is a
place lost.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import run
import torch
from _blocks import blocks_of
from _data import ON_REQUEST, load
from _shared import data_option, write_line
from _train import outfit

K = 5


def main() -> None:
    """Train the models asked for and write a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data_option(parser)
    parser.add_argument("--tier", default="small")
    parser.add_argument("--only", default="core,gru4rec", help="backbones, with commas")
    parser.add_argument("--arms", default="plain,prompted,random", help="arms, with commas")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, help="file to append the JSON lines to")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    blocks = [block for block in blocks_of("table2", args.tier) if block["data"] not in ON_REQUEST]
    block = next(block for block in blocks if block["protocol"] == "within_session")
    for backbone in args.only.split(","):
        for arm in args.arms.split(","):
            place = (
                block["data"],
                "within_session",
                block["inits"][0],
                backbone,
                arm,
                1.0,
                block["seeds"][0],
            )
            write_line({**measure(run.Cell(*place, block), args), **outfit(args)}, args.output)


def measure(cell: run.Cell, args: argparse.Namespace) -> dict[str, Any]:
    """Share of own items at each rank of the list, and MRR with and without them."""
    split = load(cell.data, cell.protocol, args.data, **cell.block.get("choices", {}))
    model, tried = run.chosen(cell, split, [], args)
    test = split.test
    visitors = test.prefixes(np.arange(len(test)), test.lengths - 1)
    targets = test.codes[test.offsets[1:] - 1]
    own = {
        (row, code)
        for row in range(len(visitors))
        for code in visitors[row : row + 1].codes.tolist()
    }
    lists = [model.predict_topk(visitors, k=K, exclude_seen=exclude) for exclude in (False, True)]
    with_own, without = (
        test.vocabulary.encode(items.ravel()).reshape(items.shape) for items in lists
    )
    share = np.array(
        [[(row, code) in own for code in codes] for row, codes in enumerate(with_own.tolist())]
    ).mean(axis=0)
    found = {"mrr@5": _mrr(with_own, targets), "mrr@5 without own items": _mrr(without, targets)}
    return {
        **cell.key,
        "tuned": tried[-1]["setting"],
        "own_items_by_rank": share.round(4).tolist(),
        **found,
    }


def _mrr(top: np.ndarray, targets: np.ndarray) -> float:
    return round(float(((top == targets[:, None]) / np.arange(1, K + 1)).sum(axis=1).mean()), 5)


if __name__ == "__main__":
    main()
