"""Metrics under names that loggers of experiments take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from numbers import Real
from typing import Any

__all__ = ["flat_metrics", "flat_name"]


def flat_name(name: str) -> str:
    """Name of letters, digits and ``_-./``: the ``@`` of metrics is one that MLflow refuses.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Examples
    --------
    >>> flat_name("mrr@20")
    'mrr_20'
    """
    return re.sub(r"[^\w\-./ ]", "_", name)


def flat_metrics(results: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Numbers of a result under flat names, those of slices with slashes: for a logger.

    Parameters
    ----------
    results : mapping
        As `evaluate` returns it, or a row of ``history_``.
    prefix : str, default=""
        Put before every name.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> flat_metrics({"mrr@5": 0.25, "n_targets": 8, "slices": {"length": {"1-2": {"mrr@5": 0.5}}}})
    {'mrr_5': 0.25, 'n_targets': 8.0, 'slices/length/1-2/mrr_5': 0.5}
    """
    flat: dict[str, float] = {}
    for name, value in results.items():
        place = prefix + flat_name(str(name))
        if isinstance(value, Mapping):
            flat.update(flat_metrics(value, f"{place}/"))
        elif isinstance(value, Real):
            flat[place] = float(value)
    return flat
