"""Training, preparation and evaluation beside RecBole, in turns on one core and one log.

taskset -c 1 env OMP_NUM_THREADS=1 python benchmarks/speed/peers.py --data FOLDER [--models
gru4rec,narm --rounds 3]

RecBole 1.2.1 comes from PyPI into a virtual environment of its own, made in `--venv` when it is not
there. Both sides train on all training sessions of Diginetica with batches of 512 prefixes, d = 64,
and their own default parameters; each process times some steps of its own real epoch after a
warm-up, then ranks the same test prefixes. ``float32`` and ``auto`` are the softmax over all items,
which RecBole computes too, ``clusters`` is the loss over clusters, the default here. One JSON line
per model and variant; each figure is [median, least, most] over the rounds. ``ratio_*`` on a line
of this library compares the medians with RecBole's of the same run, by processor time; above 1
speaks for this library.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _measure import data_file, data_option, emit, environment, figures, markdown_table, options
from _recbole import CLASSES, FirstBatches, clock, since

HERE = Path(__file__).resolve().parent
PINS = ("recbole==1.2.1", "torch==2.13.0", "numpy==1.26.4", "pandas==2.2.3", "scipy==1.11.4")
SHARED = ("batch", "dim", "max_length", "warmup", "steps", "seed", "threads")
OURS = {"float32": ("float32", "full"), "auto": ("auto", "full"), "clusters": ("auto", "clusters")}
PEERS = ("as_shipped", "anomaly_mode_off")
UNITS = ("s", "cpu_s", "peak_mb")
FIGURES = [f"{name}_{unit}" for name in ("import", "prepare", "build") for unit in UNITS]
FIGURES += [
    f"{name}_{unit}" for name in ("train", "evaluate") for unit in ("per_s", "per_cpu_s", "peak_mb")
]
COMPARED = (
    "train_per_cpu_s",
    "evaluate_per_cpu_s",
    "prepare_cpu_s",
    "train_peak_mb",
    "evaluate_peak_mb",
)
CONSTANT = ("items", "examples", "evaluated", "anomaly_mode", "bfloat16_products")


def main(args: argparse.Namespace) -> None:
    """Measure the models that are asked for, a few lines each."""
    python = environment(args.venv, PINS, constrained=["torch"])
    with tempfile.TemporaryDirectory() as folder:
        sessions = load(args)
        start = clock()
        write_files(Path(folder) / "sessions", *sessions, args.max_length)
        written = {"write_files_s": since(start, "write_files")["write_files_s"]}
        for model in args.models.split(","):
            for line in lines(model, python, folder, args):
                emit(
                    {"model": model, **line, **shared(args), "rounds": args.rounds, **written},
                    args,
                    PACKAGES,
                )


def shared(args: argparse.Namespace) -> dict[str, int]:
    """The options that both sides get."""
    return {name: getattr(args, name) for name in SHARED}


def load(args: argparse.Namespace) -> tuple[Any, Any]:
    """All training sessions, and drawn test sessions of about the wanted number of prefixes."""
    from sessionprompt.datasets import load_parquet

    train, test = load_parquet(data_file(args.data, "diginetica"))
    order = np.random.default_rng(args.seed).permutation(len(test))
    enough = np.searchsorted(np.cumsum(test.lengths[order] - 1), args.evaluate) + 1
    return train, test[np.sort(order[:enough])]


def write_files(folder: Path, train: Any, test: Any, max_length: int) -> None:
    """RecBole's files of prefixes and targets; it wants validation data, which stays unused."""
    folder.mkdir()
    for name, sessions in {"train": train, "valid": test[:1], "test": test}.items():
        with (folder / f"sessions.{name}.inter").open("w") as file:
            file.write("session_id:token\titem_id_list:token_seq\titem_id:token\n")
            for number, items in enumerate(sessions.to_lists()):
                words = [str(item) for item in items]
                for end in range(1, len(words)):  # RecBole does not cut lists of prepared files
                    seen = " ".join(words[max(0, end - max_length) : end])
                    file.write(f"{name}-{number}\t{seen}\t{words[end]}\n")


