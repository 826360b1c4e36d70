"""A server for one model, of one process or of several."""

from __future__ import annotations

import socket
import sys
from typing import Any

import uvicorn

from .._checks import check_count
from ..metrics import last_step
from .app import create_app
from .limits import Limits
from .workers import run_workers

__all__ = ["serve"]


def serve(
    model: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    workers: int = 1,
    index: Any = None,
) -> None:
    """Recommend over HTTP until the process is told to stop, see :func:`create_app`.

    Parameters
    ----------
    model : fitted recommender, stack or Pipeline
    host : str, default="127.0.0.1"
        Address to listen on; ``"0.0.0.0"`` lets other machines ask.
    port : int, default=8000
    limits : Limits, optional
    workers : int, default=1
        Processes that answer on this port. They are forked once the model is there, so that its
        arrays are in memory once, and each computes in one thread. One that ends is started again.
    index : ItemIndex, optional
        As in :func:`create_app`.

    Raises
    ------
    ValueError
        If `workers` is below 1, or above 1 on a system that cannot fork.
    """
    check_count("workers", workers)
    settings: dict[str, Any] = {"host": host, "port": port, "log_level": "warning"}
    if workers == 1:
        uvicorn.run(create_app(model, limits, index), **settings)
        return
    # the vectors of the items are computed once, before processes part
    getattr(last_step(model), "item_vectors_", None)

    def work(listening: socket.socket) -> None:
        _compute_in_one_thread()
        app = create_app(model, limits, index)
        uvicorn.Server(uvicorn.Config(app, **settings)).run(sockets=[listening])

    run_workers(work, workers, host, port)


def _compute_in_one_thread() -> None:
    """Keep a forked process from waiting for threads that only its parent has."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "faiss" in sys.modules:
        sys.modules["faiss"].omp_set_num_threads(1)
