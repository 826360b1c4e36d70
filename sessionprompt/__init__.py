"""Session-based recommendation with cluster prompts: scikit-learn on the outside, PyTorch inside."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clustering import ItemClusterer, PrecomputedClusters
    from .persistence import load
    from .pipeline import Pipeline, make_session_pipeline
    from .recommender import PromptedSessionRecommender
    from .sessions import Sessions

__all__ = [
    "ItemClusterer",
    "Pipeline",
    "PrecomputedClusters",
    "PromptedSessionRecommender",
    "Sessions",
    "load",
    "make_session_pipeline",
]
__version__ = "0.1.0"

_HOMES = {
    "ItemClusterer": "clustering",
    "Pipeline": "pipeline",
    "PrecomputedClusters": "clustering",
    "PromptedSessionRecommender": "recommender",
    "Sessions": "sessions",
    "load": "persistence",
    "make_session_pipeline": "pipeline",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the command line and light users need no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
