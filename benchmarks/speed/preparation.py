"""From a table of events to sessions: seconds and memory against events and library.

python benchmarks/speed/preparation.py --tables pandas-object,polars [--events 1e6]     two shuffled
string columns python benchmarks/speed/preparation.py --scale 1e5,1e6,1e7 [--tables integers]
the slope over sizes python benchmarks/speed/preparation.py --globo FOLDER/globo.parquet
a real log, filtered and split

The synthetic log has a user for 20 events and a session for 5, whose events are 10 seconds to 5
minutes apart and whose items are drawn with popularity 1 / rank out of one for 20 events; its rows
are shuffled. Every line comes from a process of its own; its peak memory covers the table too,
whose own share stands beside it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from _measure import alone, emit, options, peak_mb, popular, slope, timed

from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.sessions import Sessions

Log = dict[str, np.ndarray]


def _pandas(dtype: Any) -> Callable[[Log], Any]:
    def make(log: Log) -> Any:
        columns = {name: pd.Series(log[name], dtype=dtype) for name in ("user", "item")}
        return pd.DataFrame({**columns, "time": log["time"]})

    return make


def _arrow(log: Log) -> pa.Table:
    return pa.table({name: pa.array(column) for name, column in log.items()})


TABLES: dict[str, Callable[[Log], Any]] = {
    "pandas-object": _pandas(object),
    "pandas-str": _pandas("str"),
    "pandas-arrow": _pandas(pd.ArrowDtype(pa.string())),
    "polars": lambda log: pl.from_arrow(_arrow(log)),
    "pyarrow": _arrow,
    "integers": pd.DataFrame,
}


def synthetic(n_events: int, strings: bool) -> Log:
    """Columns user, item and time of a shuffled log."""
    rng = np.random.default_rng(0)
    lengths = rng.geometric(0.2, size=n_events // 5)
    session = np.resize(np.repeat(np.arange(len(lengths)), lengths), n_events)
    session.sort()
    pause = rng.integers(10 * 10**6, 300 * 10**6, size=n_events)
    starts = rng.integers(30 * 86400 * 10**6, size=len(lengths))
    user = rng.integers(n_events // 20, size=len(lengths))[session]
    item = popular(n_events, n_events // 20, rng)
    within = np.cumsum(pause)
    within -= within[np.searchsorted(session, session)]
    time = np.datetime64("2024-01-01", "us") + (starts[session] + within).astype("timedelta64[us]")
    rows = rng.permutation(n_events)
    if not strings:
        return {"user": user[rows], "item": item[rows], "time": time[rows]}
    return {
        "user": _named("user", user[rows]),
        "item": _named("item", item[rows]),
        "time": time[rows],
    }


def _named(kind: str, codes: np.ndarray) -> np.ndarray:
    """A string for each row, every row's own object as in a file just read."""
    return np.array([f"{kind}-{code:08d}" for code in codes.tolist()], dtype=object)


def one(table: str, n_events: int, repeats: int) -> dict[str, Any]:
    """Measure one library at one size."""
    frame = TABLES[table](synthetic(n_events, strings=table != "integers"))
    before = peak_mb()
    made: list[Sessions] = []

    def prepare() -> None:
        made[:] = [Sessions.from_events(frame, user="user", time="time", gap="30min")]

    prepare()  # the first call imports
    line = timed(prepare, repeats)
    size = {"events": n_events, "sessions": len(made[0]), "items": len(made[0].vocabulary)}
    return {"table": table, **size, **line, "table_peak_mb": before, "peak_mb": peak_mb()}


def globo(path: str, repeats: int) -> dict[str, Any]:
    """Sessionise, filter and split the clicks of a news portal."""
    clicks = pl.read_parquet(path)
    parts: list[Sessions] = []

    def prepare() -> None:
        made = Sessions.from_events(
            clicks,
            item="item_id",
            user="user_id",
            session="session_id",
            time="ts",
            min_length=3,
            min_item_support=5,
            min_user_sessions=5,
        )
        parts[:] = temporal_train_test_split(made, test_size=0.1)

    line = timed(prepare, repeats)
    events = [part.n_events for part in parts]
    return {
        "table": "globo",
        "events": len(clicks),
        "events_left": events,
        **line,
        "peak_mb": peak_mb(),
    }


def main(args: argparse.Namespace) -> None:
    """Measure what is asked for."""
    if args.one:
        print(json.dumps(one(args.tables, args.events, args.repeats)))
    elif args.globo:
        emit(globo(args.globo, args.repeats), args, PACKAGES)
    elif args.scale:
        sizes = [int(float(size)) for size in args.scale.split(",")]
        for table in args.tables.split(","):
            lines = [
                alone(one=1, tables=table, events=size, repeats=args.repeats) for size in sizes
            ]
            kinds = ("s", "cpu_s") if len(sizes) > 1 else ()
            fit = {f"slope_{kind}": slope(sizes, [line[kind] for line in lines]) for kind in kinds}
            for line in lines:
                emit(line | fit, args, PACKAGES)
    else:
        for table in args.tables.split(","):
            emit(
                alone(one=1, tables=table, events=args.events, repeats=args.repeats), args, PACKAGES
            )


PACKAGES = ("numpy", "scipy", "narwhals", "pandas", "polars", "pyarrow")

if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--events", type=lambda text: int(float(text)), default=10**6)
    parser.add_argument("--scale", help="sizes to fit a slope over")
    parser.add_argument("--globo", help="Parquet file of the Globo clicks")
    parser.add_argument("--one", type=int, default=0, help=argparse.SUPPRESS)
    main(parser.parse_args())
