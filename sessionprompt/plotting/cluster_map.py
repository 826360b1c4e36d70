"""Cluster map: item vectors in two dimensions, coloured by cluster, with a session on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np

from .._checks import check_choice, check_count, check_fitted
from ..encoding import SessionEncoder
from ..metrics import last_step
from ..tables import Titles
from .canvas import PALETTE, Display, plain
from .steps import column_of, fitted_clusterer, item_names, most_frequent

__all__ = ["ClusterMapDisplay"]

N_TITLES = 2  # that name a cluster
NEAR = 0.03  # of the width and height: numbers of a path that close are joined
METHODS = ("tsne", "pca")


class ClusterMapDisplay(Display):
    """Items as points in two dimensions, the largest clusters in colours.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
        Of the items drawn.
    labels : ndarray of shape (n,)
        Cluster of each.
    names : dict of int to str
        Clusters in colours, with what the legend says of them.
    session : ndarray of shape (length, 2), optional
        Positions of the items of a session, drawn as a path.
    recommended : ndarray of shape (k, 2), optional
        Positions of recommendations, best first.
    notes : sequence of str, optional
        What the legend says of the session and of the recommendations.
    """

    def __init__(
        self,
        positions: np.ndarray,
        labels: np.ndarray,
        names: dict[int, str],
        session: np.ndarray | None = None,
        recommended: np.ndarray | None = None,
        notes: Sequence[str] = ("", ""),
    ) -> None:
        self.positions = positions
        self.labels = labels
        self.names = names
        self.session = session
        self.recommended = recommended
        self.notes = notes

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        titles: Titles | None = None,
        n_items: int = 1000,
        n_clusters: int = 7,
        column: int = 0,
        session: Sequence[Any] | None = None,
        k: int = 5,
        method: Literal["tsne", "pca"] = "tsne",
        random_state: int | None = 0,
        ax: Any = None,
    ) -> Self:
        """Map of the items of a fitted model.

        Parameters
        ----------
        estimator : PromptedSessionRecommender, or a pipeline that ends in one
        titles : dict of id to title, pandas Series, or table, optional
            For the legend. A table has the columns ``item`` and ``title``.
        n_items : int, default=1000
            Most frequent items to draw.
        n_clusters : int, default=7
            Clusters to colour, at most 7: those of the session, then those of most events; the
            others are grey.
        column : int, default=0
            Which resolution, where there are several.
        session : list of ids, optional
            A session to draw as a path, with its recommendations as stars.
        k : int, default=5
            Recommendations to draw.
        method : {"tsne", "pca"}, default="tsne"
            t-SNE keeps neighbours together and takes seconds; principal components are faster, and
            clusters overlap.
        random_state : int or None, default=0
            Of t-SNE.
        ax : Axes, optional

        Returns
        -------
        ClusterMapDisplay

        Raises
        ------
        ValueError
            If the model has no clusters or no vectors of items, or a parameter is out of bounds.

        References
        ----------
        van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008.
        """
        check_choice("method", method, METHODS)
        check_count("n_items", n_items, low=2)
        check_count("n_clusters", n_clusters, high=len(PALETTE) - 1)
        model = last_step(estimator)
        check_fitted(model, "encoder_")
        vectors = _vectors(model)
        encoder = model.encoder_
        labels = column_of(_labels(estimator, encoder), column)  # (n_items,)
        path = np.empty(0, dtype=np.int32)
        best = path
        if session is not None:
            path = encoder.vocabulary.encode(list(session))
            path = path[path >= 0]
            best = encoder.vocabulary.encode(estimator.predict_topk([list(session)], k=k)[0])
        order = np.argsort(-encoder.item_counts, kind="stable")
        drawn = np.unique(np.concatenate([order[:n_items], path, best]))
        positions = np.full((encoder.n_items, 2), np.nan)
        positions[drawn] = _in_two_dimensions(vectors[drawn], method, random_state)
        item_titles = item_names(encoder.vocabulary, titles)
        clusters = _coloured(labels, encoder.item_counts, path, n_clusters)
        names = _cluster_names(labels, encoder.item_counts, item_titles, clusters)
        shown = cls(positions[drawn], labels[drawn], names)
        if session is not None:
            shown.session = positions[path]
            shown.recommended = positions[best]
            shown.notes = (_listed(path, item_titles), _listed(best, item_titles))
        return shown.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        self
        """
        n_lines = sum(text.count("\n") + 2 for text in (*self.names.values(), *self.notes))
        [panel] = self._open(ax, (9.2, max(5.4, 1.2 + 0.155 * n_lines)))
        others = ~np.isin(self.labels, list(self.names))
        if others.any():
            style = {"s": 7, "color": "0.8", "linewidths": 0}
            panel.scatter(*self.positions[others].T, label="other clusters", **style)
        for color, (cluster, name) in zip(PALETTE, self.names.items(), strict=False):
            own = self.positions[self.labels == cluster]
            panel.scatter(*own.T, s=12, color=color, linewidths=0, label=name)
            if len(own):
                _write_above(panel, own, str(cluster))
        self._draw_session(panel)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[["left", "bottom"]].set_color("0.8")
        plain(panel, f"{len(self.positions):,} items, nearer the more alike their vectors")
        place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
        panel.legend(frameon=False, fontsize="small", labelspacing=0.7, **place)
        return self

    def _draw_session(self, panel: Any) -> None:
        """Path of the session and stars of the recommendations."""
        if self.session is None or self.recommended is None:
            return
        panel.plot(*self.session.T, "-", color="black", linewidth=1.2, alpha=0.8)
        style = {"s": 36, "color": "white", "edgecolors": "black", "zorder": 5}
        panel.scatter(*self.session.T, label=f"session\n{self.notes[0]}", **style)
        stars = {"s": 90, "marker": "*", "color": "black", "edgecolors": "white", "zorder": 4}
        panel.scatter(*self.recommended.T, label=f"recommended\n{self.notes[1]}", **stars)
        for place, numbers in self._path_numbers():
            style = {"textcoords": "offset points", "fontsize": "small", "zorder": 6}
            panel.annotate(numbers, place, (5, 5), path_effects=_white_edge(), **style)

    def _path_numbers(self) -> list[tuple[np.ndarray, str]]:
        """Places of the path and their numbers, those together that are close to each other."""
        near = NEAR * np.ptp(self.positions, axis=0)
        numbered: list[tuple[np.ndarray, str]] = []
        for number, place in enumerate(self.session, 1):  # type: ignore[arg-type]
            for k, (other, numbers) in enumerate(numbered):
                if (np.abs(place - other) <= near).all():
                    numbered[k] = (other, f"{numbers}, {number}")
                    break
            else:
                numbered.append((place, str(number)))
        return numbered


