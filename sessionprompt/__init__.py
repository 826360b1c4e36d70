"""Session-based recommendation with cluster prompts: scikit-learn outside, PyTorch inside."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clustering import ItemAttributes, ItemClusterer, PrecomputedClusters
    from .persistence import load
    from .pipeline import Pipeline, make_session_pipeline
    from .recommender import PromptedSessionRecommender
    from .sessions import Sessions
    from .stacking import StackedSessionRecommender

__all__ = [
    "ItemAttributes",
    "ItemClusterer",
    "Pipeline",
    "PrecomputedClusters",
    "PromptedSessionRecommender",
    "Sessions",
    "StackedSessionRecommender",
    "load",
    "make_session_pipeline",
]
__version__ = "0.1.0"

_MODULES = {  # of the public names
    "ItemAttributes": "clustering",
    "ItemClusterer": "clustering",
    "Pipeline": "pipeline",
    "PrecomputedClusters": "clustering",
    "PromptedSessionRecommender": "recommender",
    "Sessions": "sessions",
    "StackedSessionRecommender": "stacking",
    "load": "persistence",
    "make_session_pipeline": "pipeline",
}


def __getattr__(name: str) -> Any:
    """A public name or module, imported when it is first asked for: not every use needs torch."""
    if name in _MODULES:
        module = import_module(f".{_MODULES[name]}", __name__)
        return getattr(module, name)
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
