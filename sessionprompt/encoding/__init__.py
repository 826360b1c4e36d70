"""Encoding of sessions in the numbers of a model, and examples: which prefixes ask for what."""

from __future__ import annotations

from .annotations import PROMPT_KINDS, annotation, check_prompts
from .encoded import EncodedSessions
from .encoder import SessionEncoder
from .examples import Examples, last_prefixes, prefix_examples
from .prefixes import PrefixData, prefix_data
from .targets import NextItemTargets

__all__ = [
    "PROMPT_KINDS",
    "EncodedSessions",
    "Examples",
    "NextItemTargets",
    "PrefixData",
    "SessionEncoder",
    "annotation",
    "check_prompts",
    "last_prefixes",
    "prefix_data",
    "prefix_examples",
]
