"""Several processes on one port, and answers by an index."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from fastapi.testclient import TestClient

from sessionprompt import PromptedSessionRecommender
from sessionprompt.datasets import make_sessions
from sessionprompt.retrieval import ItemIndex
from sessionprompt.serving import create_app, serve, server, workers
from sessionprompt.serving.workers import run_workers

WORLD = make_sessions(120, n_items=30, n_clusters=3, random_state=0)
can_fork = "fork" in multiprocessing.get_all_start_methods()
forks = pytest.mark.skipif(not can_fork, reason="this system cannot fork")


def tell_number(listening: socket.socket) -> None:
    """Work that tells who connects the number of its process, and ends if it is asked to."""
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(str(os.getpid()).encode())
            if connection.recv(3) == b"end":
                os._exit(1)


def end_at_once(listening: socket.socket) -> None:
    raise SystemExit(3)


def run_with_a_signal(port: int) -> None:
    """A worker that is told to end amid its fork, as is who watches it."""
    watching = os.getpid()

    def stop_both() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(watching, signal.SIGTERM)

    os.register_at_fork(after_in_child=stop_both)
    run_workers(tell_number, 1, "127.0.0.1", port)


def asked(port: int, word: bytes = b"go!") -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        number = int(connection.recv(20))
        connection.sendall(word)
        return number


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as some:
        return some.getsockname()[1]


@forks
def test_workers_share_a_port_and_are_replaced(monkeypatch):
    monkeypatch.setattr(workers, "SHORT", 0.0)  # on a busy machine anything may be short
    port = free_port()
    context = multiprocessing.get_context("fork")
    watcher = context.Process(target=run_workers, args=(tell_number, 2, "127.0.0.1", port))
    watcher.start()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            first = asked(port)
            break
        except ConnectionRefusedError:
            time.sleep(0.02)
    ended = asked(port, b"end")
    assert first != watcher.pid
    numbers = {asked(port) for _ in range(20)}
    assert ended not in numbers
    os.kill(watcher.pid, signal.SIGTERM)
    watcher.join(30)
    assert watcher.exitcode == 0
    with pytest.raises(OSError):
        asked(port)


@forks
def test_a_signal_while_a_worker_is_forked_is_not_lost():
    port = free_port()
    context = multiprocessing.get_context("fork")
    watcher = context.Process(target=run_with_a_signal, args=(port,))
    watcher.start()
    watcher.join(30)
    assert watcher.exitcode == 0


@forks
def test_workers_that_end_at_once_are_not_started_for_ever():
    with pytest.raises(ChildProcessError, match="workers=1"):
        run_workers(end_at_once, 2, "127.0.0.1", free_port())


def test_a_system_without_fork_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    with pytest.raises(ValueError, match="ports of their own"):
        run_workers(tell_number, 2, "127.0.0.1", 0)


@pytest.fixture(scope="module")
def model() -> PromptedSessionRecommender:
    settings = {"prompts": (), "dim": 8, "max_epochs": 1, "refit": False, "random_state": 0}
    return PromptedSessionRecommender(repeats=None, **settings).fit(WORLD)


def test_each_worker_serves_the_model_on_the_common_socket(monkeypatch, model):
    served = []
    monkeypatch.setattr(server, "_compute_in_one_thread", lambda: None)
    monkeypatch.setattr(
        server.uvicorn.Server, "run", lambda self, sockets: served.append((self, sockets))
    )
    monkeypatch.setattr(server, "run_workers", lambda work, n, host, port: work((n, host, port)))
    serve(model, workers=3, port=81)
    [(started, sockets)] = served
    assert sockets == [(3, "127.0.0.1", 81)]
    with TestClient(started.config.app) as client:
        assert client.get("/health").json()["status"] == "ok"
    with pytest.raises(ValueError, match="workers"):
        serve(model, workers=0)


class Index:
    """Stands for an index: best items are those of the model, and who asks is noted."""

    def __init__(self, model):
        self.model = model
        self.asked = []

    def search(self, sessions, k):
        self.asked += sessions.to_lists()
        return self.model.predict_topk(sessions, k=k, return_scores=True)


def test_an_index_answers_what_is_plain(model):
    index = Index(model)
    sessions = [["item-03"], ["nothing known"], ["item-04", "item-05"]]
    with (
        TestClient(create_app(model, index=index)) as client,
        TestClient(create_app(model)) as exact,
    ):
        for options in ({}, {"exclude_seen": True}, {"exclude_items": ["item-07"]}):
            body = {"sessions": sessions, "k": 4, **options}
            found = client.post("/recommend", json=body)
            expected = exact.post("/recommend", json=body)
            assert found.status_code == 200, found.text
            answers = [one.json()["recommendations"] for one in (found, expected)]
            for one, other in zip(*answers, strict=True):
                assert one["items"] == other["items"]
                np.testing.assert_allclose(one["scores"], other["scores"], rtol=1e-5)
    assert index.asked == [sessions[0], sessions[2]]


def test_an_index_answers_for_a_model_that_weighs_repeats():
    pytest.importorskip("faiss")
    settings = {"prompts": (), "dim": 8, "max_epochs": 1, "refit": False, "random_state": 0}
    weighing = PromptedSessionRecommender(**settings).fit(WORLD)
    assert weighing.blend_ is not None
    index = ItemIndex(weighing, search_effort=30)
    with (
        TestClient(create_app(weighing, index=index)) as client,
        TestClient(create_app(weighing)) as exact,
    ):
        body = {"sessions": WORLD[:20].to_lists(), "k": 5}
        found = client.post("/recommend", json=body).json()["recommendations"]
        expected = exact.post("/recommend", json=body).json()["recommendations"]
    for one, other in zip(found, expected, strict=True):
        assert set(one["items"]) == set(other["items"])
        np.testing.assert_allclose(one["scores"], other["scores"], rtol=1e-4, atol=1e-4)
