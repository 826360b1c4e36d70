"""Clusters of graphs with fewer edges, and of other packages: modularity, agreement, seconds.

python benchmarks/thin_graphs.py --data FOLDER --file diginetica [--output FILE]

The item graph of the training sessions is searched whole by each package, and by igraph with light
edges left out: those that count less than `min_count`, or that are not among the `top_neighbors`
heaviest of either end. Modularity is that of the whole graph; agreement is the adjusted mutual
information with igraph's clusters of the whole graph, beside that of igraph with another seed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from _shared import data_file, data_option, machine, write_line
from scipy import sparse
from sklearn.metrics import adjusted_mutual_info_score

from sessionprompt.clustering import ItemClusterer
from sessionprompt.datasets import load_parquet
from sessionprompt.graphs import item_graph
from sessionprompt.pairs import sparsified
from sessionprompt.vocabulary import Vocabulary

WAYS: dict[str, dict[str, Any]] = {
    "whole": {},
    "another seed": {"random_state": 1},
    **{f"min_count {count}": {"min_count": count} for count in (2, 3)},
    **{f"top_neighbors {size}": {"top_neighbors": size} for size in (20, 10, 5, 3)},
    "sknetwork": {"algorithm": "sknetwork"},
    "leidenalg": {"algorithm": "leidenalg"},
}


def graph_of(path: Path) -> tuple[sparse.csr_array, Vocabulary]:
    """Item graph of training sessions, and its items."""
    train, _ = load_parquet(path)
    items, codes = np.unique(train.codes, return_inverse=True)
    return item_graph(codes, train.offsets, len(items)), train.vocabulary.subset(items)


def measured(
    graph: sparse.csr_array, vocabulary: Vocabulary, settings: dict[str, Any]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Clusters of a graph by a clusterer of these settings, and what is to be said of them."""
    clusterer = ItemClusterer(**{"random_state": 0, **settings})
    names = ("min_count", "top_neighbors")
    started = time.process_time()
    clusterer.fit_graph(graph, vocabulary)
    seconds = time.process_time() - started
    thin = sparsified(graph, **{name: settings[name] for name in names if name in settings})
    return clusterer.labels_, {
        "edges": graph.nnz // 2,
        "searched": thin.nnz // 2,
        "clusters": int(clusterer.n_clusters_),
        "in_clusters_of_10": round(float(share_in_clusters(clusterer.labels_, 10)), 4),
        "modularity": round(float(clusterer.modularity_), 4),
        "cpu_s": round(seconds, 2),
    }


def share_in_clusters(labels: np.ndarray, size: int) -> float:
    """Share of the items that are in clusters of so many items or more."""
    return float((np.bincount(labels)[labels] >= size).mean())


def main() -> None:
    """Write a line for every way."""
    parser = argparse.ArgumentParser(description=__doc__)
    data_option(parser)
    parser.add_argument("--file", default="diginetica")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    packages = ("numpy", "scipy", "igraph", "leidenalg", "scikit-network")
    fixed = {"data": args.file, "seed": 0, **machine(packages)}
    graph, vocabulary = graph_of(data_file(args.data, args.file))
    whole = None
    for way, settings in WAYS.items():
        labels, line = measured(graph, vocabulary, settings)
        if whole is None:
            whole = labels
        agreement = round(float(adjusted_mutual_info_score(whole, labels)), 4)
        write_line({"way": way, **line, "agreement": agreement, **fixed}, args.output)


if __name__ == "__main__":
    main()
