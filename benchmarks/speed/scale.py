"""From events on disk to sessions on disk by an engine, and what is learned from these.

python benchmarks/speed/scale.py --scale 1e6,1e7 --items 1e5 --folder FOLDER [--memory 2GB]
    Parquet files made by DuckDB, read and cut into sessions by it; then pairs counted, clusters
    found, an epoch begun and one session answered, each from what the step before has written
python benchmarks/speed/scale.py --catalogue 1e5,1e6,1e7     seconds of the best of so many items
python benchmarks/speed/scale.py --globo FOLDER/globo.parquet --engines polars,duckdb     a real
    log by several engines; lines of equal digests are of equal sessions and of equal graphs

The synthetic log has a user for 20 events and a visit for 5, a minute or two apart. A visit is
about a group of 200 items, of which nine in ten of its events are; groups, and items in them and
outside, are drawn with popularity 1 / rank. --threads are DuckDB's. Every line comes from a process
of its own. Its peak memory counts DuckDB within it, what it imports, and the pages of mapped files
that the system holds for it; `anonymous_mb` leaves these pages out, which it may drop again. An
epoch is timed over `--timed` steps, and `epoch_s` is what so many seconds a step make of all
prefixes. The step `visits`, in place of `read`, saves the visits as they were made, without an
engine. The steps `small` and `evaluate` fit a small pipeline to the first sessions and evaluate it
on all of them.
"""

from __future__ import annotations

import argparse
import json
import resource
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _measure import alone, emit, figures, options, peak_mb, timed
from scipy import sparse

from sessionprompt import load
from sessionprompt.baselines import SequentialRules
from sessionprompt.clustering import ItemClusterer
from sessionprompt.pairs import count_pairs, pair_graph
from sessionprompt.persistence import save
from sessionprompt.pipeline import make_session_pipeline
from sessionprompt.sessions import Sessions
from sessionprompt.storage import fingerprint
from sessionprompt.vocabulary import Vocabulary

PACKAGES = ("numpy", "scipy", "narwhals", "duckdb", "polars", "pyarrow", "torch")
GROUP = 200  # items that a visit may be about
RESOLUTION = 10.0  # clusters of some hundred items
MADE = """
copy (
    select
        (hash(visit) % {n_users})::integer as user,
        case when hash(7 * i + 2) % 10 < 9
            then {group} * (floor(pow({n_groups}, {of_visit})) - 1)
                + floor(pow({group}, {of_event})) - 1
            else floor(pow({n_items}, {of_event})) - 1
        end::integer as item,
        1704067200 + (hash(3 * visit) % 2592000)::bigint + (i % 5) * 60 + (hash(i) % 60)::bigint
            as ts
    from (select i, i // 5 as visit from range({n_events}) as made(i))
) to '{path}' (format parquet, row_group_size 1000000)
"""
DRAWN = "(hash({}) % 4294967296) / 4294967296.0"


def connection(args: argparse.Namespace) -> Any:
    """Connection to DuckDB with its threads and memory, and a folder for the rest."""
    import duckdb

    made = duckdb.connect()
    made.execute(f"set threads = {args.threads}; set memory_limit = '{args.memory}'")
    made.execute(f"set temp_directory = '{args.folder / 'spilled'}'")
    return made


