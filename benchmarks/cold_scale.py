"""What validation tells of the scores of cold items: lists with it, without, and without them.

python benchmarks/cold_scale.py --data FOLDER --file globo_day1 [--fraction 0.4 --epochs 3]

GRU4Rec with the attributes of a log, as in attributes.py, trained once on the oldest 81 percent of
the sessions; the next 9 percent choose the epoch and the scale, the newest tenth are tested. One
line a log: recall@20 of all, cold and warm test targets with the scale that was chosen, with 1, and
with the least, which leaves hardly a cold item in the lists.
"""

from __future__ import annotations

import argparse
import copy
import os
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from _shared import data_file, data_option, machine, write_line
from attributes import COLUMNS, sessions_of

from sessionprompt import ItemAttributes, Pipeline, PromptedSessionRecommender, Sessions
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.network import COLD_SCALES


def main() -> None:
    """Train and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data_option(parser)
    parser.add_argument("--file", default="globo_day1", choices=sorted(COLUMNS))
    parser.add_argument("--fraction", type=float, default=1.0, help="newest share of the sessions")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="file to append the JSON lines to")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    sessions = sessions_of(args.file, args.data)
    sessions = sessions[len(sessions) - round(args.fraction * len(sessions)) :]
    train, test = temporal_train_test_split(sessions, test_size=0.1)
    model = fitted(train, args)
    chosen = model[-1].cold_scale_
    line = {
        "data": args.file,
        "fraction": args.fraction,
        "epochs": args.epochs,
        "seed": args.seed,
        "chosen": chosen,
        "with_chosen": recall(model, test, chosen),
        "with_1": recall(model, test, 1.0),
        "with_least": recall(model, test, min(COLD_SCALES)),
        "threads": len(os.sched_getaffinity(0)),
        **machine(("numpy", "scipy", "scikit-learn", "torch")),
    }
    write_line(line, args.output)


def fitted(train: Sessions, args: argparse.Namespace) -> Pipeline:
    """Model that was trained once, on all but the newest tenth of the training sessions."""
    items = pd.read_parquet(data_file(args.data, f"{args.file}_items"))
    columns = COLUMNS[args.file]
    recommender = PromptedSessionRecommender(
        prompts=tuple(columns),
        cold_items="attributes",
        max_epochs=args.epochs,
        refit=False,
        random_state=args.seed,
    )
    attributes = ItemAttributes(items, item="item_id", columns=columns)
    return Pipeline([("att", attributes), ("rec", recommender)]).fit(train)


def recall(model: Pipeline, test: Sessions, scale: float) -> dict[str, Any]:
    """Recall@20 of all targets and of groups, with another scale of cold items."""
    recommender = copy.copy(model[-1])
    recommender._set_learned(recommender.encoder_, {"cold_scale_": scale})
    scaled = Pipeline([*model.steps[:-1], ("rec", recommender)])
    found = scaled.evaluate(test, metrics=["recall@20"], slices=["cold"])
    groups = found["slices"]["cold"]
    parts = {name: group["recall@20"] for name, group in groups.items()}
    return {"all": found["recall@20"], **parts}


if __name__ == "__main__":
    main()
