"""From events on disk to sessions on disk by an engine, and what is learned from these.

python benchmarks/speed/scale.py --scale 1e6,1e7 --folder FOLDER [--memory 2GB]     Parquet files
made by DuckDB, read and cut into sessions by it, clustered from the folder they are saved to
python benchmarks/speed/scale.py --globo FOLDER/globo.parquet --engines polars,duckdb     a real
log by several engines; lines of equal digests are of equal sessions

The synthetic log has a user for 20 events and a visit for 5, whose events are a minute or two apart
and whose items are drawn with popularity 1 / rank out of one for 20 events, at most a million.
Every line comes from a process of its own, whose peak memory includes that of DuckDB within it and
of what it imports.
"""

from __future__ import annotations

import argparse
import json
import resource
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _measure import alone, emit, options, peak_mb, timed

from sessionprompt.baselines import SequentialRules
from sessionprompt.clustering import ItemClusterer
from sessionprompt.sessions import Sessions
from sessionprompt.storage import fingerprint

PACKAGES = ("numpy", "narwhals", "duckdb", "polars", "pyarrow")
MOST_ITEMS = 10**6
MADE = """
copy (
    select
        (hash(i // 5) % {n_users})::integer as user,
        floor(pow({n_items}, (hash(2 * i + 1) % 4294967296) / 4294967296.0))::integer as item,
        1704067200 + (hash(3 * (i // 5)) % 2592000)::bigint + (i % 5) * 60 + (hash(i) % 60)::bigint
            as ts
    from range({n_events}) as made(i)
) to '{path}' (format parquet, row_group_size 1000000)
"""


def connection(memory: str, folder: Path) -> Any:
    """Connection to DuckDB with one thread, so much memory and a folder for the rest."""
    import duckdb

    made = duckdb.connect()
    made.execute(f"set threads = 1; set memory_limit = '{memory}'")
    made.execute(f"set temp_directory = '{folder / 'spilled'}'")
    return made


def events(args: argparse.Namespace) -> None:
    """Write the events."""
    n_items = min(args.events // 20, MOST_ITEMS)
    sizes = {"n_events": args.events, "n_users": args.events // 20, "n_items": n_items}
    query = MADE.format(path=args.folder / "events.parquet", **sizes)
    connection(args.memory, args.folder).execute(query)


def read(args: argparse.Namespace) -> None:
    """Make sessions of the events and save them."""
    engine = connection(args.memory, args.folder)
    relation = engine.read_parquet(str(args.folder / "events.parquet"))
    made = Sessions.from_events(relation, user="user", time="ts", gap="30min", min_length=2)
    made.save(args.folder / "sessions")


def cluster(args: argparse.Namespace) -> None:
    """Find clusters of the items."""
    ItemClusterer(random_state=0).fit(Sessions.open(args.folder / "sessions"))


def rules(args: argparse.Namespace) -> None:
    """Count what follows what."""
    SequentialRules().fit(Sessions.open(args.folder / "sessions"))


STEPS: dict[str, Callable[[argparse.Namespace], None]] = {
    "events": events,
    "read": read,
    "cluster": cluster,
    "rules": rules,
}


def step(args: argparse.Namespace) -> dict[str, Any]:
    """Measure one step."""
    before = peak_mb()
    line = timed(lambda: STEPS[args.step](args), 1)
    size: dict[str, Any] = {"events": args.events}
    if args.step != "events":
        made = Sessions.open(args.folder / "sessions")
        size |= {"left": made.n_events, "sessions": len(made), "items": len(made.vocabulary)}
    memory = {"memory_limit": args.memory, "imports_mb": before, "peak_mb": peak_mb()}
    return {"step": args.step, **size, **line, **memory}


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
    return {"log": "globo", "engine": args.engines, **size, "digest": digest[:16], **line, **memory}


def main(args: argparse.Namespace) -> None:
    """Measure what is asked for."""
    if args.step:
        print(json.dumps(step(args)))
    elif args.one:
        print(json.dumps(globo(args)))
    elif args.globo:
        for engine in args.engines.split(","):
            emit(alone(one=1, globo=args.globo, engines=engine), args, PACKAGES)
    else:
        args.folder.mkdir(parents=True, exist_ok=True)
        for size in args.scale.split(","):
            for name in args.steps.split(","):
                choices = {"events": size, "folder": args.folder, "memory": args.memory}
                emit(alone(step=name, **choices), args, PACKAGES)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--scale", default="1e6", help="numbers of events")
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--folder", type=Path, default=Path("scale"), help="for what is made")
    parser.add_argument("--memory", default="2GB", help="limit of DuckDB")
    parser.add_argument("--globo", help="Parquet file of the Globo clicks")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--events", type=lambda text: int(float(text)), help=argparse.SUPPRESS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--one", type=int, default=0, help=argparse.SUPPRESS)
    main(parser.parse_args())
