"""Nearest items beside implicit and scikit-learn: seconds, sessions a second, memory.

taskset -c 1 env OMP_NUM_THREADS=1 python benchmarks/speed/knn.py --data FOLDER [--rounds 3]
[--output FILE]

implicit comes from PyPI into a virtual environment of its own, made in `--venv` when it is not
there. All sides find for every item of Diginetica's training sessions the 100 others with the
highest cosine of their sessions; ours from sessions, the others from a sparse matrix that is made
before the clock starts. Ours and implicit then list 20 items for each test session by the
similarities of its items; scikit-learn has no such step. ``agree`` is the share of the other's
similarities, sorted in each row, that are ours too. Processes take turns; medians of processor
seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from _measure import clocked, data_file, data_option, emit, environment, figures, options, peak_mb
from scipy import sparse

SIDES = ("sessionprompt", "implicit", "scikit-learn")
NEIGHBOURS = 100
LISTED = 20


def main(args: argparse.Namespace) -> None:
    """Let the sides take turns, and write a line for each."""
    python = environment(args.venv, ["implicit==0.7.3"])
    with tempfile.TemporaryDirectory() as folder:
        write_matrices(Path(folder), args)
        runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
        for _ in range(args.rounds):
            for side in SIDES:
                of_side = python if side == "implicit" else sys.executable
                command = [
                    of_side,
                    __file__,
                    "--side",
                    side,
                    "--folder",
                    folder,
                    "--data",
                    args.data or "",
                ]
                done = subprocess.run(
                    command, check=True, capture_output=True, text=True, env=environ(args.threads)
                )
                runs[side].append(json.loads(done.stdout.splitlines()[-1]))
        found = {side: np.load(Path(folder) / f"{side}.npy") for side in SIDES}
    for side, rows in runs.items():
        medians = {
            name: figures(float(np.median([row[name] for row in rows])))
            for name in rows[0]
            if name != "version"
        }
        agree = figures(np.isclose(found[side], found[SIDES[0]], atol=1e-4).mean())
        emit(
            {
                "library": side,
                "version": rows[0]["version"],
                **medians,
                "agree": agree,
                "rounds": args.rounds,
            },
            args,
        )


def environ(threads: int) -> dict[str, str]:
    """The environment with the number of threads of all libraries."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return os.environ | dict.fromkeys(names, str(threads))


def write_matrices(folder: Path, args: argparse.Namespace) -> None:
    """Sessions by items, in training and of visitors, each item of a session once."""
    from sessionprompt.datasets import load_parquet

    train, test = load_parquet(data_file(args.data, "diginetica"))
    for name, sessions in {"train": train, "visitors": test.split_last()[0]}.items():
        shape = (len(sessions), len(sessions.vocabulary))
        parts = (
            np.ones(len(sessions.codes), np.float32),
            sessions.codes.copy(),
            sessions.offsets.copy(),
        )
        matrix = sparse.csr_matrix(parts, shape)
        matrix.sum_duplicates()
        matrix.data[:] = 1
        sparse.save_npz(folder / f"{name}.npz", matrix)


def one(args: argparse.Namespace) -> dict[str, Any]:
    """Figures of one side; the similarities that it found go to a file, sorted, row by row."""
    fit, similarities, answer = {
        "sessionprompt": ours,
        "implicit": implicit,
        "scikit-learn": sklearn,
    }[args.side](args)
    fit_s = clocked(fit)
    line = {"version": version(args.side), "fit_cpu_s": fit_s, "fit_peak_mb": peak_mb()}
    np.save(args.folder / f"{args.side}.npy", similarities())
    if answer is not None:
        n = sparse.load_npz(args.folder / "visitors.npz").shape[0]
        line["sessions_per_cpu_s"] = n / clocked(answer)
    return line


Side = tuple[Callable[[], Any], Callable[[], np.ndarray], Callable[[], Any] | None]


def ours(args: argparse.Namespace) -> Side:
    """This library's nearest items, from sessions."""
    from sessionprompt.baselines import ItemKNN
    from sessionprompt.datasets import load_parquet

    train, test = load_parquet(data_file(args.data, "diginetica"))
    visitors = test.split_last()[0]
    model = ItemKNN(n_neighbors=NEIGHBOURS, shrinkage=0, last_n=None)

    def similarities() -> np.ndarray:
        found = np.zeros((len(train.vocabulary), NEIGHBOURS), np.float32)
        found[train.vocabulary.encode(model.items_)] = highest(model.rules_)
        return found

    return lambda: model.fit(train), similarities, lambda: model.predict(visitors, k=LISTED)


def implicit(args: argparse.Namespace) -> Side:
    """implicit's, from the matrix."""
    from implicit.nearest_neighbours import CosineRecommender

    train, visitors = (
        sparse.load_npz(args.folder / f"{name}.npz") for name in ("train", "visitors")
    )
    model = CosineRecommender(K=NEIGHBOURS + 1, num_threads=1)  # an item is its own neighbour
    users = np.arange(visitors.shape[0])
    return (
        lambda: model.fit(train, show_progress=False),
        lambda: highest(without_diagonal(model.similarity)),
        lambda: model.recommend(users, visitors, N=LISTED, filter_already_liked_items=False),
    )


def sklearn(args: argparse.Namespace) -> Side:
    """scikit-learn's, from the matrix."""
    from sklearn.neighbors import NearestNeighbors

    items = sparse.load_npz(args.folder / "train.npz").T.tocsr()
    model = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, metric="cosine", algorithm="brute")
    found: list[Any] = []

    def fit() -> None:
        found.append(model.fit(items).kneighbors_graph(items, mode="distance"))

    def similarities() -> np.ndarray:
        graph = found[0]
        graph.data = 1 - graph.data
        return highest(without_diagonal(graph))

    return fit, similarities, None


def without_diagonal(matrix: Any) -> Any:
    """The matrix with nothing on its diagonal."""
    matrix = matrix.tocsr()
    matrix.setdiag(0)
    return matrix


def highest(matrix: Any) -> np.ndarray:
    """The highest numbers of each row, falling."""
    rows = np.zeros((matrix.shape[0], NEIGHBOURS), np.float32)
    for row in range(matrix.shape[0]):
        values = np.sort(matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]])[::-1][
            :NEIGHBOURS
        ]
        rows[row, : len(values)] = values
    return rows


if __name__ == "__main__":
    parser = options(__doc__)
    data_option(parser)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--venv", type=Path, default=Path(tempfile.gettempdir()) / "sessionprompt-implicit"
    )
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(one(args)))
    else:
        main(args)
