"""GridSearchCV over the resolution of the clusters, with cross-validation by time.

python benchmarks/grid_search.py --data FOLDER --output benchmarks/results/grid_search.json
"""

from __future__ import annotations

import json

import numpy as np
import torch
from _train import arguments, build, outfit
from sklearn.model_selection import GridSearchCV
from yoochoose import load

from sessionprompt.metrics import SessionScorer
from sessionprompt.model_selection import TemporalSessionSplit

RESOLUTIONS = [0.3, 1.0, 3.0, 10.0, 30.0]
SCORES = ["mrr@5", "recall@5", "mrr@20", "recall@20"]


def main() -> None:
    """Search, print the table, test the refitted best once."""
    parser = arguments(__doc__)
    parser.set_defaults(file="yoochoose_100k", prompts="cluster")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    train, test = load(args)
    search = GridSearchCV(
        build(args),
        {"clu__resolution": RESOLUTIONS},
        cv=TemporalSessionSplit(3),
        scoring=SessionScorer(SCORES),
        refit="mrr@5",
        error_score="raise",
    ).fit(train)
    rows = [
        {
            "resolution": params["clu__resolution"],
            **{
                score: round(float(search.cv_results_[f"mean_test_{score}"][i]), 5)
                for score in SCORES
            },
            "std mrr@5": round(float(search.cv_results_["std_test_mrr@5"][i]), 5),
            "seconds_fit": round(float(search.cv_results_["mean_fit_time"][i]), 1),
        }
        for i, params in enumerate(search.cv_results_["params"])
    ]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    best = search.best_estimator_
    result = {
        "data": args.file,
        "cv": "TemporalSessionSplit(3)",
        "rows": rows,
        "best": search.best_params_,
        "n_clusters_of_best": np.atleast_1d(best[0].n_clusters_).tolist(),
        "test": best.evaluate(test, metrics=SCORES),
        "seed": args.seed,
        **outfit(args),
    }
    if args.output:
        args.output.write_text(json.dumps(result, indent=1, default=str) + "\n")
    print(json.dumps(result["test"]))


if __name__ == "__main__":
    main()
