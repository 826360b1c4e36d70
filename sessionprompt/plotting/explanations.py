"""Explanation of a score: what the events of a session add to it, and the parts of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..tables import Titles
from .canvas import GREY, PALETTE, Display, plain
from .steps import names_of

if TYPE_CHECKING:
    from ..explaining import Explanation

__all__ = ["ExplanationDisplay"]


class ExplanationDisplay(Display):
    """Bars of what each event adds to a score, and each part of the model.

    Bars to the right speak for the item, bars to the left against it. Those of either panel add up
    to the score; beyond 8 events a bar of what they add together is among them.

    Parameters
    ----------
    explanation : Explanation
    titles : dict of id to title, pandas Series, or table, optional
        A table has the columns ``item`` and ``title``.

    See Also
    --------
    sessionprompt.explaining.explain : makes the explanation.
    """

    def __init__(self, explanation: Explanation, titles: Titles | None = None) -> None:
        self.explanation = explanation
        self.titles = titles

    @classmethod
    def from_results(
        cls, explanation: Explanation, *, titles: Titles | None = None, ax: Any = None
    ) -> Self:
        """Plot of an explanation.

        Parameters
        ----------
        explanation, titles
            As of the class.
        ax : Axes or two of them, optional

        Returns
        -------
        ExplanationDisplay
        """
        return cls(explanation, titles).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        session: Any,
        item: Any,
        *,
        titles: Titles | None = None,
        ax: Any = None,
    ) -> Self:
        """Plot of why a fitted model scores an item as it does for a session.

        Parameters
        ----------
        estimator : fitted recommender, stack or Pipeline
        session : list of ids, or Sessions of one session
        item : id
        titles : dict of id to title, pandas Series, or table, optional
        ax : Axes or two of them, optional

        Returns
        -------
        ExplanationDisplay

        Examples
        --------
        >>> from sessionprompt.baselines import SequentialRules
        >>> model = SequentialRules().fit([["tea", "cup"], ["tea", "pot"], ["tea", "cup", "pot"]])
        >>> shown = ExplanationDisplay.from_estimator(model, ["tea", "cup"], "pot")
        >>> shown.explanation.score
        1.0
        """
        from ..explaining import explain  # torch is slow to import

        return cls(explain(estimator, session, item), titles).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or two of them, optional

        Returns
        -------
        self
        """
        found = self.explanation
        *names, item = names_of(np.array([*found.events, found.item], dtype=object), self.titles)
        events = [f"{number}  {name}" for number, name in enumerate(names, 1)]
        shares = found.shares.tolist()
        if found.method != "all subsets":
            events.append("together")
            shares.append(found.rest)
        n_bars = [len(events), len(found.parts)]
        size = (7.2, 1.9 + 0.3 * sum(n_bars))
        panels = self._open(ax, size, 2, sharex=True, height_ratios=n_bars)
        _bars(panels[0], events, shares)
        _bars(panels[1], list(found.parts), list(found.parts.values()))
        plain(panels[0], f"{item}: a score of {found.score:.2f}, by event")
        plain(panels[1], "by part of the model", x="share of the score")
        return self


def _bars(panel: Any, names: Sequence[str], shares: Sequence[float]) -> None:
    """Bars from zero, the first on top, losses in another colour."""
    values = np.array(shares)
    colors = np.where(values < 0, PALETTE[5], PALETTE[0])
    places = np.arange(len(values))
    bars = panel.barh(places, values, color=colors, height=0.7)
    figures = [f"{value:+.2f}" for value in values.round(2) + 0.0]  # which makes -0.0 a 0.0
    panel.bar_label(bars, figures, padding=3, fontsize="small")
    panel.set_yticks(places, names)
    panel.invert_yaxis()
    panel.axvline(0, color=GREY, linewidth=0.8)
    panel.margins(x=0.15)
