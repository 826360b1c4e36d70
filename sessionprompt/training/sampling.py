"""Samples of prefixes to measure on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..encoding import PrefixData

__all__ = ["sampled_prefixes"]


def sampled_prefixes(data: PrefixData, size: int, seed: int) -> PrefixData:
    """At most `size` prefixes, drawn window by window; at least one window."""
    if len(data) <= size:
        return data
    examples = data.examples
    order = np.random.default_rng([seed, 0]).permutation(len(examples))  # epochs count from 1
    n_drawn = np.cumsum(examples.n_prefixes[order])
    n_windows = max(1, np.searchsorted(n_drawn, size, side="right"))
    return replace(data, examples=examples.take(np.sort(order[:n_windows])))
