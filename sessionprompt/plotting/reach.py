"""Reach of a log: how far its targets are from what their sessions have seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from ..graphs import FARTHER, item_graph, target_distances
from ..sessions import as_sessions
from .canvas import PALETTE, Display, plain
from .steps import fitted_clusterer

__all__ = ["ReachDisplay"]

NAMES = {
    0: "repeats an item\nof its session",
    1: "one step away\nin the training log",
    2: "two steps away",
    FARTHER: "known, farther away",
    -1: "unknown item",
}


class ReachDisplay(Display):
    """Shares of the targets of a log that repeat, are one or two steps away, or out of reach.

    A step leads from an item to one that stood next to it in a training session.

    Parameters
    ----------
    shares : mapping of str to float
        By kind of target; they add up to 1.
    n_targets : int
    """

    def __init__(self, shares: Mapping[str, float], n_targets: int) -> None:
        self.shares = shares
        self.n_targets = n_targets

    @classmethod
    def from_sessions(cls, train: Any, test: Any, *, ax: Any = None) -> Self:
        """Reach of test sessions by what training sessions hold.

        Parameters
        ----------
        train, test : Sessions or list of lists
        ax : Axes, optional

        Returns
        -------
        ReachDisplay

        Raises
        ------
        ValueError
            If no test session holds a target.

        Examples
        --------
        >>> shown = ReachDisplay.from_sessions([["tea", "cup"], ["cup", "pot"]], [["tea", "pot"]])
        >>> shown.shares["two steps away"]
        1.0
        """
        train = as_sessions(train, "train")
        graph = item_graph(train.codes, train.offsets, len(train.vocabulary))
        occurs = np.bincount(train.codes, minlength=len(train.vocabulary)) > 0
        return cls._of(graph, train.vocabulary, occurs, test, ax)

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, ax: Any = None) -> Self:
        """Reach of sessions by the item graph of a fitted clusterer.

        Parameters
        ----------
        estimator : clusterer, or a pipeline that has one
        X : Sessions or list of lists
        ax : Axes, optional

        Returns
        -------
        ReachDisplay
        """
        clusterer = fitted_clusterer(estimator)
        occurs = np.ones(len(clusterer.vocabulary_), dtype=bool)
        return cls._of(clusterer.graph_, clusterer.vocabulary_, occurs, X, ax)

    @classmethod
    def _of(cls, graph: Any, vocabulary: Any, occurs: np.ndarray, X: Any, ax: Any) -> Self:
        """Reach of sessions in a graph whose items are those that occur."""
        sessions = as_sessions(X)
        places = vocabulary.translate(sessions.vocabulary)
        places = np.where(np.append(occurs, False)[places], places, -1)
        targets = sessions.target_events
        if not len(targets):
            raise ValueError(
                f"none of the {len(sessions)} sessions has {sessions.usable_if}; there is no "
                "target to reach."
            )
        distances = target_distances(graph, places[sessions.codes], sessions.offsets)
        later = np.setdiff1d(np.arange(sessions.n_events), sessions.offsets[:-1])
        distances = distances[np.isin(later, targets)]
        shares = {}
        for distance, name in NAMES.items():
            shares[name.replace("\n", " ")] = float(np.mean(distances == distance))
        return cls(shares, len(distances)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        self
        """
        [panel] = self._open(ax, (6.8, 3.2))
        shares = 100 * np.array(list(self.shares.values()))
        colors = [PALETTE[place] for place in (3, 0, 4, 1, 5)]
        bars = panel.barh(list(NAMES.values()), shares, color=colors)
        panel.bar_label(bars, fmt="%.1f %%", padding=3)
        panel.invert_yaxis()
        panel.set_xlim(0, min(100, 1.18 * shares.max()))
        plain(panel, f"Reach of {self.n_targets:,} targets", x="share of the targets (%)")
        return self
