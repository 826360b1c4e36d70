"""Cluster flow: how often sessions go from one cluster to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from .._checks import check_count
from ..sessions import Sessions, as_sessions
from ..tables import Titles
from .canvas import Display
from .steps import column_of, fitted_clusterer, item_names, most_frequent

__all__ = ["ClusterFlowDisplay"]

OTHERS = "all others"


class ClusterFlowDisplay(Display):
    """Shares of the steps out of each cluster that lead to each cluster.

    Parameters
    ----------
    shares : ndarray of shape (n, n)
        Row by row 1, or all 0 for a cluster that no step leaves.
    names : sequence of str
        Of the clusters, those of most events first.
    """

    def __init__(self, shares: np.ndarray, names: Sequence[str]) -> None:
        self.shares = shares
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        titles: Titles | None = None,
        n_clusters: int = 10,
        column: int = 0,
        ax: Any = None,
    ) -> Self:
        """Flow of sessions between the clusters of a fitted clusterer.

        Parameters
        ----------
        estimator : clusterer, or a pipeline that has one
        X : Sessions or list of lists
        titles : dict of id to title, pandas Series, or table, optional
            Clusters are named by their most frequent items. A table has the columns ``item`` and
            ``title``.
        n_clusters : int, default=10
            Clusters of most events to show; the others are one together.
        column : int, default=0
            Which resolution, where the clusterer has several.
        ax : Axes, optional

        Returns
        -------
        ClusterFlowDisplay

        Raises
        ------
        ValueError
            If there is no clusterer, no such column, or no step in the sessions.

        Examples
        --------
        >>> from sessionprompt import ItemClusterer
        >>> X = [["tea", "cup", "tea", "cup"], ["pen", "ink", "pen", "cup"]]
        >>> shown = ClusterFlowDisplay.from_estimator(ItemClusterer(random_state=0).fit(X), X)
        >>> shown.shares.shape
        (2, 2)
        """
        check_count("n_clusters", n_clusters)
        clusterer = fitted_clusterer(estimator)
        sessions = as_sessions(X)
        labels = column_of(clusterer.label_events(sessions), column)  # (n_events,)
        own = clusterer.labels_.reshape(len(clusterer.vocabulary_), -1)[:, column]  # (n_items,)
        counts = np.bincount(labels, minlength=own.max() + 1)
        chosen = np.argsort(-counts, kind="stable")[:n_clusters]
        flow = _flow(sessions, labels, chosen, len(counts))
        places = clusterer.vocabulary_.translate(sessions.vocabulary)[sessions.codes]
        items = np.bincount(places[places >= 0], minlength=len(own))
        item_titles = item_names(clusterer.vocabulary_, titles)
        tops = most_frequent(own, items, chosen.tolist(), 1)
        names = [f"{one}: {item_titles[top[0]]}" for one, top in zip(chosen, tops, strict=True)]
        if len(chosen) < len(counts):
            names.append(OTHERS)
        return cls(flow / np.maximum(flow.sum(axis=1, keepdims=True), 1), names).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        self
        """
        n = len(self.names)
        [panel] = self._open(ax, (3.2 + 0.62 * n, max(3.4, 2.0 + 0.5 * n)))
        panel.imshow(self.shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for row, column in np.ndindex(n, n):
            share = self.shares[row, column]
            color = "black"
            if share > 0.6:
                color = "white"
            style = {"ha": "center", "va": "center", "color": color, "fontsize": "small"}
            panel.text(column, row, f"{100 * share:.0f}", **style)
        panel.set_yticks(range(n), list(self.names))
        short = [name.partition(":")[0] for name in self.names]
        panel.set_xticks(range(n), [name.replace(" ", "\n") for name in short])
        panel.set_xlabel("to cluster")
        panel.set_ylabel("from cluster: its most frequent item")
        panel.set_title("Steps out of each cluster (%)", loc="left", fontsize="medium")
        return self


def _flow(sessions: Sessions, labels: np.ndarray, chosen: np.ndarray, n_clusters: int) -> Any:
    """Number of steps between chosen clusters, the others together as the last one."""
    has_others = len(chosen) < n_clusters
    place = np.full(n_clusters, len(chosen))
    place[chosen] = np.arange(len(chosen))
    size = len(chosen) + has_others
    is_first = np.zeros(len(labels), dtype=bool)
    is_first[sessions.offsets[:-1][sessions.lengths > 0]] = True
    after = np.flatnonzero(~is_first)
    if not len(after):
        raise ValueError("X has no session of two events, so no step; give longer sessions.")
    flow = np.zeros((size, size), dtype=np.int64)
    np.add.at(flow, (place[labels[after - 1]], place[labels[after]]), 1)
    return flow
