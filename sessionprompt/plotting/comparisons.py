"""Comparison of models: paired differences of a metric, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any, Self

from ..comparison import Comparison, paired_bootstrap
from .canvas import GREY, PALETTE, Display, plain

__all__ = ["ComparisonDisplay"]


class ComparisonDisplay(Display):
    """Differences of a metric between models on the same test sessions, one line each.

    Parameters
    ----------
    comparisons : mapping of str to Comparison
        By name, such as ``"narm - gru4rec"``.
    metric : str, default="metric"
    level : float, default=0.95
        Confidence of the intervals, for the title.

    See Also
    --------
    sessionprompt.comparison.paired_bootstrap : makes the comparisons.
    """

    def __init__(
        self, comparisons: Mapping[str, Comparison], metric: str = "metric", level: float = 0.95
    ) -> None:
        self.comparisons = comparisons
        self.metric = metric
        self.level = level

    @classmethod
    def from_results(
        cls,
        comparisons: Mapping[str, Comparison],
        *,
        metric: str = "metric",
        level: float = 0.95,
        ax: Any = None,
    ) -> Self:
        """Plot of comparisons that were made before.

        Parameters
        ----------
        comparisons, metric, level
            As of the class.
        ax : Axes, optional

        Returns
        -------
        ComparisonDisplay
        """
        return cls(comparisons, metric, level).plot(ax)

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: Any,
        *,
        baseline: str,
        metric: str = "mrr@20",
        level: float = 0.95,
        random_state: int | None = 0,
        ax: Any = None,
    ) -> Self:
        """Plot of fitted models against one of them.

        Parameters
        ----------
        estimators : mapping of str to recommender
            Fitted on the same sessions.
        X : Sessions or list of lists
            Test sessions.
        baseline : str
            Name of the model that the others are compared with.
        metric : str, default="mrr@20"
        level : float, default=0.95
        random_state : int or None, default=0
            Of the resampling.
        ax : Axes, optional

        Returns
        -------
        ComparisonDisplay

        Raises
        ------
        ValueError
            If the baseline is none of the models, or the only one.

        Examples
        --------
        >>> from sessionprompt.baselines import Popularity, SequentialRules
        >>> X = [["tea", "cup"], ["tea", "cup"], ["pen", "ink"]]
        >>> models = {"rules": SequentialRules().fit(X), "popular": Popularity().fit(X)}
        >>> shown = ComparisonDisplay.from_estimators(models, X, baseline="popular")
        >>> list(shown.comparisons)
        ['rules']
        """
        if baseline not in estimators or len(estimators) < 2:
            raise ValueError(
                f"baseline={baseline!r} must be one of the models {list(estimators)}, beside at "
                "least one other."
            )
        ranked = {name: model.ranks(X) for name, model in estimators.items()}
        others = [name for name in estimators if name != baseline]
        made = {}
        for name in others:
            made[name] = paired_bootstrap(
                ranked[name],
                ranked[baseline],
                metric,
                level=level,
                n_comparisons=len(others),
                random_state=random_state,
            )
        shown = cls(made, metric, level).plot(ax)
        shown.ax_.set_title(f"Gain over {baseline}", loc="left", fontsize="medium")
        return shown

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is nothing to compare.
        """
        if not self.comparisons:
            raise ValueError("comparisons is empty; give at least one by name.")
        [panel] = self._open(ax, (7.2, 1.3 + 0.4 * len(self.comparisons)))
        panel.axvline(0, color=GREY, linestyle=":", zorder=0)
        for place, one in enumerate(self.comparisons.values()):
            ends = [[one.difference - one.low], [one.high - one.difference]]
            style = {"fmt": "o", "capsize": 3, "color": _color(one)}
            panel.errorbar([one.difference], [place], xerr=ends, **style)
        places = range(len(self.comparisons))
        panel.set_yticks(places, [fill(name, 28) for name in self.comparisons])
        panel.set_ylim(len(self.comparisons) - 0.5, -0.5)
        figures = [_figures(one) for one in self.comparisons.values()]
        right = panel.secondary_yaxis("right")
        right.set_yticks(places, figures, fontsize="small")
        right.tick_params(length=0)
        right.spines["right"].set_visible(False)
        label = f"difference in {self.metric}, {self.level:.0%} interval"
        plain(panel, "Paired differences", x=label)
        return self


def _color(one: Comparison) -> str:
    """Colour of a gain, of a loss, and of what may be either."""
    if one.low > 0:
        return PALETTE[0]
    if one.high < 0:
        return PALETTE[5]
    return GREY


def _figures(one: Comparison) -> str:
    """Difference and interval in figures."""
    return f"{one.difference:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