def lines(
    model: str, python: Path, folder: str, args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Let the sides take turns, and put together one line per variant."""
    runs: dict[str, list[dict[str, Any]]] = {variant: [] for variant in (*PEERS, *OURS)}
    data = data_file(args.data, "diginetica").parent.resolve()
    here = {"one": 1, "data": data, "evaluate": args.evaluate, "models": model, **shared(args)}
    for _ in range(args.rounds):
        for variant, (precision, loss) in OURS.items():
            ways = {"precision": precision, "loss": loss}
            runs[variant].append(child(sys.executable, "peers.py", folder, **here, **ways))
        peer = child(python, "_recbole.py", folder, folder=folder, model=model, **shared(args))
        for variant in PEERS:
            runs[variant].append(peer | peer[variant])
    found = {variant: summary(rows) for variant, rows in runs.items()}
    for variant, line in found.items():
        if variant in OURS:
            against = {f"ratio_{peer}": ratios(line, found[peer]) for peer in PEERS}
            precision, loss = OURS[variant]
            how = {"variant": variant, "precision": precision, "loss": loss}
            yield {"library": "sessionprompt", **how, **line, **against}
        else:
            versions = {"peer_versions": runs[variant][0]["versions"]}
            yield {
                "library": "recbole",
                "variant": variant,
                "precision": "float32",
                **line,
                **versions,
            }


def child(python: str | Path, script: str, cwd: str, **choices: Any) -> dict[str, Any]:
    """Run a script in a process of its own and return the line that it prints last."""
    words = [
        word
        for name, value in choices.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    threads = {
        name: str(choices["threads"])
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
    }
    command = [python, HERE / script, *words]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=os.environ | threads
    )
    if done.returncode:
        raise RuntimeError(f"{script} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Median, least and most of each figure over the rounds."""
    line = {name: runs[0][name] for name in CONSTANT if name in runs[0]}
    for run in runs:
        for unit in ("s", "cpu_s"):
            run[f"evaluate_per_{unit}"] = run["evaluated"] / run[f"evaluate_{unit}"]
    quantiles = {name: np.quantile([run[name] for run in runs], [0.5, 0, 1]) for name in FIGURES}
    return line | {name: [figures(value) for value in values] for name, values in quantiles.items()}


def ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float]:
    """How many times faster or smaller this library is."""
    times = {name: ours[name][0] / theirs[name][0] for name in COMPARED}
    rates = [name for name in COMPARED if "_per_" in name]
    costs = [name for name in COMPARED if name not in rates]
    return {name: figures(times[name]) for name in rates} | {
        name: figures(1 / times[name]) for name in costs
    }


def table(path: Path) -> str:
    """Markdown of the latest lines: training in all variants, then the other figures."""
    latest: dict[str, dict[str, dict[str, Any]]] = {}
    for line in map(json.loads, path.open()):
        latest.setdefault(line["model"], {})[line.get("variant", line["precision"])] = line
    latest = {model: found for model, found in latest.items() if found.keys() >= set(OURS)}
    pairs = [f"{precision} / {peer}" for precision in OURS for peer in PEERS]
    training = [[model, *_training(found)] for model, found in latest.items()]
    others = [[model, *_others(found)] for model, found in latest.items()]
    heads = [["model", *OURS, *PEERS, *pairs], ["model", *COMPARED[1:]]]
    return "\n\n".join(map(markdown_table, heads, (training, others)))


