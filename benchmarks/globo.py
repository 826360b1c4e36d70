"""Globo, news clicks with users: the filter of the paper, the newest tenth as test.

python benchmarks/globo.py --data FOLDER --backbone gru4rec --prompts user,cluster [--users 5000]
"""

from __future__ import annotations

import numpy as np
from _shared import data_file
from _train import arguments, newest, run

from sessionprompt.datasets import load_parquet, paper_filter
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.sessions import Sessions


def load(args) -> tuple[Sessions, Sessions]:
    """Training and test sessions of all users, or of a fixed random sample of them."""
    sessions = paper_filter(load_parquet(data_file(args.data, args.file)))
    if args.users:
        known = np.unique(sessions.users)
        chosen = np.random.default_rng(0).choice(
            known, size=min(args.users, len(known)), replace=False
        )
        sessions = sessions[np.isin(sessions.users, chosen)]
    train, test = temporal_train_test_split(sessions, test_size=0.1)
    return newest(train, args.fraction), test


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--file", default="globo", choices=["globo", "lastfm_10users"])
    parser.add_argument(
        "--users", type=int, default=0, help="size of the sample of users; 0 takes all"
    )
    args = parser.parse_args()
    run(args.file, args, lambda: load(args))
