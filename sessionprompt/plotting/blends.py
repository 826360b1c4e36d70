"""Weights of a blend: what an item gains by standing in the session already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from ..blending import Blend, StackBlend
from ..metrics import last_step
from .canvas import GREY, PALETTE, Display, plain

__all__ = ["BlendDisplay"]

LONGEST = 64  # events of a prefix at the right end of the trust's axis


class BlendDisplay(Display):
    """Bonuses of items that a session has seen already, and the trust in scores by length.

    The last panels show what full shares of habits are worth: of earlier stays at an item that went
    on and that ended, of moves that returned to an item and that did not, and a return just now.

    Parameters
    ----------
    blend : Blend or StackBlend

    Examples
    --------
    >>> from sessionprompt.blending import Blend
    >>> len(BlendDisplay.from_results(Blend.neutral()).axes_)
    6
    """

    def __init__(self, blend: Blend | StackBlend) -> None:
        self.blend = blend

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Plot of the blend of a fitted recommender.

        Parameters
        ----------
        estimator : recommender with ``blend_``, or a pipeline that ends in one
        ax : Axes or six of them, optional

        Returns
        -------
        BlendDisplay

        Raises
        ------
        ValueError
            If it has learned none.
        """
        blend = getattr(last_step(estimator), "blend_", None)
        if blend is None:
            raise ValueError(
                "the model has no blend; fit with repeats='held_out' and validation sessions."
            )
        return cls(blend).plot(ax)

    @classmethod
    def from_results(cls, blend: Blend | StackBlend, *, ax: Any = None) -> Self:
        """Plot of a blend.

        Parameters
        ----------
        blend : Blend or StackBlend
        ax : Axes or six of them, optional

        Returns
        -------
        BlendDisplay
        """
        return cls(blend).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or six of them, optional

        Returns
        -------
        self
        """
        panels = self._open(ax, (8.4, 9.3), 3, 2)
        weights = self.blend.to_dict()
        steps = _named(weights, "steps back ")
        _bars(panels[0], steps, "By when it was seen last", "steps back")
        _bars(panels[1], _by_count(weights), "By how often it was seen", "times seen")
        lengths = {"1": 0.0, **_named(weights, "length ")}
        _bars(panels[2], lengths, "By length of the session", "events so far")
        _trusts(panels[3], weights)
        _bars(panels[4], _by_habit(weights, "last item if "), "Last item", "habit")
        _bars(panels[5], _by_habit(weights, "earlier item if "), "Earlier items", "habit")
        for panel in (*panels[:3], *panels[4:]):
            panel.set_ylabel("bonus (added to the score)")
        _note_factors(panels[5], weights)
        return self


def _named(weights: Mapping[str, float], start: str) -> dict[str, float]:
    """Weights whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(start): value for name, value in weights.items() if name.startswith(start)
    }


def _by_habit(weights: Mapping[str, float], start: str) -> dict[str, float]:
    """Weights of habits, by names of two short lines."""
    return {name.replace(" ", "\n"): value for name, value in _named(weights, start).items()}


def _by_count(weights: Mapping[str, float]) -> dict[str, float]:
    """Bonus by times seen: that of the bucket, and that of the logarithm of its least number."""
    bonuses = {"1": 0.0, **_named(weights, "times seen ")}
    for number, name in enumerate(bonuses, 1):
        bonuses[name] += weights["log of times seen"] * float(np.log(number))
    return bonuses


def _bars(panel: Any, bonuses: Mapping[str, float], title: str, label: str) -> None:
    """Bars of bonuses by bucket, losses in another colour."""
    values = np.array(list(bonuses.values()))
    colors = np.where(values < 0, PALETTE[5], PALETTE[0])
    panel.bar(list(bonuses), values, color=colors, width=0.7)
    panel.axhline(0, color=GREY, linewidth=0.8)
    plain(panel, title, x=label)


def _trusts(panel: Any, weights: Mapping[str, float]) -> None:
    """Trust in each model by length, which follows the logarithm between its knots."""
    curves: dict[str, dict[float, float]] = {}
    for name, value in weights.items():
        found = re.fullmatch(r"trust(?: in (.+))? at length (\d+)", name)
        if found:
            curves.setdefault(found[1] or "", {})[float(found[2])] = value
    for color, (name, knots) in zip(PALETTE * len(curves), curves.items(), strict=False):
        lengths = [*knots, LONGEST]
        values = [*knots.values(), [*knots.values()][-1]]
        panel.plot(
            lengths, values, "o-", color=color, label=name, markersize=4, markevery=[0, 1, 2]
        )
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_ylim(bottom=0)
    plain(panel, "Trust in the scores", x="events so far", y="factor")
    if len(curves) > 1:
        room = max(0.4, 0.95 - 0.08 * len(curves))  # of the height, below the legend
        panel.set_ylim(top=panel.get_ylim()[1] / room)
        panel.legend(frameon=False, loc="upper left", fontsize="small")


def _note_factors(panel: Any, weights: Mapping[str, float]) -> None:
    """Weights that multiply what differs from item to item, as text below the panel."""
    lines = [
        f"{name}: {value:+.2f}"
        for name, value in weights.items()
        if name.startswith("own score") or name == "share of events"
    ]
    text = "\n".join(["factors", *lines])
    style = {"fontsize": "small", "color": "0.35", "va": "top"}
    panel.text(0, -0.25, text, transform=panel.transAxes, **style)
