"""Several processes that answer on one port with one copy of a model."""

from __future__ import annotations

import multiprocessing
import signal
import socket
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import wait
from typing import Any

__all__ = ["run_workers"]

SHORT = 1.0  # seconds: a process that ends sooner would end again
# Held back while a process is forked: what a handler raises then, Python drops.
STOPS = (signal.SIGINT, signal.SIGTERM)


def run_workers(work: Callable[[socket.socket], None], n: int, host: str, port: int) -> None:
    """Run so many processes that share what this one holds, until it is told to stop.

    They are forked, so that arrays exist once as long as nobody writes to them. One that ends is
    started again.

    Parameters
    ----------
    work : callable
        Is given the socket that all of them listen on.
    n : int
    host : str
    port : int

    Raises
    ------
    ValueError
        Where the system cannot fork.
    ChildProcessError
        If a process ends as soon as it has started.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        raise ValueError(
            f"workers={n} share the memory of a model by forking, which this system cannot; start "
            "several servers on ports of their own, with workers=1."
        )
    family = socket.AF_INET
    if ":" in host:
        family = socket.AF_INET6
    before = signal.signal(signal.SIGTERM, _stop)
    running: dict[Any, float] = {}
    try:
        with closing(socket.create_server((host, port), family=family)) as listening:
            _watch(running, work, n, listening)
    except KeyboardInterrupt:
        pass
    finally:
        for process in running:
            process.terminate()
        signal.signal(signal.SIGTERM, before)  # told twice, end without waiting for answers
        for process in running:
            process.join()


def _watch(
    running: dict[Any, float],
    work: Callable[[socket.socket], None],
    n: int,
    listening: socket.socket,
) -> None:
    """Keep so many processes running, of each of which the time is kept when it was started."""
    context = multiprocessing.get_context("fork")
    while True:
        while len(running) < n:
            process = context.Process(target=_work, args=(work, listening), daemon=True)
            signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
            try:
                process.start()
                running[process] = time.monotonic()
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        wait([process.sentinel for process in running])
        for process in [process for process in running if not process.is_alive()]:
            if time.monotonic() - running.pop(process) < SHORT:
                raise ChildProcessError(
                    "a worker ended as soon as it had started; its message stands above, or comes "
                    "with workers=1."
                )


def _stop(number: int, frame: Any) -> None:
    """End the process that watches the others as Ctrl-C does."""
    raise KeyboardInterrupt


def _work(work: Callable[[socket.socket], None], listening: socket.socket) -> None:
    """Work of one of the processes, which a signal ends as it would any other."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    work(listening)
