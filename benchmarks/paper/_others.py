"""Lines that no network is trained for: the models without one, and the partitions of the resolution curve."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from _data import data_hash, load
from _train import measured
from sklearn.metrics import adjusted_rand_score

from sessionprompt import baselines as models
from sessionprompt.clustering import ItemClusterer

__all__ = ["baselines", "partitions", "shape"]

Line = dict[str, Any]


def baselines(block: Line, args: argparse.Namespace, known: list[Line]) -> Iterator[Line]:
    """Fit the baselines of a block that have no line yet, on the training sessions alone like all models."""
    for name in block.get("baselines", []) if _asked(block, args) else []:
        key = {"kind": "baseline", "data": block["data"], "protocol": block["protocol"], "model": name}
        if any({**key, "experiment": args.experiment}.items() <= line.items() for line in known):
            continue
        split = load(block["data"], block["protocol"], args.data, **block.get("choices", {}))
        model = getattr(models, name)().fit(split.train)
        figures = {**measured(model.ranks(split.test)), "data_hash": data_hash(split)}
        yield {**key, "parameters": model.get_params(), **figures}


def partitions(block: Line, args: argparse.Namespace, known: list[Line]) -> Iterator[Line]:
    """Cluster the training sessions with every seed at the resolutions of a block that have no line yet."""
    for resolution in block.get("resolutions", []) if _asked(block, args) else []:
        key = {"kind": "partition", "data": block["data"], "protocol": block["protocol"], "resolution": resolution}
        if any({**key, "experiment": args.experiment}.items() <= line.items() for line in known):
            continue
        train = load(block["data"], block["protocol"], args.data, **block.get("choices", {})).train
        seeds = block.get("partition_seeds", [0, 1, 2])
        found = [ItemClusterer(resolution, random_state=seed).fit(train) for seed in seeds]
        pairs = itertools.combinations([one.labels_ for one in found], 2)
        yield {
            **key,
            "n_clusters": found[0].n_clusters_,
            "cluster_sizes": shape(found[0].cluster_sizes_),
            "modularity": round(float(found[0].modularity_), 4),
            "agreement": round(float(np.mean([adjusted_rand_score(*pair) for pair in pairs])), 4),
            "seeds": seeds,
        }


def shape(sizes: np.ndarray) -> Line:
    """What the report says of the sizes of clusters."""
    return {
        "largest": int(sizes.max()),
        "median": float(np.median(sizes)),
        "singletons": int((sizes == 1).sum()),
    }


def _asked(block: Line, args: argparse.Namespace) -> bool:
    """Whether the options leave the data and the protocol of a block in."""
    wanted = ((args.sets, block["data"]), (args.protocols, block["protocol"]))
    return all(words is None or word in words.split(",") for words, word in wanted)