def _training(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    name = COMPARED[0]
    yield from (f"{found[variant][name][0]:,.0f}" for variant in (*OURS, *PEERS))
    yield from (
        f"{found[precision][f'ratio_{peer}'][name]:.1f}" for precision in OURS for peer in PEERS
    )


def _others(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    ours = found["clusters"]
    theirs = found["as_shipped"]
    for name in COMPARED[1:]:
        yield f"{ours[name][0]:g} : {theirs[name][0]:g} ({ours['ratio_as_shipped'][name]:.1f})"


class Cut:
    """Prefixes of which an epoch reads the first batches only."""

    def __init__(self, data: Any, first: FirstBatches) -> None:
        self.next_items = data.next_items
        self.clusters = data.clusters
        self.first = first
        self.n_prefixes = len(data)

    def __len__(self) -> int:
        return self.n_prefixes

    def parts(self, *_: Any) -> FirstBatches:
        """The first batches."""
        return self.first


def one(model: str, args: argparse.Namespace) -> dict[str, Any]:
    """Seconds, rates and memory of one model of this library."""
    start = clock()
    import polars  # noqa: F401  # loads when a file is first read; RecBole loads pandas when it is imported
    import torch

    from sessionprompt.backbones import BACKBONES
    from sessionprompt.batches import batches_of
    from sessionprompt.clustering import ItemClusterer
    from sessionprompt.encoding import NextItemTargets, SessionEncoder, prefix_data
    from sessionprompt.network import SessionNetwork, rank_sessions, start_from_graph
    from sessionprompt.recommender import PromptedSessionRecommender
    from sessionprompt.scoring import uses_bfloat16
    from sessionprompt.training import TrainingPlan, train_network

    line: dict[str, Any] = since(start, "import")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    backbone = BACKBONES[model](args.dim)
    rng = np.random.default_rng(args.seed)
    plan = TrainingPlan.of(
        PromptedSessionRecommender(
            model, precision=args.precision, loss=args.loss, batch_size=args.batch
        )
    )
    reading = {"max_length": args.max_length, "one_pass": backbone.one_pass}
    start = clock()
    train, test = load(args)
    encoder = SessionEncoder.learn(train)
    data = prefix_data(NextItemTargets.of(train, encoder), encoder, **reading)[0]
    next(batches_of(data, args.batch, rng))
    line |= since(start, "prepare") | {"items": encoder.n_items, "examples": len(data)}
    start = clock()
    codes = encoder.item_codes(train)
    counts = torch.from_numpy(encoder.item_counts).float()
    backbone.precompute(codes, train.offsets, encoder.n_items)
    network = SessionNetwork(
        backbone, encoder.n_items, {}, counts, None, False, backbone.scoring or "cosine", 0.07
    )
    start_from_graph(network, codes, train.offsets, args.seed)
    if args.loss == "clusters":
        clusterer = ItemClusterer(random_state=args.seed).fit(train)
        clusters = np.empty(encoder.n_items, dtype=np.int64)
        clusters[encoder.vocabulary.translate(clusterer.vocabulary_)] = clusterer.labels_
        data = replace(data, clusters=clusters, part_items=backbone.part_items)
    line |= since(start, "build") | {
        "bfloat16_products": uses_bfloat16(args.precision, torch.device("cpu"))
    }
    first = FirstBatches(
        data.parts(args.batch, rng),
        args.warmup + args.steps,
        lambda part: int(part.n_prefixes.sum()),
    )
    cut = Cut(data, first)
    train_network(network, cut, None, replace(plan, max_epochs=1), seed=args.seed)
    line |= first.rates(args.warmup)
    start = clock()
    ranked = rank_sessions(
        network, encoder, NextItemTargets.of(test, encoder), batch_size=args.batch, **reading
    )
    metrics = ranked.summary(["mrr@20", "recall@20"])
    return line | since(start, "evaluate") | {"evaluated": len(ranked.ranks), **metrics}


PACKAGES = ("torch", "numpy", "scipy", "skorch", "narwhals")

if __name__ == "__main__":
    parser = options(__doc__)
    data_option(parser)
    parser.add_argument("--table", type=Path, help="print the table of this file instead")
    parser.add_argument("--models", default=",".join(CLASSES))
    parser.add_argument(
        "--venv", type=Path, default=Path(tempfile.gettempdir()) / "sessionprompt-recbole"
    )
    defaults = {
        "batch": 512,
        "dim": 64,
        "max-length": 50,
        "steps": 25,
        "warmup": 5,
        "seed": 0,
        "rounds": 3,
    }
    for name, default in (defaults | {"evaluate": 8192}).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("precision", "auto"), ("loss", "full"), ("one", 0)):
        parser.add_argument(
            f"--{name}", type=type(default), default=default, help=argparse.SUPPRESS
        )
    args = parser.parse_args()
    if args.table:
        print(table(args.table))
    elif args.one:
        print(json.dumps(one(args.models, args)))
    else:
        main(args)
