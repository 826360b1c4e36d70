"""Yoochoose, clicks of the RecSys Challenge 2015: the customary 1/64, or 100,000 clicks.

python benchmarks/yoochoose.py --data FOLDER --file yoochoose1_64 --backbone gru4rec [--prompts
cluster]

369 test items of the 1/64 never occur in training: as targets they count as misses, as inputs they
are blanks with their cluster's prompt.
"""

from __future__ import annotations

from _shared import data_file
from _train import arguments, newest, run

from sessionprompt.datasets import load_parquet
from sessionprompt.sessions import Sessions


def load(args) -> tuple[Sessions, Sessions]:
    """Training and test sessions, ordered by time."""
    train, test = load_parquet(data_file(args.data, args.file))
    return newest(train, args.fraction), test


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument(
        "--file", default="yoochoose1_64", choices=["yoochoose1_64", "yoochoose_100k"]
    )
    args = parser.parse_args()
    run(args.file, args, lambda: load(args))
