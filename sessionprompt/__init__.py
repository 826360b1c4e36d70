"""Session-based recommendation with cluster prompts: scikit-learn on the outside, PyTorch inside."""

from __future__ import annotations

from .clustering import ItemClusterer
from .recommender import PromptedSessionRecommender
from .sessions import Sessions

__all__ = ["ItemClusterer", "PromptedSessionRecommender", "Sessions"]
__version__ = "0.1.0"
