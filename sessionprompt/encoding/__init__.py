"""Encoding of sessions in the numbers of a model, and examples: which prefixes ask for what."""

from __future__ import annotations

from .annotations import (
    PROMPT_KINDS,
    annotation,
    annotator_fitted_on,
    attribute_kinds,
    check_prompts,
    labelled_by,
)
from .cold import rows_between, warm_encoder, with_cold_items
from .encoded import EncodedSessions, asked_events
from .encoder import SessionEncoder
from .examples import Examples, last_prefixes, prefix_examples
from .filters import (
    CodeLists,
    ItemFilter,
    SeenBefore,
    candidates_of,
    filter_of_prefixes,
    item_filter,
    read_candidates,
    read_seen,
    with_reserved_places,
)
from .labels import item_labels
from .prefixes import PrefixData, count_unknown, last_windows, prefix_data
from .targets import NextItemTargets
from .training import training_prefixes

__all__ = [
    "PROMPT_KINDS",
    "CodeLists",
    "EncodedSessions",
    "Examples",
    "ItemFilter",
    "NextItemTargets",
    "PrefixData",
    "SeenBefore",
    "SessionEncoder",
    "annotation",
    "annotator_fitted_on",
    "asked_events",
    "attribute_kinds",
    "candidates_of",
    "check_prompts",
    "count_unknown",
    "filter_of_prefixes",
    "item_filter",
    "item_labels",
    "labelled_by",
    "last_prefixes",
    "last_windows",
    "prefix_data",
    "prefix_examples",
    "read_candidates",
    "read_seen",
    "rows_between",
    "training_prefixes",
    "warm_encoder",
    "with_cold_items",
    "with_reserved_places",
]
