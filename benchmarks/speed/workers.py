"""Workers that share a served model: memory of all, and answers; an index beside exact search.

python benchmarks/speed/workers.py [--items 1e6] [--workers 1,2,4] [--requests 200]
python benchmarks/speed/workers.py --index 1e5     an index over so many items, in this process

The model has vectors of 64 numbers and is hardly trained: a step over sessions of two items, which
hold every item once. ``sessionprompt serve --workers K`` serves it, and eight clients ask on the
loopback. Memory is that of all processes of the server together, in MB, after the answers: `pss_mb`
counts what they share once, `uss_mb` what each has alone, `rss_mb` what each sees. The index is
asked with 200 sessions of three items each; recall is the share of the exact 20 best.
"""

from __future__ import annotations

import argparse
import json
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _measure import clocked, emit, figures, options, peak_mb, timed
from serving import Load, processor_ms, started, wait_until_ready
from skorch.callbacks import Callback

from sessionprompt.persistence import save
from sessionprompt.recommender import PromptedSessionRecommender
from sessionprompt.sessions import Sessions
from sessionprompt.training import EndOfTraining
from sessionprompt.vocabulary import Vocabulary

PACKAGES = ("torch", "uvicorn", "faiss-cpu")
CLIENTS = 8
KINDS = {"pss_mb": ("Pss",), "uss_mb": ("Private_Clean", "Private_Dirty"), "rss_mb": ("Rss",)}


class OneStep(Callback):
    """End of training after a step."""

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        """End it."""
        raise EndOfTraining("callback")


def hardly_trained(n_items: int) -> PromptedSessionRecommender:
    """Model of so many items."""
    codes = np.random.default_rng(0).permutation(n_items).astype(np.int32)
    offsets = np.append(np.arange(0, n_items, 2), n_items)
    sessions = Sessions(codes, offsets, Vocabulary(np.arange(n_items)))
    return PromptedSessionRecommender(
        prompts=(),
        loss="sampled",
        init="normal",
        recency=None,
        validation_fraction=None,
        repeats=None,
        max_epochs=1,
        random_state=0,
        net_params={"callbacks": [OneStep()]},
    ).fit(sessions)


def asked_for(n_items: int, n: int) -> list[list[int]]:
    """Sessions to ask with."""
    return np.random.default_rng(1).integers(0, n_items, (n, 3)).tolist()


def processes_of(pid: int) -> list[int]:
    """A process and its children."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [pid, *map(int, path.read_text().split())]


def memory(pids: list[int]) -> dict[str, int]:
    """Memory of some processes together, in MB."""
    found = dict.fromkeys(KINDS, 0)
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        for kind, names in KINDS.items():
            found[kind] += sum(sizes[name] for name in names)
    return {kind: round(size / 2**10) for kind, size in found.items()}


def served(path: Path, workers: int, args: argparse.Namespace) -> dict[str, Any]:
    """Measure a server of some workers."""
    with socket.create_server(("127.0.0.1", 0)) as some:
        port = some.getsockname()[1]
    server = started(path, port, 1, "--workers", str(workers))
    try:
        ready = wait_until_ready(port, 600)  # on a crowded machine
        sessions = asked_for(args.items, args.requests)
        nothing: list[Any] = [[]] * args.requests  # lists are not compared here
        load = Load(port, 20, sessions, nothing, [[0.0] * 20] * args.requests, np.inf)
        pids = processes_of(server.pid)
        before = sum(map(processor_ms, pids))
        seconds = load.run(CLIENTS, args.requests)
        used = sum(map(processor_ms, pids)) - before
        line = load.line(seconds)
        kept = {name: line[name] for name in ("answers", "answers_per_s", "p50_ms", "p99_ms")}
        cpu = {"cpu_ms_of_an_answer": figures(used / args.requests)}
        return {"ready_s": figures(ready), **kept, **cpu, **memory(pids)}
    finally:
        server.terminate()
        server.wait()


def indexed(n_items: int) -> dict[str, Any]:
    """Measure an index over so many items."""
    from sessionprompt.retrieval import ItemIndex

    model = hardly_trained(n_items)
    sessions = asked_for(n_items, 200)
    made: list[ItemIndex] = []
    before = peak_mb()
    build = clocked(lambda: made.append(ItemIndex(model)))
    [index] = made
    one = [sessions[0]]
    exact = timed(lambda: model.predict_topk(one, k=20), 20)
    found = timed(lambda: index.search(one, k=20), 20)
    return {
        "build_cpu_s": figures(build),
        "built_mb": peak_mb() - before,
        "recall": figures(index.recall(sessions, k=20)),
        "exact_ms": figures(1e3 * exact["cpu_s"]),
        "index_ms": figures(1e3 * found["cpu_s"]),
    }


def main(args: argparse.Namespace) -> None:
    """Measure what is asked for."""
    if args.index:
        emit({"part": "index", "items": args.index, **indexed(args.index)}, args, PACKAGES)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        begun = time.perf_counter()
        save(hardly_trained(args.items), path)
        print(json.dumps({"model_s": figures(time.perf_counter() - begun)}))
        for workers in map(int, args.workers.split(",")):
            line = served(path, workers, args)
            emit({"part": "workers", "workers": workers, "items": args.items, **line}, args)


def number(text: str) -> int:
    """Whole number that may be written as 1e6."""
    return int(float(text))


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--items", type=number, default=1_000_000)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--requests", type=number, default=200)
    parser.add_argument("--index", type=number)
    main(parser.parse_args())
