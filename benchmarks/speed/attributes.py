"""Cost of attribute prompts in a training step, on both sides, beside the plain network.

python benchmarks/speed/attributes.py --data FOLDER [--repeats 30 --batch 512 --dim 64]

The log is jdata_demo, whose items have a category, a brand and a shop each. Every batch is taken by
all networks in turn: "plain" without prompts, "one", "two" and "three" with so many attributes,
"withheld" with three and a tenth of the own vectors withheld, "frequency" like it with that gate.
One JSON line per network: median processor time of a whole step (network, loss over all items,
gradients, Adam), in milliseconds, its share of the plain one, and the median time to rank a batch.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from _measure import clocked, data_file, data_option, emit, options
from torch import Tensor

from sessionprompt import ItemAttributes, PromptedSessionRecommender, Sessions
from sessionprompt.batches import SessionBatch, batches_of
from sessionprompt.encoding import NextItemTargets, SessionEncoder, prefix_data
from sessionprompt.losses import FullSoftmax
from sessionprompt.network import SessionNetwork, build_network
from sessionprompt.scoring import Candidates, scores_against, workspace

KINDS = ("category", "brand", "shop")
COLD: dict[str, Any] = {"cold_items": "attributes", "withhold": 0.1}
NETWORKS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "plain": ((), {}),
    "one": (KINDS[:1], {}),
    "two": (KINDS[:2], {}),
    "three": (KINDS, {}),
    "withheld": (KINDS, COLD),
    "frequency": (KINDS, {**COLD, "gate": "frequency"}),
}


def main() -> None:
    """Measure all networks on the same batches."""
    parser = options(__doc__)
    data_option(parser)
    parser.add_argument("--backbone", default="gru4rec")
    for name, default in (("batch", 512), ("dim", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.set_defaults(repeats=30)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sessions = sessions_of(args.data)
    networks = {name: prepare(name, sessions, args) for name in NETWORKS}
    steps, rankings = measure(networks, sessions, args)
    plain = np.median(steps["plain"])
    for name, times in steps.items():
        line = {
            "network": name,
            "backbone": args.backbone,
            "batch": args.batch,
            "dim": args.dim,
            "items": len(networks[name][0].items),
            "step_ms": round(float(np.median(times)) * 1e3, 2),
            "of_plain": round(float(np.median(times) / plain), 3),
            "ranks_ms": round(float(np.median(rankings[name])) * 1e3, 2),
            "repeats": args.repeats,
        }
        emit(line, args, ("torch", "numpy"))


def sessions_of(folder: str | None) -> Sessions:
    """Sessions that know the attributes of their items."""
    events = pd.read_parquet(data_file(folder, "jdata_demo_events"))
    items = pd.read_parquet(data_file(folder, "jdata_demo_items"))
    sessions = Sessions.from_events(
        events, item="item_id", session="session_id", time="ts", min_length=2
    )
    return ItemAttributes(items, item="item_id", columns=list(KINDS)).fit_transform(sessions)


def prepare(
    name: str, sessions: Sessions, args: argparse.Namespace
) -> tuple[SessionNetwork, torch.optim.Optimizer, SessionEncoder]:
    """A fresh network, its optimizer and its encoder."""
    torch.manual_seed(0)
    kinds, params = NETWORKS[name]
    encoder = SessionEncoder.learn(sessions, kinds)
    estimator = PromptedSessionRecommender(args.backbone, prompts=kinds, dim=args.dim, **params)
    network = build_network(estimator, encoder)
    network.sparse = True  # as training has it
    return network, torch.optim.Adam(network.parameters(), fused=True), encoder


def measure(
    networks: dict[str, Any], sessions: Sessions, args: argparse.Namespace
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds of processor time of steps and of ranking, by network."""
    steps: dict[str, list[float]] = {name: [] for name in networks}
    rankings: dict[str, list[float]] = {name: [] for name in networks}
    batches = {}
    for name, (network, _, encoder) in networks.items():
        cut = NextItemTargets.of(sessions, encoder)
        data, _ = prefix_data(cut, encoder, 50, network.backbone.one_pass)
        batches[name] = batches_of(data, args.batch, np.random.default_rng(0))
    with workspace():  # as training does
        for number in range(args.repeats + 2):
            for name, (network, optimizer, _) in networks.items():
                batch, targets = next(batches[name])
                network.train()
                spent = clocked(partial(step, network, optimizer, replace(batch), targets))
                with torch.no_grad():
                    candidates = Candidates(network.eval().candidate_vectors())
                ranked = clocked(partial(rank, network, candidates, batch, targets))
                if number >= 2:
                    steps[name].append(spent)
                    rankings[name].append(ranked)
    return steps, rankings


def step(
    network: SessionNetwork, optimizer: torch.optim.Optimizer, batch: SessionBatch, targets: Tensor
) -> None:
    """One whole step of training."""
    optimizer.zero_grad()
    FullSoftmax()(network(batch), targets).backward()
    optimizer.step()


@torch.no_grad()
def rank(
    network: SessionNetwork, candidates: Candidates, batch: SessionBatch, targets: Tensor
) -> None:
    """Ranks of the targets of a batch against candidate vectors that were made beforehand."""
    scores_against(network.states(batch), candidates).ranks(targets, "pessimistic")


if __name__ == "__main__":
    main()
