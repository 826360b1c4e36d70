"""What stands in one cell of a table: means with their spread, ranges, and numbers as text."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from _lines import Line

NOTHING = "-"


def percent(values: Sequence[float]) -> str:
    """Mean of some shares in percent, and their standard deviation if there are several."""
    return number([100 * value for value in values], "{:.2f}")


def number(values: Sequence[float], form: str = "{:.1f}") -> str:
    """Mean of some values, and their standard deviation if there are several."""
    if not values:
        return NOTHING
    spread = f" ± {form.format(statistics.stdev(values))}" if len(values) > 1 else ""
    return form.format(statistics.fmean(values)) + spread


def points(share: float) -> str:
    """A difference of shares in points of percent, with its sign."""
    return f"{100 * share:+.2f}"


def probability(p: float) -> str:
    """A p-value, to three places."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def extent(values: Sequence[float]) -> str:
    """The smallest and the largest of some values, or the one value that all of them are."""
    if not values:
        return NOTHING
    low = plain(min(values))
    high = plain(max(values))
    if low == high:
        return low
    return f"{low} to {high}"


def plain(value: Any) -> str:
    """A number, several, a text, or nothing."""
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return NOTHING if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def mean(value: Any) -> float:
    """A number, or the mean of several."""
    return statistics.fmean(value) if isinstance(value, list) else float(value)


def values(lines: Iterable[Line], key: str) -> list[Any]:
    """What those of the lines that hold a key hold there."""
    return [line[key] for line in lines if line.get(key) is not None]


def tested(lines: Iterable[Line], key: str) -> list[Any]:
    """The same of their test figures."""
    return values([line.get("test") or {} for line in lines], key)


def seeds(lines: Iterable[Line]) -> str:
    """The seeds of some runs."""
    return ", ".join(map(str, sorted(set(values(lines, "seed"))))) or NOTHING


def files(lines: Iterable[Line]) -> list[str]:
    """Names of the files that some lines come from."""
    return sorted({line["file"] for line in lines})