def _vectors(model: Any) -> np.ndarray:
    """Directions of the item vectors of a model."""
    vectors = getattr(model, "item_vectors_", None)
    if vectors is None:
        raise ValueError(
            f"{type(model).__name__} has no vectors of items; give a PromptedSessionRecommender."
        )
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _labels(estimator: Any, encoder: SessionEncoder) -> np.ndarray:
    """Clusters of the items of a model, by what it has learned or by the pipeline's clusterer."""
    if encoder.item_labels.shape[1]:
        return encoder.item_labels
    labels = fitted_clusterer(estimator).fitted_labels(encoder.vocabulary)
    if labels.min() < 0:
        raise ValueError(
            "the clusterer does not know all items of the model; fit both on the same sessions."
        )
    return labels


def _coloured(
    labels: np.ndarray, counts: np.ndarray, path: np.ndarray, n_clusters: int
) -> list[int]:
    """Clusters of a session, then those of most events, so many together; most events first."""
    events = np.bincount(labels, weights=counts)
    by_events = np.argsort(-events, kind="stable").tolist()
    chosen = [*dict.fromkeys([*labels[path].tolist(), *by_events])][:n_clusters]
    return sorted(chosen, key=by_events.index)


def _cluster_names(
    labels: np.ndarray, counts: np.ndarray, titles: Sequence[str], clusters: list[int]
) -> dict[int, str]:
    """Clusters, each with the titles of its most frequent items."""
    names = {}
    tops = most_frequent(labels, counts, clusters, N_TITLES)
    for cluster, top in zip(clusters, tops, strict=True):
        names[cluster] = "\n".join([f"cluster {cluster}", *(titles[item] for item in top)])
    return names


def _in_two_dimensions(vectors: np.ndarray, method: str, random_state: int | None) -> np.ndarray:
    """Positions (n, 2) of vectors (n, d)."""
    if method == "pca":
        from sklearn.decomposition import PCA

        return PCA(2, random_state=random_state).fit_transform(vectors)
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    tsne = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=random_state)
    return tsne.fit_transform(vectors)


def _listed(codes: np.ndarray, names: Sequence[str]) -> str:
    """Numbered names of items, one a line."""
    return "\n".join(f"{number} {names[code]}" for number, code in enumerate(codes, 1))


def _write_above(panel: Any, points: np.ndarray, text: str) -> None:
    """Number of a cluster above those of its points that are close to their middle."""
    middle = np.median(points, axis=0)
    distances = np.abs(points - middle)  # (n, 2)
    near = (distances <= 2 * np.median(distances, axis=0)).all(axis=1)
    top = points[:, 1].max()
    if near.any():
        top = points[near, 1].max()
    place = (middle[0], top)
    style = {"ha": "center", "va": "bottom", "fontsize": "large", "fontweight": "bold"}
    offset = {"xytext": (0, 4), "textcoords": "offset points", "zorder": 3}
    panel.annotate(text, place, path_effects=_white_edge(), **offset, **style)


def _white_edge() -> list[Any]:
    """Effect that makes text legible on points."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3, foreground="white")]
