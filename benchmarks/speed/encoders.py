"""Cost of each backbone in a training step beside the softmax, on real batches.

python benchmarks/speed/encoders.py --data FOLDER [--fraction 0.25 --backbones gru4rec,narm
--repeats 15]

One JSON line per backbone, each from a process of its own: medians, in milliseconds of processor
time per batch, of making the batch, of the backbone's forward and backward pass alone, and of the
whole step (batch, network, loss over all items, gradients, Adam); examples per second of such
steps; peak memory of the process. With ``--torch-compile`` the backbone goes through torch.compile
with sizes left open; `seconds` is the wall time of it all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from _measure import clocked, data_file, data_option, emit, options, peak_mb
from torch import Tensor

from sessionprompt.backbones import BACKBONES
from sessionprompt.batches import SessionBatch, batches_of
from sessionprompt.datasets import load_parquet
from sessionprompt.encoding import NextItemTargets, PrefixData, SessionEncoder, prefix_data
from sessionprompt.losses import FullSoftmax
from sessionprompt.network import SessionNetwork
from sessionprompt.scoring import TargetAttention, workspace

PARTS = ("collate", "forward", "backward", "step")


def main() -> None:
    """Measure the backbones that are asked for, each in a process of its own."""
    parser = options(__doc__)
    data_option(parser)
    parser.add_argument(
        "--fraction", type=float, default=0.25, help="newest share of the training sessions"
    )
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    for name, default in (("batch", 512), ("dim", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--params", default="{}", help="parameters of the backbones, as JSON")
    parser.add_argument("--torch-compile", action="store_true", help="compile the backbone first")
    parser.add_argument("--name", default="", help="a word to find the lines by")
    parser.set_defaults(repeats=15)
    args = parser.parse_args()
    names = args.backbones.split(",")
    if len(names) == 1:
        emit(measure(names[0], args), args, ("torch", "numpy"))
        return
    for name in names:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--backbones", name], check=True)


def measure(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Medians over some batches of the parts of a training step."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    network, data = prepare(name, args)
    if args.torch_compile:
        network.backbone.compile(dynamic=True)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    spent: dict[str, list[float]] = {part: [] for part in PARTS}
    sizes = []
    started = time.perf_counter()
    with workspace():  # as training does
        for batch, targets, seconds in drawn(data, args.batch, args.repeats + 2):
            forward, backward = backbone_alone(network, batch)
            whole = clocked(partial(step, network, optimizer, replace(batch), targets))
            values = (seconds, forward, backward, seconds + whole)
            for part, value in zip(PARTS, values, strict=True):
                spent[part].append(value)
            sizes.append(len(batch))
    medians = {part: round(float(np.median(values[2:])) * 1e3, 2) for part, values in spent.items()}
    return {
        "backbone": name,
        "name": args.name,
        "params": json.loads(args.params),
        **{f"{part}_ms": value for part, value in medians.items()},
        "encoder_ms": round(medians["forward"] + medians["backward"], 2),
        "examples_per_second": round(float(np.mean(sizes[2:])) / medians["step"] * 1e3),
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mb": peak_mb(),
        **{
            key: getattr(args, key)
            for key in ("batch", "dim", "fraction", "repeats", "torch_compile")
        },
        "items": len(network.items),
    }


def prepare(name: str, args: argparse.Namespace) -> tuple[SessionNetwork, PrefixData]:
    """A fresh plain network and the training prefixes."""
    sessions, _ = load_parquet(data_file(args.data, "diginetica"))
    sessions = sessions[len(sessions) - round(args.fraction * len(sessions)) :]
    encoder = SessionEncoder.learn(sessions)
    backbone = BACKBONES[name](args.dim, **json.loads(args.params))
    backbone.precompute(encoder.item_codes(sessions), sessions.offsets, encoder.n_items)
    scoring = backbone.scoring or "cosine"
    counts = torch.from_numpy(encoder.item_counts).float()
    network = SessionNetwork(backbone, encoder.n_items, {}, counts, None, False, scoring, 0.07)
    network.sparse = True  # as training has it
    return network, prefix_data(
        NextItemTargets.of(sessions, encoder), encoder, 50, backbone.one_pass
    )[0]


def drawn(data: PrefixData, size: int, number: int) -> Iterator[tuple[SessionBatch, Tensor, float]]:
    """Shuffled batches and the seconds that making each took; the first holds the shuffling too."""
    batches = batches_of(data, size, np.random.default_rng(0))
    for _ in range(number):
        started = time.process_time()
        batch, targets = next(batches)
        yield batch, targets, time.process_time() - started


def backbone_alone(network: SessionNetwork, batch: SessionBatch) -> tuple[float, float]:
    """Seconds of the backbone's forward and backward pass, up to the vectors of the events."""
    model = network.backbone.train()
    x = network.items.detach()[batch.items].requires_grad_()
    extra = (network.items.detach().requires_grad_().__getitem__,) if model.needs_items else ()
    started = time.process_time()
    states = model(x, batch, *extra)
    forward = time.process_time() - started
    outputs = (
        (states.states, states.keys, states.values)
        if isinstance(states, TargetAttention)
        else (states,)
    )
    gradients = [torch.randn_like(output) for output in outputs]
    backward = clocked(lambda: torch.autograd.backward(outputs, gradients))
    model.zero_grad()
    return forward, backward


def step(
    network: SessionNetwork, optimizer: torch.optim.Optimizer, batch: SessionBatch, targets: Tensor
) -> None:
    """One whole step of training; the batch has nothing cached."""
    optimizer.zero_grad()
    FullSoftmax()(network(batch), targets).backward()
    optimizer.step()


if __name__ == "__main__":
    main()
