"""Item graph and clusters: seconds and memory against events, and a fit on a real log.

python benchmarks/speed/clustering.py --scale 1e5,1e6,1e7,1e8 [--items 1e6]     the item graph of a
synthetic log python benchmarks/speed/clustering.py --data FOLDER/diginetica.parquet
graph, Leiden, whole fits, two seeds

Items of the synthetic log are drawn independently with popularity 1 / rank, which joins more
different pairs than any real log; sessions have 5 events on average. Every size runs in a process
of its own; its peak memory covers the log. The file has the columns session_id, item_id and pos;
with a column split, the rows called train are clustered.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from _measure import alone, emit, figures, options, peak_mb, popular, slope, timed
from sklearn.metrics import adjusted_rand_score

from sessionprompt.clustering import ItemClusterer
from sessionprompt.datasets import load_parquet
from sessionprompt.graphs import item_graph
from sessionprompt.sessions import Sessions

PACKAGES = ("numpy", "scipy", "igraph", "leidenalg")


def graph_of(n_events: int, n_items: int, repeats: int) -> dict[str, Any]:
    """Measure the item graph of a synthetic log."""
    rng = np.random.default_rng(0)
    codes = popular(n_events, n_items, rng)
    ends = np.cumsum(rng.geometric(0.2, size=n_events // 5))
    offsets = np.concatenate([[0], ends[ends < n_events], [n_events]])
    before = peak_mb()
    edges = []
    line = timed(lambda: edges.append(item_graph(codes, offsets, n_items).nnz // 2), repeats)
    size = {"events": n_events, "items": n_items, "edges": edges[0]}
    return {"what": "item_graph", **size, **line, "log_peak_mb": before, "peak_mb": peak_mb()}


def load(path: Path) -> Sessions:
    """Training sessions of a Parquet file, or all if it is not split."""
    loaded = load_parquet(path)
    return loaded if isinstance(loaded, Sessions) else loaded[0]


def clustered(sessions: Sessions, repeats: int, **parameters: Any) -> dict[str, Any]:
    """Measure a whole fit and its share in Leiden, and how far two seeds agree."""
    one, other = (ItemClusterer(**parameters, random_state=seed) for seed in (0, 1))
    other.fit(sessions)
    whole = timed(lambda: one.fit(sessions), repeats)
    leiden = timed(one._partitions, repeats)
    return {
        **parameters,
        "fit": whole,
        "leiden": leiden,
        "modularity": round(one.modularity_, 4),
        "clusters": one.n_clusters_,
        "singletons": int((one.cluster_sizes_ == 1).sum()),
        "largest": int(one.cluster_sizes_[0]),
        "ari_of_two_seeds": round(adjusted_rand_score(one.labels_, other.labels_), 3),
    }


def real(args: argparse.Namespace) -> dict[str, Any]:
    """Measure graph and fits on a real log."""
    sessions = load(args.data)
    n_items = len(sessions.vocabulary)
    graph = timed(lambda: item_graph(sessions.codes, sessions.offsets, n_items), args.repeats)
    edges = item_graph(sessions.codes, sessions.offsets, n_items).nnz // 2
    shared = {"resolution": args.resolution, "n_iterations": args.iterations}
    runs = [
        clustered(sessions, args.repeats, algorithm=algorithm, **shared)
        for algorithm in args.algorithms.split(",")
    ]
    size = {"events": sessions.n_events, "items": n_items, "edges": edges}
    return {"what": args.data.stem, **size, "graph": graph, "runs": runs, "peak_mb": peak_mb()}


def main(args: argparse.Namespace) -> None:
    """Measure what is asked for."""
    if args.one:
        print(json.dumps(graph_of(int(float(args.scale)), args.items, args.repeats)))
    elif args.data:
        emit(real(args), args, PACKAGES)
    else:
        sizes = [int(float(size)) for size in args.scale.split(",")]
        lines = [alone(one=1, scale=size, items=args.items, repeats=args.repeats) for size in sizes]
        fit = {
            f"slope_{key}": slope(sizes, [line[key] for line in lines]) for key in ("s", "cpu_s")
        }
        for line in lines:
            emit(
                {**line, **fit, "us_per_event": figures(1e6 * line["s"] / line["events"])},
                args,
                PACKAGES,
            )


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--scale", default="1e5,1e6,1e7", help="numbers of events")
    parser.add_argument("--items", type=lambda text: int(float(text)), default=10**6)
    parser.add_argument("--data", type=Path, help="Parquet file")
    parser.add_argument("--resolution", type=float, default=1.0)
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--algorithms", default="igraph,leidenalg")
    parser.add_argument("--one", type=int, default=0, help=argparse.SUPPRESS)
    main(parser.parse_args())
