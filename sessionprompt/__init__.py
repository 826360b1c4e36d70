"""Session-based recommendation with cluster prompts: scikit-learn on the outside, PyTorch inside."""

from __future__ import annotations

import os
from typing import Any

from .clustering import ItemClusterer, PrecomputedClusters
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


def load(path: str | os.PathLike[str]) -> Any:
    """Read an estimator that its `save` has written, see :func:`sessionprompt.persistence.load`.

    Parameters
    ----------
    path : path

    Returns
    -------
    estimator
        Fitted, on the CPU.
    """
    from .persistence import load as read  # loads skorch, which nothing else needs before a fit

    return read(path)
