"""RecBole's side of peers.py, for the Python of its environment: one model, one JSON line.

RecBole's own data set, loaders, training epoch and evaluation, with its default parameters; only
the number of batches is cut. Training is measured twice: as shipped, where importing its models has
switched on the autograd anomaly mode, and, in the same process, with that mode off.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import Any

from _measure import figures, peak_mb

CLASSES = {name.lower(): name for name in ("GRU4Rec", "NARM", "STAMP", "CORE", "SRGNN", "GCSAN")}
Clock = tuple[float, float]


def clock() -> Clock:
    """Wall and processor seconds."""
    return time.perf_counter(), time.process_time()


def since(start: Clock, name: str) -> dict[str, float]:
    """Seconds that passed, ``<name>_s`` and ``<name>_cpu_s``, and the peak memory so far."""
    wall, processor = (now - then for now, then in zip(clock(), start, strict=True))
    return {
        f"{name}_s": figures(wall),
        f"{name}_cpu_s": figures(processor),
        f"{name}_peak_mb": peak_mb(),
    }


class FirstBatches:
    """The first batches of an epoch, with their sizes and the time at which each was asked for."""

    def __init__(
        self, batches: Iterable[Any], number: int, size: Callable[[Any], int] = len
    ) -> None:
        self.source = batches
        self.number = number
        self.size = size
        self.sizes: list[int] = []
        self.clocks: list[Clock] = []

    def __iter__(self) -> Iterator[Any]:
        source = iter(self.source)
        for _ in range(self.number):
            self.clocks.append(clock())
            batch = next(source)
            self.sizes.append(self.size(batch))
            yield batch
        self.clocks.append(clock())  # asked for one more: the last step is done

    def rates(self, warmup: int) -> dict[str, float]:
        """Examples per second of wall and processor time after `warmup` batches; peak memory."""
        spent = [
            end - start for start, end in zip(self.clocks[warmup], self.clocks[-1], strict=True)
        ]
        examples = sum(self.sizes[warmup:])
        per_s, per_cpu_s = (figures(examples / seconds) for seconds in spent)
        return {"train_per_s": per_s, "train_per_cpu_s": per_cpu_s, "train_peak_mb": peak_mb()}


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """Settings that are not RecBole's defaults: files, sizes of both sides, the full softmax."""
    return {
        "data_path": args.folder,
        "benchmark_filename": ["train", "valid", "test"],
        "USER_ID_FIELD": "session_id",
        "load_col": {"inter": ["session_id", "item_id_list", "item_id"]},
        "alias_of_item_id": ["item_id_list"],
        "MAX_ITEM_LIST_LENGTH": args.max_length,
        "embedding_size": args.dim,
        "train_batch_size": args.batch,
        "eval_batch_size": args.batch,
        "train_neg_sample_args": None,
        "eval_args": {
            "split": {"LS": "valid_and_test"},
            "order": "TO",
            "group_by": None,
            "mode": "full",
        },
        "topk": [20],
        "metrics": ["MRR", "Recall"],
        "valid_metric": "MRR@20",
        "seed": args.seed,
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds, rates and memory of one model."""
    start = clock()
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, get_trainer, init_seed

    line: dict[str, Any] = since(start, "import")
    torch.set_num_threads(args.threads)
    logging.disable(logging.WARNING)
    config = Config(model=CLASSES[args.model], dataset="sessions", config_dict=settings(args))
    init_seed(config["seed"], config["reproducibility"])
    start = clock()
    dataset = create_dataset(config)
    train, _, test = data_preparation(config, dataset)
    next(iter(train))
    line |= since(start, "prepare") | {
        "items": dataset.item_num - 1,
        "examples": len(train.dataset),
    }
    start = clock()
    model = get_model(config["model"])(config, train.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    line |= since(start, "build")
    line["as_shipped"] = {
        "anomaly_mode": torch.is_anomaly_enabled(),
        **trained(trainer, train, args),
    }
    torch.autograd.set_detect_anomaly(False)
    line["anomaly_mode_off"] = {
        "anomaly_mode": torch.is_anomaly_enabled(),
        **trained(trainer, train, args),
    }
    start = clock()
    metrics = trainer.evaluate(test, load_best_model=False)
    line |= since(start, "evaluate") | {
        "evaluated": len(test.dataset),
        "mrr@20": float(metrics["mrr@20"]),
    }
    names = ("recbole", "torch", "numpy", "pandas", "scipy")
    versions = {"python": platform.python_version()} | {name: version(name) for name in names}
    return line | {"versions": versions}


def trained(trainer: Any, loader: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Rates of the first steps of RecBole's own epoch."""
    first = FirstBatches(loader, args.warmup + args.steps)
    trainer._train_epoch(first, 0)
    return first.rates(args.warmup)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("folder", "model"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("batch", "dim", "max-length", "warmup", "steps", "seed", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = parser.parse_args()
    del sys.argv[1:]  # RecBole reads them too
    print(json.dumps(measure(args)))
