"""Diginetica (CIKM Cup 2016 item views): train on its newest share, test on the official last week.

python benchmarks/diginetica.py --data FOLDER --fraction 0.25 --backbone gru4rec [--prompts cluster]
"""

from __future__ import annotations

import narwhals as nw
from _train import arguments, newest, read_parquet, run

from sessionprompt.sessions import Sessions


def load(args) -> tuple[Sessions, Sessions]:
    """Training and test sessions; the file's order of sessions is their order in time."""
    events = read_parquet(args, args.file).sort("session_id", "pos")
    parts = [
        Sessions.from_events(events.filter(nw.col("split") == part), item="item_id", session="session_id")
        for part in ("train", "test")
    ]
    return newest(parts[0], args.fraction), parts[1]


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.set_defaults(file="diginetica")
    args = parser.parse_args()
    run("diginetica", args, lambda: load(args))
