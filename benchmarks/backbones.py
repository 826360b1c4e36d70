"""Ten backbones, plain and prompted, with one budget: newest quarter of Diginetica, d = 64.

python benchmarks/backbones.py --data FOLDER --output FILE [--only narm,core] [--variants
cosine,candidates] [--no-test]

Each run appends one JSON line; a run whose line is in the file already is not repeated, so the
script can be stopped and started again. `--table FILE` prints the table of the lines in a file
instead.
"""

from __future__ import annotations

import json
from argparse import Namespace
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from _shared import data_file, markdown_table
from _train import arguments, newest, run

from sessionprompt.backbones import BACKBONES
from sessionprompt.datasets import load_parquet
from sessionprompt.presets import PAPER

# A rate, a schedule and a number of epochs for all; the best epoch by validation is tested. The
# network alone is, trained with the full softmax on sessions that all count alike.
NETWORK_ALONE = {"repeats": None, "loss": "full", "recency": None}
BUDGET = {"lr": 0.005, "lr_schedule": "linear", "max_epochs": 3, **NETWORK_ALONE}
INPUTS = {name: PAPER[name] for name in ("gate", "prompt_candidates", "scoring")}
VARIANTS: dict[str, tuple[str, str, dict]] = {  # prompts, resolution, parameters
    "plain": ("", "1.0", {"scoring": "dot"}),
    "cosine": ("", "1.0", {"scoring": "cosine"}),
    "paper": ("cluster", "1.0", INPUTS),
    "candidates": ("cluster", "0.3,1,8,64", {"scoring": "cosine"}),
}
COLUMNS = ("mrr@5", "recall@5", "mrr@20", "recall@20")


def main() -> None:
    """Run what is missing, or print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--only", default=",".join(BACKBONES), help="backbones, with commas")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="variants, with commas")
    parser.add_argument("--table", type=Path, help="print the table of this file")
    parser.set_defaults(fraction=0.25)
    args = parser.parse_args()
    if args.table:
        print(table(args.table))
        return
    done = (
        {json.loads(line)["name"] for line in args.output.open()} if args.output.exists() else set()
    )
    for variant in args.variants.split(","):
        for backbone in args.only.split(","):
            args.name = f"{backbone} {variant} {args.seed}"
            args.backbone = backbone
            args.prompts, args.resolution, params = VARIANTS[variant]
            overruled = BACKBONES[backbone].scoring not in (None, params["scoring"])  # by the model
            if args.name in done or (overruled and not args.prompts):
                continue
            args.set = [
                f"{name}={json.dumps(value)}" for name, value in {**BUDGET, **params}.items()
            ]
            # of its own, for its own peak of memory
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                process.submit(one_run, args).result()


def one_run(args: Namespace) -> None:
    """Train and test one backbone in one variant."""
    train, test = load_parquet(data_file(args.data, "diginetica"))
    run("diginetica", args, lambda: (newest(train, args.fraction), test))


def table(path: Path) -> str:
    """Markdown of the lines, in % over targets that the model knows."""
    heads = ["backbone", "variant", *COLUMNS, "s/epoch", "best epoch", "peak GB"]
    rows = []
    for line in sorted(map(json.loads, path.open()), key=lambda line: line["name"]):
        backbone, variant, _ = line["name"].split()
        scores = [f"{100 * line['test_known'][column]:.2f}" for column in COLUMNS]
        cost = [
            str(line["seconds_per_epoch"]),
            f"{line['best_epoch']} of {line['epochs']}",
            str(line["peak_gb"]),
        ]
        rows.append([backbone, variant, *scores, *cost])
    return markdown_table(heads, rows)


if __name__ == "__main__":
    main()
