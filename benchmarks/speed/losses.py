"""Steps of training with each loss, in turn: a plain backbone on the newest share of Diginetica.

python benchmarks/speed/losses.py --data FOLDER [--fraction 0.25] [--losses full,clusters]
    [--backbone gru4rec] [--output FILE]

Milliseconds of processor time, least and median of the steps; a step is batch, network, loss,
gradients and optimizer. ``candidates`` is how many items a row is scored against on average. The
sample alone has as many negatives as the clusters have beside them, or 8,192. ``clusters_in_torch``
is the loss over clusters, and the whole step, without the compiled modules.
"""

from __future__ import annotations

import argparse
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from _measure import data_file, data_option, emit, figures, options

from sessionprompt.backbones import BACKBONES
from sessionprompt.batches import batches_of
from sessionprompt.clustering import ItemClusterer
from sessionprompt.datasets import load_parquet
from sessionprompt.encoding import NextItemTargets, PrefixData, SessionEncoder, prefix_data
from sessionprompt.network import SessionNetwork
from sessionprompt.recommender import PromptedSessionRecommender
from sessionprompt.scoring import without_kernels, workspace
from sessionprompt.training import SessionNet, TrainingPlan, build_net

LOSSES: dict[str, dict[str, Any]] = {
    "full": {"loss": "full"},
    "clusters": {"loss": "clusters", "n_negatives": 1024},
    "clusters_in_torch": {"loss": "clusters", "n_negatives": 1024},
    "sampled_1024": {"loss": "sampled", "n_negatives": 1024},
    "sampled_8192": {"loss": "sampled", "n_negatives": 8192},
}


def main(args: argparse.Namespace) -> None:
    """Time the losses in turn and write one line."""
    torch.set_num_threads(args.threads)
    data, clusters, counts = prepare(args)
    names = args.losses.split(",")
    nets = {name: net_of(name, clusters, counts, args) for name in names}
    seconds = in_turn(nets, data, args)
    line: dict[str, Any] = {key: getattr(args, key) for key in ("backbone", "batch", "dim")}
    line["items"] = len(counts)
    for name, runs in seconds.items():
        least, median = (figures(1e3 * value) for value in (min(runs), np.median(runs)))
        line[name] = {"ms_min": least, "ms_median": median}
    sizes = np.bincount(clusters)
    own = np.average(sizes, weights=np.bincount(clusters, counts))
    line["candidates"] = {"full": len(counts), "own": round(float(own)), "drawn": 1024}
    emit(line, args, ("torch", "numpy"))


def prepare(args: argparse.Namespace) -> tuple[PrefixData, np.ndarray, np.ndarray]:
    """Prefixes of the log, cluster of each item, and how often each occurs."""
    train, _ = load_parquet(data_file(args.data, "diginetica"))
    train = train[len(train) - round(args.fraction * len(train)) :]
    clusterer = ItemClusterer(random_state=0).fit(train)
    encoder = SessionEncoder.learn(train)
    clusters = np.empty(encoder.n_items, dtype=np.int64)
    clusters[encoder.vocabulary.translate(clusterer.vocabulary_)] = clusterer.labels_
    backbone = BACKBONES[args.backbone](args.dim)
    data = prefix_data(NextItemTargets.of(train, encoder), encoder, 50, backbone.one_pass)[0]
    # batches that end in a few clusters cost the other losses what batches at random do
    data = replace(data, clusters=clusters, part_items=backbone.part_items)
    return data, clusters, encoder.item_counts


def net_of(
    name: str, clusters: np.ndarray, counts: np.ndarray, args: argparse.Namespace
) -> SessionNet:
    """A net with fresh weights and a loss."""
    torch.manual_seed(0)
    backbone = BACKBONES[args.backbone](args.dim)
    popularity = torch.from_numpy(counts).float()
    network = SessionNetwork(backbone, len(counts), {}, popularity, None, False, "cosine", 0.07)
    params = {**LOSSES[name], "batch_size": args.batch}
    plan = TrainingPlan.of(PromptedSessionRecommender(args.backbone, **params))
    return build_net(network, plan, clusters=clusters)


def in_turn(
    nets: dict[str, SessionNet], data: PrefixData, args: argparse.Namespace
) -> dict[str, list[float]]:
    """Processor time of the steps of each net on the same batches, without the first three."""
    seconds: dict[str, list[float]] = {name: [] for name in nets}
    batches = batches_of(data, args.batch, np.random.default_rng(0))
    with workspace():
        for _ in range(args.repeats + 3):
            batch = next(batches)
            for name, net in nets.items():
                with kernels_of(name):
                    started = time.process_time()
                    net.train_step((batch,))
                    seconds[name].append(time.process_time() - started)
    return {name: runs[3:] for name, runs in seconds.items()}


def kernels_of(name: str) -> AbstractContextManager[None]:
    """The compiled modules, or a context without them."""
    if name.endswith("_in_torch"):
        return without_kernels()
    return nullcontext()


if __name__ == "__main__":
    parser = options(__doc__)
    data_option(parser)
    parser.add_argument("--fraction", type=float, default=0.25, help="newest share of the sessions")
    parser.add_argument("--backbone", default="gru4rec")
    parser.add_argument("--losses", default=",".join(LOSSES))
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--dim", type=int, default=64)
    parser.set_defaults(repeats=30)
    main(parser.parse_args())
