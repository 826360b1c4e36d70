"""Lines without a network: baselines, and the partitions of the resolution curve."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from _data import data_hash, load
from _quality import measured
from sklearn.metrics import adjusted_rand_score

from sessionprompt import baselines as models
from sessionprompt.clustering import ItemClusterer

__all__ = ["baselines", "missing_lines", "partitions", "shape"]

Line = dict[str, Any]


def missing_lines(block: Line, args: argparse.Namespace, known: list[Line]) -> list[Line]:
    """What the lines without a network will say first that a block does not have yet."""
    return [
        *_missing("baseline", "model", "baselines", block, args, known),
        *_missing("partition", "resolution", "resolutions", block, args, known),
    ]


def baselines(block: Line, args: argparse.Namespace, known: list[Line]) -> Iterator[Line]:
    """Fit the baselines of a block that have no line yet, on the training sessions alone."""
    keys = _missing("baseline", "model", "baselines", block, args, known)
    if not keys:
        return
    split = _split(block, args)
    for key in keys:
        model = getattr(models, key["model"])().fit(split.train)
        figures = {**measured(model.ranks(split.test)), "data_hash": data_hash(split)}
        yield {**key, "parameters": model.get_params(), **figures}


def partitions(block: Line, args: argparse.Namespace, known: list[Line]) -> Iterator[Line]:
    """Cluster the training sessions with every seed at the resolutions that have no line yet."""
    keys = _missing("partition", "resolution", "resolutions", block, args, known)
    if not keys:
        return
    split = _split(block, args)
    seeds = block.get("partition_seeds", [0, 1, 2])
    for key in keys:
        found = [
            ItemClusterer(key["resolution"], random_state=seed).fit(split.train) for seed in seeds
        ]
        pairs = itertools.combinations([one.labels_ for one in found], 2)
        yield {
            **key,
            "n_clusters": found[0].n_clusters_,
            "cluster_sizes": shape(found[0].cluster_sizes_),
            "modularity": round(float(found[0].modularity_), 4),
            "agreement": round(float(np.mean([adjusted_rand_score(*pair) for pair in pairs])), 4),
            "seeds": seeds,
        }


def _missing(
    kind: str,
    name: str,
    axis: str,
    block: Line,
    args: argparse.Namespace,
    known: list[Line],
) -> list[Line]:
    """What the lines will say first that the experiment does not have yet, one per value."""
    shared = {"kind": kind, "data": block["data"], "protocol": block["protocol"]}
    keys = [{**shared, name: value} for value in block.get(axis, [])]
    own = [line for line in known if line["experiment"] == args.experiment]
    return [key for key in keys if not any(key.items() <= line.items() for line in own)]


def _split(block: Line, args: argparse.Namespace) -> Any:
    return load(block["data"], block["protocol"], args.data, **block.get("choices", {}))


def shape(sizes: np.ndarray) -> Line:
    """What the report says of the sizes of clusters."""
    return {
        "largest": int(sizes.max()),
        "median": float(np.median(sizes)),
        "singletons": int((sizes == 1).sum()),
    }
