"""How far SLIST's sparse iteration is from the dense solution, in the matrix and in the metrics.

python benchmarks/slist.py --data FOLDER --file yoochoose_100k [--alpha 0.4] [--past last] [--output
FILE]

The dense solution takes 8 bytes for every pair of items, twice over, and minutes from 10,000 items
on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from _shared import data_file, data_option, machine, write_line
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from sessionprompt.baselines import SLIST
from sessionprompt.datasets import load_parquet
from sessionprompt.sessions import Sessions

METRICS = ["mrr@5", "recall@5", "mrr@20", "recall@20"]


class DenseSLIST(SLIST):
    """SLIST with the whole matrix."""

    def _learn(self, rows: Any) -> None:
        gram, moments = (
            matrix.astype(np.float32).toarray() for matrix in self._normal_equations(rows)
        )
        factor = cho_factor(gram, lower=True, overwrite_a=True)
        self.rules_ = np.maximum(cho_solve(factor, moments, overwrite_b=True), 0)

    def _relevance(self, prefixes: Any) -> Any:
        speakers = prefixes.matrix(self._weights(prefixes.steps), self.n_items_)
        return sparse.csr_array(speakers.astype(np.float32) @ self.rules_)


def compare(model: SLIST, exact: DenseSLIST, train: Sessions, test: Sessions) -> dict[str, Any]:
    """Fit; relative error of the rows of the matrix, and what it does to the metrics."""
    started = time.process_time()
    model.fit(train)
    seconds = time.process_time() - started
    norms = np.maximum(np.linalg.norm(exact.rules_, axis=1), np.finfo(np.float32).tiny)
    errors = np.concatenate(
        [
            np.linalg.norm(
                model.rules_[first : first + 500].toarray() - exact.rules_[first : first + 500],
                axis=1,
            )
            for first in range(0, len(norms), 500)
        ]
    )
    found = model.evaluate(test, metrics=METRICS)
    return {
        "n_neighbors": model.n_neighbors,
        "tol": model.tol,
        "processor_seconds_fit": round(seconds, 1),
        "row_error": {
            name: float(f"{np.quantile(errors / norms, share):.2g}")
            for name, share in (("median", 0.5), ("99%", 0.99), ("greatest", 1))
        },
        **{name: round(found[name], 5) for name in METRICS},
    }


def main() -> None:
    """Fit both and print a line for each setting of the sparse one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data_option(parser)
    parser.add_argument("--file", default="yoochoose_100k")
    parser.add_argument("--alpha", type=float, default=0.4)
    parser.add_argument("--past", default="last")
    parser.add_argument("--output", type=Path, help="file to append the JSON line to")
    args = parser.parse_args()
    train, test = load_parquet(data_file(args.data, args.file))
    exact = DenseSLIST(alpha=args.alpha, past=args.past).fit(train)
    found = exact.evaluate(test, metrics=METRICS)
    settings = [(200, 0.1), (200, 0.01), (200, 1e-3), (50, 0.01), (100, 0.01), (500, 0.01)]
    line = {
        "data": args.file,
        "alpha": args.alpha,
        "past": args.past,
        "n_items": exact.n_items_,
        "exact": {name: round(found[name], 5) for name in METRICS},
        "sparse": [
            compare(
                SLIST(alpha=args.alpha, past=args.past, n_neighbors=n, tol=tol), exact, train, test
            )
            for n, tol in settings
        ],
        **machine(("numpy", "scipy", "scikit-learn")),
    }
    write_line(line, args.output)


if __name__ == "__main__":
    main()
