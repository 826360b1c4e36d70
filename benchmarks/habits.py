"""What habits of sessions add to the weights of repeats, on validation sessions alone.

python benchmarks/habits.py --data FOLDER --file diginetica [--fraction 0.25 --epochs 3]

GRU4Rec with the default pipeline, trained once on the older training sessions. Of the newest tenth
the figures are; on the sessions just before them (6 percent of the rest) the weights are learned,
with all columns, without those of habits, and not at all. One line a log: MRR@20 and recall@20 over
all targets, and what habits gain, with intervals over sessions. No test session is looked at.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _quality import HEADLINE, gains
from _shared import data_file, data_option, machine, write_line
from _train import newest

from sessionprompt import Pipeline, Sessions, load, make_session_pipeline
from sessionprompt.blending import Blend, HeldOut, learn_blend
from sessionprompt.datasets import load_parquet
from sessionprompt.encoding import NextItemTargets, prefix_data
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.network import held_out_scores


def main() -> None:
    """Train, learn both blends and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data_option(parser)
    parser.add_argument("--file", default="diginetica")
    parser.add_argument("--fraction", type=float, default=1.0, help="newest share of the sessions")
    parser.add_argument("--epochs", type=int, help="None leaves their number to the default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="where the model is kept, or found")
    parser.add_argument("--output", type=Path, help="file to append the JSON lines to")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    loaded = load_parquet(data_file(args.data, args.file))
    if not isinstance(loaded, Sessions):
        loaded = loaded[0]
    train, test = temporal_train_test_split(newest(loaded, args.fraction), test_size=0.1)
    model, held_out = fitted(args, *temporal_train_test_split(train, test_size=0.06))
    own = held_out.own
    plain = replace(held_out, own=replace(own, habits=np.zeros_like(own.habits)))
    blends = {"none": None, "without": learn_blend(plain), "with": learn_blend(held_out)}
    ranked = {name: ranks(model, blend, test) for name, blend in blends.items()}
    line = {
        "data": args.file,
        "fraction": args.fraction,
        "seed": args.seed,
        "epochs": len(model[-1].history_),
        "n_items": model[-1].n_items_,
        **{name: found.summary(HEADLINE) for name, found in ranked.items()},
        "gain": gains(ranked["with"], ranked["without"]),
        "blend": blends["with"] and blends["with"].to_dict(),
        **machine(("numpy", "scipy", "scikit-learn", "torch")),
    }
    write_line(line, args.output)


def fitted(args: argparse.Namespace, train: Sessions, tail: Sessions) -> tuple[Pipeline, HeldOut]:
    """Pipeline that was trained once, and what its network says of the tail."""
    if args.model is not None and args.model.exists():
        model = load(args.model)
    else:
        params = {"max_epochs": args.epochs or "auto", "refit": False, "patience": None}
        model = make_session_pipeline("gru4rec", random_state=args.seed, **params)
        model.fit(train, X_val=tail)
        if args.model is not None:
            model.save(args.model)
    recommender = model[-1]
    targets = NextItemTargets.of(model[:-1].transform(tail), recommender.encoder_)
    data, _ = prefix_data(targets, recommender.encoder_, recommender.max_length, True)
    return model, held_out_scores(recommender.network_, data, recommender.batch_size)


def ranks(model: Pipeline, blend: Blend | None, test: Sessions) -> Any:
    """Ranks of all targets under another blend."""
    model[-1].blend_ = blend
    return model.ranks(test)


if __name__ == "__main__":
    main()
