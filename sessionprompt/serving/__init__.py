"""Recommendations over HTTP, by FastAPI and uvicorn."""

from __future__ import annotations

try:
    import fastapi  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "serving needs FastAPI and uvicorn; install them with pip install 'sessionprompt[serve]'."
    ) from error

from .app import create_app
from .limits import Limits
from .server import serve

__all__ = ["Limits", "create_app", "serve"]
