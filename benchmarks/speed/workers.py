"""Workers that share a served model: memory of all, and answers; an index beside exact search.

python benchmarks/speed/workers.py [--items 1e6] [--workers 1,2,4] [--requests 200] [--approximate]
python benchmarks/speed/workers.py --index 1e5     an index over so many items, in this process

The model has vectors of 64 numbers and is hardly trained: a step over sessions of two items, which
hold every item once. ``sessionprompt serve --workers K`` serves it, and eight clients ask on the
loopback for the 20 best items of sessions of three. Memory is that of all processes of the server
together, in MB, after the answers: `pss_mb` counts what they share once, `uss_mb` what each has
alone, `rss_mb` what each sees. With --approximate an index is built and saved first, and each
number of workers serves twice, without it and with it (`index` in the line, with the seconds that
it was built in). `recall` is the share of the exact 20 best that the index finds for 200 sessions.
--n-links, --build-effort and --search-effort are those of ItemIndex, --build-threads its n_jobs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _measure import clocked, emit, figures, options, peak_mb, timed
from serving import Load, free_port, processor_ms, started, wait_until_ready
from skorch.callbacks import Callback

from sessionprompt.persistence import save
from sessionprompt.recommender import PromptedSessionRecommender
from sessionprompt.sessions import Sessions
from sessionprompt.training import EndOfTraining
from sessionprompt.vocabulary import Vocabulary

PACKAGES = ("torch", "uvicorn")
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
        file = Path(f"/proc/{pid}/smaps_rollup")
        if not file.exists():  # in some containers
            file = file.with_name("smaps")
        for line in file.read_text().splitlines():
            name, _, size = line.partition(":")
            for kind, names in KINDS.items():
                if name in names:
                    found[kind] += int(size.split()[0])
    return {kind: round(size / 2**10) for kind, size in found.items()}


def served(path: Path, workers: int, args: argparse.Namespace, *options: str) -> dict[str, Any]:
    """Measure a server of some workers."""
    port = free_port()
    server = started(path, port, 1, "--workers", str(workers), *options)
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


def built(model: Any, args: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Index over the items of a model, and what it took."""
    from sessionprompt.retrieval import ItemIndex

    efforts = {"build_effort": args.build_effort, "search_effort": args.search_effort}
    made: list[ItemIndex] = []

    def build() -> None:
        made.append(ItemIndex(model, n_links=args.n_links, n_jobs=args.build_threads, **efforts))

    begun = time.perf_counter()
    before = peak_mb()
    cpu = clocked(build)
    seconds = time.perf_counter() - begun
    line = {"n_links": args.n_links, **efforts, "build_threads": args.build_threads}
    line |= {"build_s": figures(seconds), "build_cpu_s": figures(cpu)}
    line["built_mb"] = peak_mb() - before
    [index] = made
    line["recall"] = figures(index.recall(asked_for(model.n_items_, 200), k=20))
    return index, line


def indexed(args: argparse.Namespace) -> dict[str, Any]:
    """Measure an index in this process."""
    model = hardly_trained(args.index)
    index, line = built(model, args)
    one = asked_for(args.index, 1)
    exact = timed(lambda: model.predict_topk(one, k=20), 20)
    found = timed(lambda: index.search(one, k=20), 20)
    milliseconds = {"exact_ms": 1e3 * exact["cpu_s"], "index_ms": 1e3 * found["cpu_s"]}
    return line | {name: figures(value) for name, value in milliseconds.items()}


def main(args: argparse.Namespace) -> None:
    """Measure what is asked for."""
    if args.index:
        line = {"part": "index", "items": args.index, **indexed(args)}
        emit(line, args, (*PACKAGES, "faiss-cpu"))
        return
    packages = PACKAGES
    if args.approximate:
        packages = (*PACKAGES, "faiss-cpu")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        begun = time.perf_counter()
        model = hardly_trained(args.items)
        save(model, path)
        print(json.dumps({"model_s": figures(time.perf_counter() - begun)}), flush=True)
        ways: list[tuple[dict[str, Any], tuple[str, ...]]] = [({"index": False}, ())]
        if args.approximate:
            index, line = built(model, args)
            index.save(f"{folder}/index")
            ways.append(({"index": True, **line}, ("--index", f"{folder}/index")))
            del index
        del model
        for workers in map(int, args.workers.split(",")):
            head = {"part": "workers", "workers": workers, "items": args.items}
            for line, words in ways:
                found = served(path, workers, args, *words)
                emit({**head, **line, **found}, args, packages)


def number(text: str) -> int:
    """Whole number that may be written as 1e6."""
    return int(float(text))


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--items", type=number, default=1_000_000)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--requests", type=number, default=200)
    parser.add_argument("--index", type=number)
    parser.add_argument("--approximate", action="store_true")
    efforts = {"n-links": 32, "build-effort": 200, "search-effort": 128, "build-threads": 1}
    for name, default in efforts.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    main(parser.parse_args())
