"""Attributes as prompts and cold items: the same models with, without and with shuffled attributes.

python benchmarks/attributes.py --data FOLDER --file jdata_demo --seeds 0,1,2 --ranks RANKS
python benchmarks/attributes.py --gains RANKS --output benchmarks/results/attribute_gains.jsonl
python benchmarks/attributes.py --table benchmarks/results/attribute_gains.jsonl

Sessions are split in time, the newest tenth for testing. Cold are the targets that no training
session holds, new those of them that do not stand earlier in their session. Where --hold-out names
a share, that share of the items is drawn, the same for all seeds, and every event on them taken out
of the training sessions. --ranks keeps the rank of each target in a file for each model and seed,
from which --gains compares models over all seeds.

Models: "plain" knows no attributes; "prompts" has them, "cold" also recommends the items of the
table that were never clicked, in "unscaled" without what validation tells of their scores;
"shuffled" is "cold" with the rows of the table dealt to other items;
"clusters" has those of the item graph in the place of attributes; "counter" and "nearest" are the
baselines AttributeRules and AttributeKNN.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _gains import KeptRanks, figures, gains, table
from _shared import data_file, data_option, machine, write_line

from sessionprompt import (
    ItemAttributes,
    Pipeline,
    PromptedSessionRecommender,
    Sessions,
    make_session_pipeline,
)
from sessionprompt.baselines import AttributeKNN, AttributeRules
from sessionprompt.metrics import RankedTargets
from sessionprompt.model_selection import temporal_train_test_split

MODELS = ("plain", "prompts", "cold", "shuffled")
ORDER = ("plain", "prompts", "cold", "unscaled", "shuffled", "clusters", "counter", "nearest")
COLUMNS: dict[str, Any] = {
    "jdata_demo": ["category", "brand", "shop", "market_month"],
    "movietweetings": {"genres": "category", "year": "category", "title": "text"},
    "trivago_100k": ["city", "country", "price"],
    "globo_day1": ["vector"],
    "online_retail": {"description": "text", "price": "number"},
    "diginetica": ["category"],
    "yoochoose_100k": [],
}


def arguments() -> argparse.Namespace:
    """Options of this script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data_option(parser)
    parser.add_argument("--file", default="jdata_demo", choices=sorted(COLUMNS))
    parser.add_argument("--models", default=",".join(MODELS), help="comma-separated")
    parser.add_argument("--seeds", default="0", help="comma-separated")
    parser.add_argument("--hold-out", type=float, default=0.0, help="share of the items")
    parser.add_argument("--fraction", type=float, default=1.0, help="newest share of the sessions")
    parser.add_argument("--backbone", default="gru4rec")
    parser.add_argument("--withhold", type=float, default=0.0)
    parser.add_argument("--gate", default="add")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--valid", action="store_true", help="test on the newest training sessions")
    parser.add_argument("--output", type=Path, help="file to append the JSON lines to")
    parser.add_argument("--ranks", type=Path, help="folder to keep the ranks of all targets in")
    parser.add_argument("--gains", type=Path, help="compare the models of such a folder, run none")
    parser.add_argument("--table", type=Path, help="print lines of --gains as a table, run none")
    return parser.parse_args()


def events_of(name: str, folder: str | None) -> pd.DataFrame:
    """Events of a set, as its description says that they are to be taken."""
    if name in ("diginetica", "yoochoose_100k"):
        return pd.read_parquet(data_file(folder, name))
    events = pd.read_parquet(data_file(folder, f"{name}_events"))
    if name == "online_retail":
        products = pd.read_parquet(data_file(folder, f"{name}_items")).query("product").item_id
        sold = ~events.cancelled & (events.quantity > 0) & (events.price > 0)
        return events[sold & events.item_id.isin(products)]
    if name == "trivago_100k":
        same = (events.item_id == events.item_id.shift()) & (
            events.session_id == events.session_id.shift()
        )
        return events[~same]
    return events


def sessions_of(name: str, folder: str | None) -> Sessions:
    """Sessions of two events or more."""
    events = events_of(name, folder)
    columns: dict[str, Any] = {"session": "session_id", "time": "ts"}
    if name == "movietweetings":
        columns = {"user": "user_id", "time": "ts", "gap": "60min"}
    if name == "diginetica":
        columns = {"session": "session_id"}
    return Sessions.from_events(events, item="item_id", min_length=2, **columns)


def without_items(sessions: Sessions, share: float) -> Sessions:
    """Sessions without the events of a share of the items."""
    if not share:
        return sessions
    rng = np.random.default_rng(0)
    n_items = len(sessions.vocabulary)
    gone = rng.permutation(n_items)[: round(share * n_items)]
    kept = ~np.isin(sessions.codes, gone)
    lengths = np.add.reduceat(kept.astype(np.int64), sessions.offsets[:-1])
    left = Sessions(
        sessions.codes[kept],
        np.append(0, np.cumsum(lengths)),
        sessions.vocabulary,
        event_times=None if sessions.event_times is None else sessions.event_times[kept],
        ids=sessions.ids,
    )
    return left.filter(min_length=2)


