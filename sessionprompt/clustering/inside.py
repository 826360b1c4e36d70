"""Clusters to look at: a table of items, a table of clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .._checks import check_count, check_fitted
from ..tables import Backend, LearnedHtml, Summary, Titles, native_table, titles_of
from ..vocabulary import Vocabulary

__all__ = ["ClusterTablesMixin"]


class ClusterTablesMixin(LearnedHtml):
    """Tables of the items and of the clusters of a fitted clusterer."""

    vocabulary_: Vocabulary
    graph_: sparse.csr_array
    labels_: NDArray[np.int32]
    item_counts_: NDArray[np.int64] | None
    n_clusters_: Any
    modularity_: Any

    def _columns(self) -> NDArray[np.int32]:
        """Cluster of each item, shape (n_items, n_resolutions)."""
        raise NotImplementedError

    def to_frame(self, titles: Titles | None = None, *, backend: Backend = "pandas") -> Any:
        """Table with one row per item.

        Parameters
        ----------
        titles : dict of id to title, pandas Series, or table, optional
            A Series has the ids as its index; a table has the columns ``item`` and ``title``.
        backend : {"pandas", "polars", "pyarrow"}, default="pandas"
            Library of the table.

        Returns
        -------
        table of that library
            Columns item, title (with `titles`), cluster (with several resolutions cluster_0,
            cluster_1 and so on), events (of the sessions learned from) and degree (distinct items
            next to it in them). In the order of ``vocabulary_``.

        Raises
        ------
        ImportError, TypeError, ValueError
            As in :meth:`Sessions.to_events`; or if titles name no item; or if the clusterer was
            saved by a version that kept no counts of events.

        Examples
        --------
        >>> from sessionprompt.clustering import ItemClusterer
        >>> clusterer = ItemClusterer(random_state=0).fit([["tea", "cup", "tea"], ["pen", "ink"]])
        >>> clusterer.to_frame()
          item  cluster  events  degree
        0  cup        0       1       1
        1  ink        1       1       1
        2  pen        1       1       1
        3  tea        0       2       1
        """
        check_fitted(self, "labels_")
        columns: dict[str, Any] = {"item": self.vocabulary_.ids}
        if titles is not None:
            columns["title"] = titles_of(self.vocabulary_.ids, titles)
        columns |= self._cluster_columns()
        columns["events"] = self._item_events()
        columns["degree"] = np.diff(self.graph_.indptr)
        return native_table(columns, backend)

    def describe(
        self, titles: Titles | None = None, *, n_top: int = 10, backend: Backend = "pandas"
    ) -> Any:
        """Table with one row per cluster.

        Parameters
        ----------
        titles : dict of id to title, pandas Series, or table, optional
            As in :meth:`to_frame`.
        n_top : int, default=10
            Most frequent items to name.
        backend : {"pandas", "polars", "pyarrow"}, default="pandas"
            Library of the table.

        Returns
        -------
        table of that library
            Columns resolution (where there are several: 0, 1 and so on), cluster, items (its size),
            event_share (share of all events that are of its items), stays_within (share of the
            steps from or to its items that stay in it; missing where there is no step) and
            top_items (titles where known, else ids as text, most frequent first).

        Raises
        ------
        ImportError, TypeError, ValueError
            As in :meth:`to_frame`, or if `n_top` is below 1.

        Examples
        --------
        >>> from sessionprompt.clustering import ItemClusterer
        >>> clusterer = ItemClusterer(random_state=0).fit([["tea", "cup", "tea"], ["pen", "ink"]])
        >>> clusterer.describe(n_top=1)
           cluster  items  event_share  stays_within top_items
        0        0      2          0.6           1.0     [tea]
        1        1      2          0.4           1.0     [ink]
        """
        check_fitted(self, "labels_")
        check_count("n_top", n_top)
        named = self.vocabulary_.ids.tolist()
        if titles is not None:
            found = titles_of(self.vocabulary_.ids, titles)
            named = [title or id_ for title, id_ in zip(found, named, strict=True)]
        parts = [self._described(column, named, n_top) for column in self._columns().T]
        columns = {name: [value for part in parts for value in part[name]] for name in parts[0]}
        if self.labels_.ndim == 2:
            resolution = [place for place, part in enumerate(parts) for _ in part["cluster"]]
            columns = {"resolution": resolution, **columns}
        return native_table(columns, backend)

    def _described(
        self, labels: NDArray[np.int32], named: list[Any], n_top: int
    ) -> dict[str, list[Any]]:
        """Columns of the clusters of one resolution."""
        n_clusters = labels.max() + 1
        events = self._item_events()
        totals = np.bincount(labels, weights=events, minlength=n_clusters)
        order = np.lexsort((np.arange(len(labels)), -events, labels))
        starts = np.searchsorted(labels[order], np.arange(n_clusters + 1))
        top = []
        for cluster in range(n_clusters):
            first = starts[cluster]
            members = order[first : min(first + n_top, starts[cluster + 1])]
            top.append([str(named[item]) for item in members])
        return {
            "cluster": list(range(n_clusters)),
            "items": np.diff(starts).tolist(),
            "event_share": (totals / totals.sum()).tolist(),
            "stays_within": self._shares_within(labels, n_clusters),
            "top_items": top,
        }

    def _shares_within(self, labels: NDArray[np.int32], n_clusters: int) -> list[float | None]:
        """Share of each cluster's steps that stay in it; None where it has no step."""
        edges = self.graph_.tocoo()
        row, column = edges.coords
        ends = labels[row]
        stays = ends == labels[column]
        total = np.bincount(ends, weights=edges.data, minlength=n_clusters)
        within = np.bincount(ends[stays], weights=edges.data[stays], minlength=n_clusters)
        shares: list[float | None] = []
        for inside, whole in zip(within.tolist(), total.tolist(), strict=True):
            share = None
            if whole:
                share = inside / whole
            shares.append(share)
        return shares

    def _cluster_columns(self) -> dict[str, NDArray[np.int32]]:
        """Clusters of the items by the name of their column."""
        if self.labels_.ndim == 1:
            return {"cluster": self.labels_}
        return {f"cluster_{place}": column for place, column in enumerate(self.labels_.T)}

    def _item_events(self) -> NDArray[np.int64]:
        """Events of each item in the sessions learned from."""
        if self.item_counts_ is None:
            raise ValueError(
                "this clusterer has no counts of events, as fit_graph reads none and older "
                "versions saved none; fit it on sessions."
            )
        return self.item_counts_

    def _learned(self) -> Summary:
        if not hasattr(self, "labels_"):
            return Summary()
        learned = Summary(items=len(self.vocabulary_))
        learned["clusters"] = np.ravel(self.n_clusters_).tolist()
        learned["modularity"] = np.ravel(self.modularity_).tolist()
        return learned
