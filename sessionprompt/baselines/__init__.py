"""Recommenders without a network: popularity, rules, nearest neighbours, linear models.

They have the methods of :class:`~sessionprompt.recommender.PromptedSessionRecommender`, rank as
exactly, and fit a million events in seconds on one core. Counters, sequential rules, session
neighbours and linear models beat many published networks: a table without them says little. Nothing
here needs torch.
"""

from __future__ import annotations

from .attributes import AttributeKNN, AttributeRules
from .item_knn import ItemKNN
from .popularity import Popularity, SessionPopularity
from .rules import AssociationRules, SequentialRules
from .session_knn import STAN, VSKNN
from .slist import SLIST

__all__ = [
    "SLIST",
    "STAN",
    "VSKNN",
    "AssociationRules",
    "AttributeKNN",
    "AttributeRules",
    "ItemKNN",
    "Popularity",
    "SequentialRules",
    "SessionPopularity",
]
