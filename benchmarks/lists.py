"""Price of rules and of approximate search: recall of lists beside what they gain.

python benchmarks/lists.py --data FOLDER --output FILE [--file yoochoose_100k --fraction 1]

GRU4Rec with clusters is fitted on the newest share of a log's training sessions; lists of 20
for the test sessions without their last item are compared with that item. ``rules``: recall, mean
cosine of the pairs of items of a list, and clusters in a list, by block list (the hundred most
frequent items), most items of a cluster, and diversity. ``index``: recall of the exact best items
by an approximate index, and milliseconds of processor time of a search beside the exact one.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from _shared import data_file, machine, write_line
from _train import arguments, newest

from sessionprompt.datasets import load_parquet
from sessionprompt.pipeline import Pipeline, make_session_pipeline
from sessionprompt.reranking import RerankedRecommender
from sessionprompt.retrieval import ItemIndex
from sessionprompt.sessions import Sessions

K = 20
RULES: dict[str, dict[str, Any]] = {
    "none": {},
    "block list of 100": {"exclude_items": ()},
    "5 of a cluster": {"max_per_group": 5},
    "2 of a cluster": {"max_per_group": 2},
    **{f"diversify {share}": {"diversify": share} for share in (0.1, 0.3, 0.5, 0.7)},
}
EFFORTS = (16, 64, 256)


def measured(
    model: Pipeline, lists: np.ndarray, scores: np.ndarray, targets: np.ndarray
) -> dict[str, float]:
    """Recall of lists, mean cosine of their pairs of items, and clusters in them."""
    last = model[-1]
    full = (scores > -np.inf).all(axis=1)
    codes = last.encoder_.vocabulary.encode(lists[full].ravel()).reshape(-1, K)
    vectors = last.item_vectors_[codes]  # (n, K, d), of unit length
    sums = vectors.sum(axis=1)  # (n, d)
    cosine = (np.einsum("nd,nd->n", sums, sums) - K) / (K * (K - 1))
    labels = last.encoder_.item_labels[:, 0][codes]  # (n, K)
    return {
        f"recall@{K}": round(float((lists == targets[:, None]).any(axis=1).mean()), 5),
        "cosine_in_list": round(float(cosine.mean()), 4),
        "clusters_in_list": round(float(np.mean([len(set(row)) for row in labels])), 2),
    }


def index_line(model: Pipeline, inputs: Sessions, effort: int) -> dict[str, Any]:
    """Recall of an index, and what a search costs beside the exact one."""
    index = ItemIndex(model, search_effort=effort)
    vectors = model.session_vectors(inputs)
    table = model[-1].item_vectors_
    spent = {}
    actions = {
        "index": lambda row: index._search(vectors[row : row + 1], K),
        "exact": lambda row: torch.from_numpy(table @ vectors[row]).topk(K),
    }
    for name, action in actions.items():
        started = time.process_time()
        for row in range(1000):
            action(row)
        spent[f"{name}_cpu_ms"] = round(time.process_time() - started, 4)
    return {"effort": effort, f"recall_of_exact@{K}": round(index.recall(inputs, K), 5), **spent}


def main() -> None:
    """Fit, and write a line for every rule and effort."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--file", default="yoochoose_100k", help="log, by the name of its file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    train, test = load_parquet(data_file(args.data, args.file))
    train = newest(train, args.fraction)
    model = make_session_pipeline("gru4rec", max_epochs=3, random_state=args.seed).fit(train)
    inputs, targets = test.split_last()[:2]
    head = {"data": args.file, "fraction": args.fraction, "seed": args.seed, "k": K}
    head |= {"n_items": model[-1].n_items_, "n_lists": len(inputs)}
    tail = machine(("torch", "numpy", "faiss-cpu")) | {"threads": args.threads}
    counts = model[-1].encoder_.item_counts
    popular = model[-1].items_[np.argsort(-counts, kind="stable")[:100]]
    for name, params in RULES.items():
        if "exclude_items" in params:
            params = {"exclude_items": popular}
        rules = RerankedRecommender(model, **params)
        lists, scores = rules.predict_topk(inputs, K, return_scores=True)
        line = {"part": "rules", "rule": name} | measured(model, lists, scores, targets)
        write_line(head | line | tail, args.output)
    for effort in EFFORTS:
        line = {"part": "index"} | index_line(model, inputs, effort)
        write_line(head | line | tail, args.output)


if __name__ == "__main__":
    main()
