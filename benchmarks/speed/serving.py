"""A served model under load: latency by number of clients, equal answers, a crash and a restart.

python benchmarks/speed/serving.py --data FOLDER/diginetica.parquet [--clients 1,8,32] [--output
FILE]

The model is that of inference.py; it is saved, and a process of its own serves it by
``sessionprompt serve`` on this machine. Clients are threads here that hold a connection each and
send one session at a time, as fast as answers come; they stop after --requests requests or
--seconds seconds. Every answer is compared with that of one ``predict_topk`` over all sessions.
Processor time of the server stands beside wall time: it is what counts where other work shares the
cores. ``crash``: the server is killed while eight clients ask, once a quarter of the requests is
answered, and started again at once; the clients try until they are answered.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measure import emit, figures, options

PACKAGES = ("torch", "fastapi", "uvicorn")
CRASH_CLIENTS = 8
PATIENCE = 240  # seconds that clients wait for the new server, on a crowded machine


def started(path: Path, port: int, threads: int, *options: str) -> subprocess.Popen[bytes]:
    """Process that serves the model of a file."""
    command = [sys.executable, "-m", "sessionprompt", "serve", str(path), "--port", str(port)]
    command += options
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


def wait_until_ready(port: int, seconds: float = PATIENCE) -> float:
    """Seconds until the server says that it is well."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return time.perf_counter() - begun
        time.sleep(0.05)
    raise TimeoutError(f"the server was not ready after {seconds} seconds")


@dataclass
class Load:
    """Sessions to ask for, answers to expect, and what came."""

    port: int
    k: int
    sessions: list[list[int]]
    items: list[list[int]]
    scores: list[list[float]]
    stop_at: float
    ms: list[float] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    n_other: int = 0
    n_failed: int = 0
    widest_gap: float = 0.0

    def ask(self, rows: range, patient: bool) -> None:
        """Ask for some sessions, one after another; a patient client outlives failures."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for row in rows:
            while time.perf_counter() < self.stop_at:
                begun = time.perf_counter()
                try:
                    self._one(connection, row)
                except (OSError, http.client.HTTPException):
                    if not patient:
                        raise
                    self.n_failed += 1
                    connection.close()
                    time.sleep(0.05)
                    continue
                self.ms.append(1e3 * (time.perf_counter() - begun))
                self.answered_at.append(time.perf_counter())
                break
        connection.close()

    def _one(self, connection: http.client.HTTPConnection, row: int) -> None:
        row %= len(self.sessions)
        body = json.dumps({"session": self.sessions[row], "k": self.k})
        connection.request("POST", "/recommend", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(text)
        [found] = json.loads(text)["recommendations"]
        self.n_other += found["items"] != self.items[row]
        gap = np.abs(np.subtract(found["scores"], self.scores[row])).max()
        self.widest_gap = max(self.widest_gap, float(gap))

    def run(self, n_clients: int, n_requests: int, patient: bool = False) -> float:
        """Seconds that the clients took together."""
        begun = time.perf_counter()
        with ThreadPoolExecutor(n_clients) as pool:
            parts = [range(first, n_requests, n_clients) for first in range(n_clients)]
            for future in [pool.submit(self.ask, rows, patient) for rows in parts]:
                future.result()
        return time.perf_counter() - begun

    def line(self, seconds: float) -> dict[str, Any]:
        """Figures of the answers."""
        p50, p99, slowest = np.percentile(self.ms, [50, 99, 100])
        return {
            "answers": len(self.ms),
            "answers_per_s": figures(len(self.ms) / seconds),
            "p50_ms": figures(p50),
            "p99_ms": figures(p99),
            "max_ms": figures(slowest),
            "other_lists": self.n_other,
            "widest_gap_of_scores": figures(self.widest_gap),
        }


def processor_ms(pid: int) -> float:
    """Milliseconds of processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def crash(load: Load, server: subprocess.Popen[bytes], path: Path, args: Any) -> dict[str, Any]:
    """Kill the server under load and start it again."""
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(load.run, CRASH_CLIENTS, args.requests, True)
        while len(load.answered_at) < args.requests // 4 and not run.done():
            time.sleep(0.01)
        killed = time.perf_counter()
        server.kill()
        server.wait()
        anew = started(path, load.port, args.threads)
        try:
            seconds = run.result()
        finally:
            stopped(anew)
    after = [moment for moment in load.answered_at if moment > killed + 0.1]
    line = {"failed_tries": load.n_failed, "s_without_answers": figures(min(after) - killed)}
    return load.line(seconds) | line


def stopped(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    server.wait(60)


@contextlib.contextmanager
def served_model(args: argparse.Namespace) -> Iterator[tuple[Path, dict[str, Any]]]:
    """File of a model, and the sessions and answers of the load."""
    from inference import fitted, load  # what only imports this module needs no polars

    warnings.filterwarnings("ignore", message=".* sessions hold nothing that the model knows")
    train, test = load(args.data, strings=False)
    model = fitted(train, args.backbone)
    chosen = test[: args.sessions]
    items, scores = model.predict_topk(chosen, k=args.k, return_scores=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.zip")
        model.save(path)
        shared = {"sessions": chosen.to_lists(), "items": items.tolist()}
        yield path, shared | {"scores": scores.tolist(), "k": args.k}


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def main() -> None:
    parser = options(__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="Parquet file with session_id, item_id, pos, split"
    )
    parser.add_argument("--clients", default="1,8,32", help="numbers of clients, with commas")
    parser.add_argument("--backbone", default="gru4rec")
    parser.add_argument("--seconds", type=float, default=30, help="longest run of the clients")
    for name, default in (("requests", 4000), ("sessions", 2000), ("k", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with served_model(args) as (path, shared):
        port = free_port()
        server = started(path, port, args.threads)
        try:
            ready = figures(wait_until_ready(port))
            for n_clients in map(int, args.clients.split(",")):
                some = Load(port, **shared, stop_at=time.perf_counter() + args.seconds)
                before = processor_ms(server.pid)
                seconds = some.run(n_clients, args.requests)
                spent = figures((processor_ms(server.pid) - before) / len(some.ms))
                head = {"part": "load", "clients": n_clients, "k": args.k, "s_to_start": ready}
                emit(head | some.line(seconds) | {"cpu_ms": spent}, args, PACKAGES)
            some = Load(port, **shared, stop_at=time.perf_counter() + PATIENCE + args.seconds)
            head = {"part": "crash", "clients": CRASH_CLIENTS, "k": args.k}
            emit(head | crash(some, server, path, args), args, PACKAGES)
        finally:
            stopped(server)


if __name__ == "__main__":
    main()
