"""Metric by slice of the targets, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..comparison import Interval, metric_intervals
from ..metrics import RankedTargets, Slice
from .canvas import GREY, PALETTE, Display, plain

__all__ = ["SliceDisplay"]

LABELS: dict[str, tuple[str, ...]] = {
    "length": ("1", "2", "3-4", "5-9", "10+"),
    "popularity": ("unknown", "1-5", "6-20", "21-100", "101+"),
    "repeat": ("new", "repeat"),
    "cold": ("warm", "cold", "unknown"),
}
TITLES = {
    "length": "events before the target",
    "popularity": "training events of the target",
    "repeat": "target in its session",
    "cold": "target in training",
}


class SliceDisplay(Display):
    """Metric of the targets of each slice, with confidence intervals.

    Parameters
    ----------
    intervals : mapping of str to mapping of str to Interval
        Slice, then label, as of :func:`sessionprompt.comparison.metric_intervals`.
    overall : Interval
        Of all targets.
    metric : str
    level : float, default=0.95
    """

    def __init__(
        self,
        intervals: Mapping[str, Mapping[str, Interval]],
        overall: Interval,
        metric: str,
        level: float = 0.95,
    ) -> None:
        self.intervals = intervals
        self.overall = overall
        self.metric = metric
        self.level = level

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        metric: str = "mrr@20",
        slices: Sequence[Slice] = ("length", "popularity", "repeat"),
        level: float = 0.95,
        ax: Any = None,
    ) -> Self:
        """Metric of a fitted model on test sessions.

        Parameters
        ----------
        estimator : recommender, or a pipeline that ends in one
        X : Sessions or list of lists
        metric : str, default="mrr@20"
            ``mrr@k``, ``recall@k``, ``hr@k`` or ``ndcg@k``.
        slices : list of {"length", "popularity", "repeat", "cold"}
        level : float, default=0.95
            Confidence of the intervals, which take sessions as the sample.
        ax : Axes or one per slice, optional

        Returns
        -------
        SliceDisplay

        Examples
        --------
        >>> from sessionprompt.baselines import SequentialRules
        >>> X = [["tea", "cup", "tea"], ["tea", "cup"], ["pen", "ink"]]
        >>> shown = SliceDisplay.from_estimator(SequentialRules().fit(X), X, metric="recall@1")
        >>> shown.intervals["repeat"]["new"].n_targets
        3
        """
        ranked = estimator.ranks(X)
        return cls.from_results(ranked, metric=metric, slices=slices, level=level, ax=ax)

    @classmethod
    def from_results(
        cls,
        ranked: RankedTargets,
        *,
        metric: str = "mrr@20",
        slices: Sequence[Slice] = ("length", "popularity", "repeat"),
        level: float = 0.95,
        ax: Any = None,
    ) -> Self:
        """Metric of ranked targets.

        Parameters
        ----------
        ranked : RankedTargets
            From ``ranks`` of a fitted model.
        metric, slices, level, ax
            As of :meth:`from_estimator`.

        Returns
        -------
        SliceDisplay

        Raises
        ------
        ValueError
            If a slice or the metric is not known.
        """
        if not slices:
            raise ValueError(f"slices is empty; name some of {list(LABELS)}.")
        intervals = {}
        for name, labels in ranked.groups(slices).items():
            found = metric_intervals(ranked, metric, labels, level=level)
            intervals[name] = {label: found[label] for label in LABELS[name] if label in found}
        overall = metric_intervals(ranked, metric, level=level)["all"]
        return cls(intervals, overall, metric, level).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or one per slice, optional

        Returns
        -------
        self
        """
        n_labels = [len(found) for found in self.intervals.values()]
        size = (1.2 + 0.95 * sum(n_labels), 3.4)
        panels = self._open(
            ax, size, 1, len(self.intervals), sharey=True, width_ratios=np.maximum(n_labels, 2)
        )
        for panel, (name, found) in zip(panels, self.intervals.items(), strict=True):
            self._draw(panel, found)
            plain(panel, x=TITLES[name])
        panels[0].set_ylabel(self.metric)
        panels[0].set_ylim(bottom=0)
        title = f"{self.metric} by slice, {self.level:.0%} intervals; dotted: all targets"
        panels[0].set_title(title, loc="left", fontsize="medium")
        return self

    def _draw(self, panel: Any, found: Mapping[str, Interval]) -> None:
        """Points with intervals over the labels of a slice."""
        panel.axhline(self.overall.mean, color=GREY, linestyle=":", zorder=0)
        for place, one in enumerate(found.values()):
            ends = np.nan_to_num([[one.mean - one.low], [one.high - one.mean]])
            panel.errorbar([place], [one.mean], yerr=ends, fmt="o", capsize=4, color=PALETTE[0])
        names = [f"{label}\nn={one.n_targets:,}" for label, one in found.items()]
        panel.set_xticks(range(len(found)), names, fontsize="small")
        panel.set_xlim(-0.6, len(found) - 0.4)
