"""Encoding of sessions in the numbers of a model, and examples: which prefixes ask for what."""

from __future__ import annotations

from .encoder import PROMPT_KINDS, EncodedSessions, SessionEncoder, check_prompt_data, check_prompts
from .examples import Examples, PrefixData, last_prefixes, prefix_data, prefix_examples
from .targets import NextItemTargets

__all__ = [
    "PROMPT_KINDS",
    "EncodedSessions",
    "Examples",
    "NextItemTargets",
    "PrefixData",
    "SessionEncoder",
    "check_prompt_data",
    "check_prompts",
    "last_prefixes",
    "prefix_data",
    "prefix_examples",
]
