"""Clustering the items of a log: seconds for the graph, for each Leiden and for a whole fit, and how partitions agree.

python benchmarks/clustering.py --data FOLDER/diginetica.parquet

The file has the columns session_id, item_id and pos; with a column split, the rows called train are clustered.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import narwhals as nw
from sklearn.metrics import adjusted_rand_score

from sessionprompt.clustering import ItemClusterer
from sessionprompt.graphs import item_graph
from sessionprompt.sessions import Sessions


def load(path: Path) -> Sessions:
    """Training sessions of a Parquet file."""
    events = nw.read_parquet(str(path), backend="polars").sort("session_id", "pos")
    if "split" in events.columns:
        events = events.filter(nw.col("split") == "train")
    return Sessions.from_events(events, item="item_id", session="session_id")


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """Result of an action, and its seconds."""
    start = time.perf_counter()
    return action(), round(time.perf_counter() - start, 3)


def clustered(sessions: Sessions, **parameters: Any) -> dict[str, Any]:
    """A whole fit, and the agreement of its partition with that of another seed."""
    one, other = (ItemClusterer(**parameters, random_state=seed) for seed in (0, 1))
    _, seconds = timed(lambda: one.fit(sessions))
    return {
        **parameters,
        "fit_s": seconds,
        "modularity": round(one.modularity_, 4),
        "clusters": one.n_clusters_,
        "singletons": int((one.cluster_sizes_ == 1).sum()),
        "largest": int(one.cluster_sizes_[0]),
        "ari_of_two_seeds": round(adjusted_rand_score(one.labels_, other.fit(sessions).labels_), 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Parquet file")
    parser.add_argument("--resolution", type=float, default=1.0)
    parser.add_argument("--iterations", type=int, default=2)
    args = parser.parse_args()
    sessions = load(args.data)
    graph, graph_s = timed(lambda: item_graph(sessions.codes, sessions.offsets, len(sessions.vocabulary)))
    shared = {"resolution": args.resolution, "n_iterations": args.iterations}
    runs = [clustered(sessions, algorithm=algorithm, **shared) for algorithm in ("igraph", "leidenalg")]
    size = {"events": sessions.n_events, "items": len(sessions.vocabulary), "edges": graph.nnz // 2}
    print(json.dumps({"data": args.data.stem, **size, "graph_s": graph_s, "runs": runs}))
