"""Diginetica (CIKM Cup 2016 item views): train on its newest share, test on the official last week.

python benchmarks/diginetica.py --data FOLDER --fraction 0.25 --backbone gru4rec [--prompts cluster]
"""

from __future__ import annotations

from _shared import data_file
from _train import arguments, newest, run

from sessionprompt.datasets import load_parquet
from sessionprompt.sessions import Sessions


def load(args) -> tuple[Sessions, Sessions]:
    """Training and test sessions; the file's order of sessions is their order in time."""
    train, test = load_parquet(data_file(args.data, args.file))
    return newest(train, args.fraction), test


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.set_defaults(file="diginetica")
    args = parser.parse_args()
    run("diginetica", args, lambda: load(args))
