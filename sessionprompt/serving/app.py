"""The web application: routes, errors as sentences, and the batches behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse

from .. import __version__
from ..metrics import last_step
from .answers import FAULTS, Answers
from .batching import Batcher, Busy
from .limits import Limits
from .schema import Asked, Health, Metadata, Recommendations, query_of

__all__ = ["create_app"]

PARAMETERS = ("backbone", "prompts", "max_length")  # of the model, that metadata show


class BadQuery(Exception):
    """A request that the model cannot answer, with the sentence that says why."""


def create_app(model: Any, limits: Limits | None = None, index: Any = None) -> FastAPI:
    """Web application that recommends with a fitted model.

    ``POST /recommend`` answers one session or several, ``GET /health`` and ``GET /metadata`` say
    how the server is and what it serves; ``/docs`` and ``/openapi.json`` describe all three.
    Requests that wait are answered together, in one thread. A request with a fault gets 422 and one
    sentence, a server that cannot keep up 503; a session without events gets popular items.

    Parameters
    ----------
    model : fitted recommender, stack or Pipeline
    limits : Limits, optional
    index : ItemIndex, optional
        Of this model: sessions that ask for nothing but the best items are answered by it, and
        those with rules, candidates or without any known item as without it.

    Returns
    -------
    fastapi.FastAPI

    Raises
    ------
    TypeError
        If JSON cannot write the ids of the model's items.

    Examples
    --------
    >>> from fastapi.testclient import TestClient
    >>> from sessionprompt.baselines import SequentialRules
    >>> model = SequentialRules().fit([["tea", "cup"], ["tea", "pot"], ["tea", "pot"]])
    >>> with TestClient(create_app(model)) as client:
    ...     answer = client.post("/recommend", json={"session": ["tea"], "k": 2})
    >>> answer.json()["recommendations"][0]["items"]
    ['pot', 'cup']
    """
    limits = limits or Limits()
    batcher = Batcher(Answers(model, index), limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker = asyncio.create_task(batcher.run())
        yield
        worker.cancel()

    app = FastAPI(title="sessionprompt", version=__version__, lifespan=lifespan)
    _add_routes(app, batcher, limits, _metadata(model, limits))
    _add_errors(app, limits)
    return app


def _add_routes(app: FastAPI, batcher: Batcher, limits: Limits, metadata: Metadata) -> None:
    errors: dict[int | str, dict[str, Any]] = {
        413: {"description": "a body that is too long"},
        503: {"description": "a server that cannot keep up"},
    }

    @app.post("/recommend", response_model=Recommendations, responses=errors)
    async def recommend(asked: Asked) -> dict[str, Any]:
        """Best next items of one session or several."""
        try:
            answers = await batcher.ask(query_of(asked, limits))
        except FAULTS as error:
            raise BadQuery(str(error)) from error
        return {"recommendations": [asdict(answer) for answer in answers]}

    @app.get("/", include_in_schema=False)
    async def start() -> RedirectResponse:
        return RedirectResponse("docs")

    @app.get("/health")
    async def health() -> Health:
        """State of the server, and how many requests wait."""
        return Health(status="ok", waiting=len(batcher))

    @app.get("/metadata")
    async def about() -> Metadata:
        """What is served, and within which limits."""
        return metadata


def _add_errors(app: FastAPI, limits: Limits) -> None:
    @app.exception_handler(BadQuery)
    async def refuse(request: Request, error: BadQuery) -> JSONResponse:
        return _sentence(422, str(error))

    @app.exception_handler(RequestValidationError)
    async def explain(request: Request, error: RequestValidationError) -> JSONResponse:
        return _sentence(422, _what_is_wrong(error))

    @app.exception_handler(Busy)
    async def put_off(request: Request, error: Busy) -> JSONResponse:
        return _sentence(503, str(error), {"Retry-After": "1"})

    @app.middleware("http")
    async def bound(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        length = request.headers.get("content-length", "")
        if request.method == "POST" and not length.isdecimal():
            return _sentence(411, "give the length of the body as Content-Length.")
        if length.isdecimal() and int(length) > limits.bytes:
            return _sentence(
                413,
                f"a body of {int(length):,} bytes is above {limits.bytes:,}; send less at once.",
            )
        return await answer(request)


def _sentence(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    first_line, *_ = text.split("\n")
    return JSONResponse({"detail": first_line}, status, headers)


def _what_is_wrong(error: RequestValidationError) -> str:
    """One sentence about the first thing that a body has wrong."""
    fault = error.errors()[0]
    if fault["type"] == "json_invalid":
        return f"the body is no JSON: {fault['ctx']['error']}."
    path = [str(part) for part in fault["loc"][1:] if not str(part).startswith("list[")]
    name = ".".join(path) or "body"
    value = repr(fault.get("input"))
    if len(value) > 80:
        value = f"{value[:80]}..."
    return f"{name}={value}: {fault['msg']}; /docs shows what a request holds."


def _metadata(model: Any, limits: Limits) -> Metadata:
    last = last_step(model)
    params = last.get_params(deep=False)
    return Metadata(
        version=__version__,
        model=type(last).__name__,
        parameters={name: str(params[name]) for name in PARAMETERS if name in params},
        n_items=last.n_items_,
        limits=asdict(limits),
    )
