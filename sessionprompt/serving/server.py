"""A server of one process for one model."""

from __future__ import annotations

from typing import Any

import uvicorn

from .app import create_app
from .limits import Limits

__all__ = ["serve"]


def serve(
    model: Any, *, host: str = "127.0.0.1", port: int = 8000, limits: Limits | None = None
) -> None:
    """Recommend over HTTP until the process is told to stop, see :func:`create_app`.

    Parameters
    ----------
    model : fitted recommender, stack or Pipeline
    host : str, default="127.0.0.1"
        Address to listen on; ``"0.0.0.0"`` lets other machines ask.
    port : int, default=8000
    limits : Limits, optional
    """
    uvicorn.run(create_app(model, limits), host=host, port=port, log_level="warning")
