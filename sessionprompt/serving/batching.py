"""Queries that wait for the model are answered together, as many as have come meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from .answers import Answer, Query
from .limits import Limits

__all__ = ["Batcher", "Busy"]

Waiting = tuple[Query, "asyncio.Future[list[Answer]]"]


class Busy(Exception):
    """A server with too many queries, or an answer that took too long."""


class Batcher:
    """One thread that answers queries; those that come while it works make the next batch.

    Nothing waits for a batch to fill: a query that finds the thread idle is answered at once.

    Parameters
    ----------
    answer : callable
        From some queries to an answer or an exception for each.
    limits : Limits
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Query]], Sequence[list[Answer] | Exception]],
        limits: Limits,
    ) -> None:
        self._answer = answer
        self._limits = limits
        self._waiting: deque[Waiting] = deque()
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        """Number of queries that wait."""
        return len(self._waiting)

    async def ask(self, query: Query) -> list[Answer]:
        """Answer to each session of a query, once its turn has come.

        Raises
        ------
        Busy
        """
        limits = self._limits
        if len(self._waiting) >= limits.waiting:
            raise Busy(f"{limits.waiting:,} requests wait already; ask again later.")
        future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._waiting.append((query, future))
        self._arrived.set()
        try:
            return await asyncio.wait_for(future, limits.seconds)
        except TimeoutError as error:
            raise Busy(
                f"no answer within {limits.seconds} seconds; ask again later, or for fewer "
                "sessions."
            ) from error

    async def run(self) -> None:
        """Answer queries until cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "sessionprompt-model") as thread:
            while True:
                await self._arrived.wait()
                batch = self._next_batch()
                queries = [query for query, _ in batch]
                try:
                    answers = await loop.run_in_executor(thread, self._answer, queries)
                except Exception as error:  # a fault of the program, told to those who wait for it
                    answers = [error] * len(batch)
                for (_, future), answer in zip(batch, answers, strict=True):
                    _settle(future, answer)

    def _next_batch(self) -> list[Waiting]:
        """The queries that have waited longest, at most as many as may share a pass."""
        batch: list[Waiting] = []
        n_sessions = 0
        while self._waiting:
            query, future = self._waiting[0]
            n_sessions += len(query.sessions)
            if batch and n_sessions > self._limits.batch:
                break
            self._waiting.popleft()
            if not future.done():  # else nobody waits any more
                batch.append((query, future))
        if not self._waiting:
            self._arrived.clear()
        return batch


def _settle(future: asyncio.Future[list[Answer]], answer: list[Answer] | Exception) -> None:
    """Give a future its answer, unless nobody waits any more."""
    with suppress(asyncio.InvalidStateError):
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