def model_of(name: str, args: argparse.Namespace, items: pd.DataFrame, seed: int) -> Pipeline:
    """Pipeline of a model's name."""
    common = {"random_state": seed, "max_epochs": args.epochs, "gate": args.gate}
    if name == "plain":
        recommender = PromptedSessionRecommender(args.backbone, prompts=(), **common)
        return Pipeline([("rec", recommender)])
    if name == "clusters":
        return make_session_pipeline(args.backbone, **common)
    columns = COLUMNS[args.file]
    if name in ("counter", "nearest"):
        return Pipeline([("att", _attributes(items, columns)), ("rec", _baseline(name, columns))])
    if name == "shuffled":
        order = np.random.default_rng(seed).permutation(len(items))
        items = items.assign(item_id=items.item_id.to_numpy()[order])
    if name in ("cold", "unscaled", "shuffled"):
        common |= {"cold_items": "attributes", "withhold": args.withhold}
    recommender = PromptedSessionRecommender(args.backbone, prompts=tuple(columns), **common)
    return Pipeline([("att", _attributes(items, columns)), ("rec", recommender)])


def _attributes(items: pd.DataFrame, columns: Any) -> ItemAttributes:
    return ItemAttributes(items, item="item_id", columns=columns)


def _baseline(name: str, columns: Any) -> Any:
    """Counter of all columns but vectors, or the nearest by texts or else the first column."""
    names = list(columns)
    if name == "nearest":
        texts = [one for one in names if one in ("title", "description", "vector")]
        return AttributeKNN((texts + names)[0])
    return AttributeRules([one for one in names if one != "vector"])


def lists_of(ranked: RankedTargets) -> dict[str, Any]:
    """Metrics of lists; that of cold items is None for a model that knows none."""
    values = ranked.summary(["coverage@20", "cold_coverage@20"])
    if np.isnan(values["cold_coverage@20"]):
        values["cold_coverage@20"] = None
    return values


def split(args: argparse.Namespace) -> tuple[Sessions, Sessions]:
    """Training and test sessions."""
    sessions = sessions_of(args.file, args.data)
    sessions = sessions[len(sessions) - round(args.fraction * len(sessions)) :]
    train, test = temporal_train_test_split(sessions, test_size=0.1)
    if args.valid:
        train, test = temporal_train_test_split(train, test_size=0.1)
    return without_items(train, args.hold_out), test


def run(args: argparse.Namespace, seed: int, write: Callable[[dict[str, Any]], None]) -> None:
    """All models on one split."""
    train, test = split(args)
    items = pd.DataFrame()
    if COLUMNS[args.file]:
        items = pd.read_parquet(data_file(args.data, f"{args.file}_items"))
    held = np.bincount(train.codes, minlength=len(test.vocabulary)) > 0
    for name in args.models.split(","):
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = model_of(name, args, items, seed).fit(train)
            fitted = time.perf_counter()
            if name == "unscaled":
                model[-1].cold_scale_ = 1.0
            ranked = model.ranks(test, top=20)
        codes = test.codes[test.offsets[ranked.sessions] + ranked.positions]
        part = "validation" if args.valid else "test"
        setting = {
            "data": args.file,
            "backbone": args.backbone,
            "fraction": args.fraction,
            "hold_out": args.hold_out,
            "epochs": args.epochs,
            "part": part,
            "model": name,
            "gate": args.gate,
            "withhold": args.withhold,
            "seed": seed,
        }
        kept = KeptRanks(setting, ranked, ~held[codes])
        if args.ranks is not None:
            kept.save(args.ranks)
        line = {
            **setting,
            "n_train": len(train),
            "n_items": model[-1].n_items_,
            "best_epoch": getattr(model[-1], "best_epoch_", None),
            "cold_scale": getattr(model[-1], "cold_scale_", None),
            **figures([kept]),
            **lists_of(ranked),
            "seconds_fit": round(fitted - started, 1),
            "seconds_ranks": round(time.perf_counter() - fitted, 1),
        }
        write(line)


def main() -> None:
    """Run all seeds, one after another."""
    args = arguments()
    if args.table is not None:
        print(table(args.table))
        return
    if args.gains is not None:
        for line in gains(args.gains, ORDER):
            write_line(line, args.output)
        return
    about = {
        "threads": len(os.sched_getaffinity(0)),
        **machine(("numpy", "scipy", "scikit-learn", "torch")),
    }
    for seed in map(int, args.seeds.split(",")):
        run(args, seed, lambda line: write_line({**line, **about}, args.output))


if __name__ == "__main__":
    main()
