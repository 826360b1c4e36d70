"""Workers that share a served model: memory of all, and answers; an index beside exact search.

python benchmarks/speed/workers.py [--items 1e6] [--workers 1,2,4] [--requests 200] [--approximate]
python benchmarks/speed/workers.py --index 1e5     an index over so many items, in this process
python benchmarks/speed/workers.py --index-of diginetica --data FOLDER     over those of a real log

The model has vectors of 64 numbers and is hardly trained: a step over sessions of two items, which
hold every item once. ``sessionprompt serve --workers K`` serves it, and eight clients ask on the
loopback for the 20 best items of sessions of three. Memory is that of all processes of the server
together, in MB, after the answers: `pss_mb` counts what they share once, `uss_mb` what each has
alone, `rss_mb` what each sees. With --approximate an index is built and saved first, and each
number of workers serves without it, then with it (`index` in the line, with the seconds that it was
built in) for each of the --search-efforts. `recall` is the share of the exact 20 best that the
index finds for 200 sessions. --n-links and --build-effort are those of ItemIndex, --build-threads
its n_jobs. --index-of trains for an epoch on a log and asks with its test sessions.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _measure import clocked, data_file, data_option, emit, figures, options, peak_mb, timed
from joblib import effective_n_jobs
from serving import Load, free_port, processor_ms, started, wait_until_ready
from skorch.callbacks import Callback

from sessionprompt.datasets import load_parquet
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


def trained(args: argparse.Namespace) -> tuple[PromptedSessionRecommender, Sessions]:
    """Model of a log after an epoch, and 1,000 of its test sessions without their last events."""
    train, test = load_parquet(data_file(args.data, args.index_of))
    settings = {"prompts": (), "max_epochs": 1, "validation_fraction": None, "random_state": 0}
    return PromptedSessionRecommender(**settings).fit(train), test[:1000].split_last()[0]


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


def served(path: Path, index: str, workers: int, args: argparse.Namespace) -> dict[str, Any]:
    """Measure a server of some workers."""
    port = free_port()
    words = ["--workers", str(workers)]
    if index:
        words += ["--index", index]
    server = started(path, port, 1, *words)
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

    settings = {"n_links": args.n_links, "build_effort": args.build_effort}
    made: list[ItemIndex] = []
    begun = time.perf_counter()
    before = peak_mb()
    cpu = clocked(lambda: made.append(ItemIndex(model, n_jobs=args.build_threads, **settings)))
    seconds = time.perf_counter() - begun
    line = {**settings, "build_threads": effective_n_jobs(args.build_threads)}
    line |= {"build_s": figures(seconds), "build_cpu_s": figures(cpu)}
    return made[0], line | {"built_mb": peak_mb() - before}


def with_efforts(index: Any, sessions: Any, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield what an index finds for some sessions with each effort, once it has that effort."""
    for effort in map(int, args.search_efforts.split(",")):
        index.search_effort = effort
        recall = index.recall(sessions, k=20)
        yield {"search_effort": effort, "recall": figures(recall)}


def indexed(args: argparse.Namespace) -> None:
    """Measure an index in this process."""
    if args.index_of:
        model, sessions = trained(args)
    else:
        model = hardly_trained(args.index)
        sessions = asked_for(args.index, 200)
    index, line = built(model, args)
    line |= {"items": model.n_items_, "data": args.index_of}
    one = sessions[:1]
    for found in with_efforts(index, sessions, args):
        exact = timed(lambda: model.predict_topk(one, k=20), 20)
        approximate = timed(lambda: index.search(one, k=20), 20)
        times = {"exact_ms": 1e3 * exact["cpu_s"], "index_ms": 1e3 * approximate["cpu_s"]}
        found |= {name: figures(value) for name, value in times.items()}
        emit({"part": "index", **line, **found}, args, PACKAGES)


def ways_to_serve(folder: Path, args: argparse.Namespace) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield facts of each way and the folder of its index, if it has one; the model is saved."""
    begun = time.perf_counter()
    model = hardly_trained(args.items)
    save(model, folder / "model")
    print(json.dumps({"model_s": figures(time.perf_counter() - begun)}), flush=True)
    yield {"index": False}, ""
    if args.approximate:
        index, line = built(model, args)
        for found in with_efforts(index, asked_for(args.items, 200), args):
            path = folder / f"index-{found['search_effort']}"
            index.save(path)
            yield {"index": True, **line, **found}, str(path)


def main(args: argparse.Namespace) -> None:
    """Measure what is asked for."""
    if args.index or args.index_of:
        indexed(args)
        return
    with tempfile.TemporaryDirectory() as folder:
        ways = list(ways_to_serve(Path(folder), args))
        for workers in map(int, args.workers.split(",")):
            head = {"part": "workers", "workers": workers, "items": args.items}
            for line, path in ways:
                found = served(Path(folder) / "model", path, workers, args)
                emit({**head, **line, **found}, args, PACKAGES)


def number(text: str) -> int:
    """Whole number that may be written as 1e6."""
    return int(float(text))


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--items", type=number, default=1_000_000)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--requests", type=number, default=200)
    parser.add_argument("--index", type=number)
    parser.add_argument("--index-of", help="name of a log with a test part")
    data_option(parser)
    parser.add_argument("--approximate", action="store_true")
    for name, default in {"n-links": 32, "build-effort": 200, "build-threads": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--search-efforts", default="128")
    main(parser.parse_args())