def events(args: argparse.Namespace) -> None:
    """Write the events."""
    sizes = {"n_events": args.events, "n_users": args.events // 20, "n_items": args.items}
    sizes |= {"group": GROUP, "n_groups": args.items // GROUP}
    drawn = {"of_visit": DRAWN.format("5 * visit + 3"), "of_event": DRAWN.format("2 * i + 1")}
    query = MADE.format(path=args.folder / "events.parquet", **sizes, **drawn)
    connection(args).execute(query)


def read(args: argparse.Namespace) -> None:
    """Make sessions of the events and save them."""
    engine = connection(args)
    relation = engine.read_parquet(str(args.folder / "events.parquet"))
    made = Sessions.from_events(relation, user="user", time="ts", gap="30min", min_length=2)
    made.save(args.folder / "sessions")


def visits(args: argparse.Namespace) -> None:
    """Save the visits as they were made, where reading is not what is measured."""
    from pyarrow.parquet import ParquetFile

    items = np.empty(args.events, dtype=np.int32)
    start = 0
    for batch in ParquetFile(args.folder / "events.parquet").iter_batches(columns=["item"]):
        items[start : start + len(batch)] = batch["item"].to_numpy()
        start += len(batch)
    counts = np.zeros(args.items, dtype=np.int64)
    for part in np.split(items, range(10**6, len(items), 10**6)):
        counts += np.bincount(part, minlength=args.items)
    code_of = np.cumsum(counts > 0, dtype=np.int32) - 1
    for part in np.split(items, range(10**6, len(items), 10**6)):
        part[:] = code_of[part]
    offsets = np.append(np.arange(0, args.events, 5), args.events)
    Sessions(items, offsets, Vocabulary(np.flatnonzero(counts))).save(args.folder / "sessions")


def pairs(args: argparse.Namespace) -> None:
    """Count neighbours."""
    graph = count_pairs(Sessions.open(args.folder / "sessions"))
    sparse.save_npz(args.folder / "pairs.npz", graph, compressed=False)


def cluster(args: argparse.Namespace) -> None:
    """Find clusters of the counted pairs, of the ten heaviest of each item."""
    graph = sparse.load_npz(args.folder / "pairs.npz")
    items = Sessions.open(args.folder / "sessions").vocabulary
    settings = {"resolution": RESOLUTION, "top_neighbors": 10, "random_state": 0}
    clusterer = ItemClusterer(algorithm=args.algorithm, **settings).fit_graph(graph, items)
    np.save(args.folder / "labels.npy", clusterer.labels_)
    args.found = {
        "pairs": graph.nnz // 2,
        "clusters": clusterer.n_clusters_,
        "modularity": figures(clusterer.modularity_),
    }


def labelled(args: argparse.Namespace, sessions: Sessions) -> Sessions:
    """Sessions with the clusters that were found."""
    labels = np.load(args.folder / "labels.npy")
    return sessions.with_labels(labels[sessions.codes])


def cluster_sessions(args: argparse.Namespace) -> None:
    """Count and cluster in one call."""
    ItemClusterer(top_neighbors=10, random_state=0).fit(Sessions.open(args.folder / "sessions"))


def epoch(args: argparse.Namespace) -> None:
    """Begin an epoch with the loss over clusters."""
    from skorch.callbacks import Callback

    from sessionprompt.recommender import PromptedSessionRecommender
    from sessionprompt.training import EndOfTraining

    class Clock(Callback):
        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
            self.ends.append(time.process_time())
            if len(self.ends) == args.timed:
                raise EndOfTraining("callback")

    sessions = labelled(args, Sessions.open(args.folder / "sessions"))
    clock = Clock()
    model = PromptedSessionRecommender(
        loss="clusters",
        init="normal",
        recency=None,
        validation_fraction=None,
        refit=False,
        repeats=None,
        max_epochs=1,
        random_state=0,
        net_params={"callbacks": [clock]},
    )
    started = time.process_time()
    model.fit(sessions)
    step_s = float(np.diff(clock.ends[5:]).mean())
    n_prefixes = int(np.maximum(sessions.lengths - 1, 0).sum())
    args.found = {
        "prefixes": n_prefixes,
        "batch": model.batch_size,
        "before_s": figures(clock.ends[0] - started),
        "step_s": figures(step_s),
        "epoch_s": figures(step_s * n_prefixes / model.batch_size),
        "fit_peak_mb": peak_mb(),
    }
    save(model, args.folder / "model")


def answer(args: argparse.Namespace) -> None:
    """Answer one session by the clusters and the model."""
    model = load(args.folder / "model")
    session = labelled(args, Sessions.open(args.folder / "sessions")[:1])

    def best() -> Any:
        return model.predict_topk(session, k=20)

    best()
    args.found = {"answer_ms": figures(1e3 * timed(best, 20)["cpu_s"])}


def rules(args: argparse.Namespace) -> None:
    """Count what follows what."""
    SequentialRules().fit(Sessions.open(args.folder / "sessions"))


def small(args: argparse.Namespace) -> None:
    """Fit a pipeline with vectors of 8 numbers, and rules, to the first 100,000 events."""
    sessions = next(Sessions.open(args.folder / "sessions").pieces(10**5))
    settings = {"dim": 8, "max_epochs": 1, "validation_fraction": None, "random_state": 0}
    save(make_session_pipeline(resolution=1.0, **settings).fit(sessions), args.folder / "small")
    save(SequentialRules().fit(sessions), args.folder / "rules")


def evaluate(args: argparse.Namespace) -> None:
    """Evaluate the small pipeline on all sessions, or on every so many of them."""
    _evaluate(args, "small")


def evaluate_rules(args: argparse.Namespace) -> None:
    """Evaluate the rules."""
    _evaluate(args, "rules")


def _evaluate(args: argparse.Namespace, name: str) -> None:
    model = load(args.folder / name)
    sessions = Sessions.open(args.folder / "sessions")
    if args.every > 1:
        sessions = sessions[:: args.every]
    result = model.evaluate(sessions)
    args.found = {"every": args.every, "targets": result["n_targets"]}
    args.found |= {"unknown": result["n_unknown_targets"], "mrr@20": figures(result["mrr@20"])}


STEPS: dict[str, Callable[[argparse.Namespace], None]] = {
    "events": events,
    "read": read,
    "visits": visits,
    "pairs": pairs,
    "cluster": cluster,
    "epoch": epoch,
    "answer": answer,
    "cluster_sessions": cluster_sessions,
    "rules": rules,
    "small": small,
    "evaluate": evaluate,
    "evaluate_rules": evaluate_rules,
}


class Anonymous(threading.Thread):
    """Most memory of this process, in MB, that no file stands behind; looked up now and then."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Look until the end."""
        while not self.ended.wait(0.05):
            lines = Path("/proc/self/status").read_text().splitlines()
            [found] = [line for line in lines if line.startswith("RssAnon")]
            self.most = max(self.most, int(found.split()[1]) // 2**10)


def step(args: argparse.Namespace) -> dict[str, Any]:
    """Measure one step."""
    before = peak_mb()
    args.found = {}
    watch = Anonymous()
    watch.start()
    line = timed(lambda: STEPS[args.step](args), 1)
    watch.ended.set()
    watch.join()
    size: dict[str, Any] = {"events": args.events}
    if args.step != "events":
        made = Sessions.open(args.folder / "sessions")
        size |= {"left": made.n_events, "sessions": len(made), "items": len(made.vocabulary)}
    memory = {"memory_limit": args.memory, "imports_mb": before, "peak_mb": peak_mb()}
    memory["anonymous_mb"] = watch.most
    return {"step": args.step, **size, **args.found, **line, **memory}


def catalogue(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the 20 best of so many vectors of 64 numbers, for one session and for 64."""
    import torch

    from sessionprompt.scoring import Candidates, scores_against

    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(0)
    candidates = Candidates(torch.randn(args.items, 64, generator=generator))
    found = {}
    for n in (1, 64):
        states = torch.randn(n, 64, generator=generator)
        line = timed(lambda states=states: scores_against(states, candidates).topk(20), 5)
        found[f"sessions_{n}_ms"] = figures(1e3 * line["cpu_s"])
    return {"step": "catalogue", "items": args.items, **found, "peak_mb": peak_mb()}


def _spark(path: str) -> Any:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    return builder.config("spark.sql.shuffle.partitions", "4").getOrCreate().read.parquet(path)


def _dask(path: str) -> Any:
    import dask
    import dask.dataframe as dd

    dask.config.set(scheduler="synchronous")
    return dd.read_parquet(path)


def _duckdb(path: str) -> Any:
    import duckdb

    return duckdb.connect(config={"threads": 1}).read_parquet(path)


def _polars(path: str) -> Any:
    import polars

    return polars.scan_parquet(path)


def _pandas(path: str) -> Any:
    import pandas

    return pandas.read_parquet(path)


ENGINES = {"pandas": _pandas, "polars": _polars, "duckdb": _duckdb, "dask": _dask, "spark": _spark}


def globo(args: argparse.Namespace) -> dict[str, Any]:
    """Make sessions of a real log by one engine."""
    warnings.simplefilter("ignore", FutureWarning)  # of narwhals, on Dask
    made: list[Sessions] = []

    def make() -> None:
        log = ENGINES[args.engines](args.globo)
        read = {"item": "item_id", "user": "user_id", "time": "ts", "gap": "30min"}
        made[:] = [Sessions.from_events(log, **read, min_length=2, min_item_support=5)]

    line = timed(make, 1)
    sessions = made[0]
    columns = {"item": "item_id", "session": "user_id", "order": ["ts", "item_id"]}
    counted: list[Any] = []
    pair_line = timed(lambda: counted.extend(_counted(args, columns)), 1)
    digest = fingerprint(
        sessions.codes,
        sessions.offsets,
        sessions.vocabulary.ids,
        sessions.users,
        sessions.event_times,
        str(sessions.report),
    )
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 2**10
    size = {"left": sessions.n_events, "sessions": len(sessions)}
    memory = {"peak_mb": peak_mb(), "peak_of_children_mb": children}
    same = {"digest": digest[:16], "digest_of_pairs": fingerprint(*counted)[:16]}
    seconds = {**line, "pairs_cpu_s": pair_line["cpu_s"]}
    return {"log": "globo", "engine": args.engines, **size, **same, **seconds, **memory}


def _counted(args: argparse.Namespace, columns: dict[str, Any]) -> list[np.ndarray]:
    """Graph of the items that users clicked one after the other, as arrays."""
    graph, items = pair_graph(count_pairs(ENGINES[args.engines](args.globo), **columns))
    return [graph.data, graph.indices, graph.indptr, items.ids]


def main(args: argparse.Namespace) -> None:
    """Measure what is asked for."""
    lines: dict[str, Any] = {"catalogue": catalogue, "globo": globo}
    if args.step:
        print(json.dumps(lines.get(args.step, step)(args)))
    elif args.globo:
        for engine in args.engines.split(","):
            emit(alone(step="globo", globo=args.globo, engines=engine), args, PACKAGES)
    elif args.catalogue:
        for size in args.catalogue.split(","):
            emit(alone(step="catalogue", items=size), args, PACKAGES)
    else:
        args.folder.mkdir(parents=True, exist_ok=True)
        for size in args.scale.split(","):
            for name in args.steps.split(","):
                kept = ("items", "folder", "memory", "threads", "timed", "algorithm", "every")
                choices = {"events": size} | {choice: getattr(args, choice) for choice in kept}
                emit(alone(step=name, **choices), args, PACKAGES)


def number(text: str) -> int:
    """Whole number that may be written as 1e6."""
    return int(float(text))


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--scale", default="1e6", help="numbers of events")
    parser.add_argument("--items", type=number, default=100_000)
    parser.add_argument("--steps", default="events,read,pairs,cluster,epoch,answer")
    parser.add_argument("--folder", type=Path, default=Path("scale"), help="for what is made")
    parser.add_argument("--memory", default="2GB", help="limit of DuckDB")
    parser.add_argument("--timed", type=number, default=60, help="steps of the epoch")
    parser.add_argument("--algorithm", default="igraph", help="of clustering")
    parser.add_argument("--every", type=number, default=1, help="sessions per evaluated one")
    parser.add_argument("--catalogue", help="numbers of items")
    parser.add_argument("--globo", help="Parquet file of the Globo clicks")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--events", type=number, help=argparse.SUPPRESS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    main(parser.parse_args())
