"""Resolution curve: metric, number and sizes of clusters, agreement of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score

from .._checks import check_count, is_number
from ..clustering import ItemClusterer
from ..sessions import as_sessions
from .canvas import PALETTE, Display, plain

__all__ = ["ResolutionCurveDisplay"]


@dataclass(frozen=True)
class Partitions:
    """Clusters at some resolutions.

    Attributes
    ----------
    sizes : list of ndarray
        Items in each cluster, largest first, at each resolution, of the first seed.
    agreement : list of float
        Mean adjusted Rand index of all pairs of seeds at each resolution; empty with one seed.
    """

    sizes: list[np.ndarray] = field(default_factory=list)
    agreement: list[float] = field(default_factory=list)


class ResolutionCurveDisplay(Display):
    """Quality of a model, and clusters, as functions of the resolution.

    Parameters
    ----------
    resolutions : array-like of shape (n,)
        Rising.
    scores, spreads : array-like of shape (n,), optional
        Mean of the metric over the folds at each resolution, and its standard deviation.
    metric : str, default="score"
    partitions : Partitions, optional
        Clusters at these resolutions.
    """

    def __init__(
        self,
        resolutions: npt.ArrayLike,
        scores: npt.ArrayLike | None = None,
        spreads: npt.ArrayLike | None = None,
        metric: str = "score",
        partitions: Partitions | None = None,
    ) -> None:
        self.resolutions: Any = resolutions
        self.scores = scores
        self.spreads = spreads
        self.metric = metric
        self.partitions = partitions

    @classmethod
    def from_results(
        cls,
        search: Any,
        X: Any = None,
        *,
        metric: str | None = None,
        param: str = "clu__resolution",
        n_seeds: int = 3,
        ax: Any = None,
    ) -> Self:
        """Curve of a search over resolutions.

        Where the search tried other parameters too, each resolution has its best candidate.

        Parameters
        ----------
        search : GridSearchCV or the like, fitted, or its ``cv_results_``
        X : Sessions or list of lists, optional
            Sessions to cluster at each resolution, for the panels of clusters; they need the search
            itself, with ``refit``, as its best pipeline has the clusterer.
        metric : str, optional
            By default that of ``refit``, or the only one.
        param : str, default="clu__resolution"
            Name of the resolution in the search.
        n_seeds : int, default=3
            Fits of the clusterer at each resolution, whose agreement is shown.
        ax : Axes or one per panel, optional

        Returns
        -------
        ResolutionCurveDisplay

        Raises
        ------
        ValueError
            If the search has no such parameter or metric, or resolutions are not single numbers.
        """
        results = getattr(search, "cv_results_", search)
        column = f"param_{param}"
        if column not in results:
            tried = [name.removeprefix("param_") for name in results if name.startswith("param_")]
            raise ValueError(f"param={param!r} was not searched over; the search has {tried}.")
        metric = metric or _only_metric(search, results)
        if f"mean_test_{metric}" not in results:
            known = [
                name.removeprefix("mean_test_") for name in results if name.startswith("mean_test_")
            ]
            raise ValueError(f"metric={metric!r} was not scored; the search has {known}.")
        resolutions = _numbers(results[column], param)
        means = np.asarray(results[f"mean_test_{metric}"])
        best = [_best_at(one, resolutions, means) for one in np.unique(resolutions)]
        partitions = None
        if X is not None:
            clusterer = search.best_estimator_.named_steps[param.rpartition("__")[0]]
            partitions = _partitions(clusterer, X, resolutions[best], n_seeds)
        spreads = np.asarray(results[f"std_test_{metric}"])[best]
        return cls(resolutions[best], means[best], spreads, metric, partitions).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        clusterer: ItemClusterer,
        X: Any,
        *,
        resolutions: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0),
        n_seeds: int = 3,
        ax: Any = None,
    ) -> Self:
        """Clusters of sessions at some resolutions, without a model.

        Parameters
        ----------
        clusterer : ItemClusterer
            Its parameters are read, it is not changed.
        X : Sessions or list of lists
        resolutions : sequence of float
        n_seeds : int, default=3
        ax : Axes or one per panel, optional

        Returns
        -------
        ResolutionCurveDisplay

        Examples
        --------
        >>> sessions = [["tea", "cup", "pot", "tea"], ["pen", "ink", "pad", "pen"]]
        >>> shown = ResolutionCurveDisplay.from_estimator(ItemClusterer(), sessions, n_seeds=2)
        >>> len(shown.axes_)
        3
        """
        sorted_ones = np.unique(_numbers(resolutions, "resolutions"))
        partitions = _partitions(clusterer, X, sorted_ones, n_seeds)
        return cls(sorted_ones, partitions=partitions).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or one per panel, optional
            A panel for the metric if there are scores, two for clusters if there are partitions,
            and one for the agreement of seeds if there are several.

        Returns
        -------
        self
        """
        drawn = [self._draw_metric, self._draw_numbers, self._draw_sizes, self._draw_agreement]
        partitions = self.partitions or Partitions()
        n_sizes = bool(partitions.sizes)
        wanted = [self.scores is not None, n_sizes, n_sizes, bool(partitions.agreement)]
        chosen = [draw for draw, is_there in zip(drawn, wanted, strict=True) if is_there]
        panels = self._open(ax, (6.4, 1.2 + 1.5 * len(chosen)), len(chosen), sharex=True)
        for panel, draw in zip(panels, chosen, strict=True):
            draw(panel)
            panel.set_xscale("log")
            panel.set_xticks(list(self.resolutions))
            panel.xaxis.set_major_formatter("{x:g}")
            panel.minorticks_off()
        panels[0].set_title("By resolution of the clusters", loc="left", fontsize="medium")
        panels[-1].set_xlabel("resolution")
        return self

    def _draw_metric(self, panel: Any) -> None:
        """Mean and spread of the metric."""
        style = {"fmt": "o-", "capsize": 3, "color": PALETTE[0], "markersize": 4}
        panel.errorbar(self.resolutions, self.scores, yerr=self.spreads, **style)
        plain(panel, y=self.metric)

    def _draw_numbers(self, panel: Any) -> None:
        """Number of clusters."""
        numbers = [len(sizes) for sizes in self._sizes()]
        panel.plot(self.resolutions, numbers, "o-", color=PALETTE[2], markersize=4)
        panel.set_ylim(bottom=0)
        plain(panel, y="clusters")

    def _draw_sizes(self, panel: Any) -> None:
        """Largest cluster, and the one in which the median item lies."""
        from matplotlib.ticker import LogLocator

        largest = [sizes.max() for sizes in self._sizes()]
        median = [_size_of_median_item(sizes) for sizes in self._sizes()]
        panel.plot(self.resolutions, largest, "^-", color=PALETTE[5], label="largest", markersize=4)
        panel.plot(
            self.resolutions,
            median,
            "o-",
            color=PALETTE[1],
            label="of the median item",
            markersize=4,
        )
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.legend(frameon=False, fontsize="small", ncols=2)
        plain(panel, y="items in cluster")

    def _draw_agreement(self, panel: Any) -> None:
        """Agreement of seeds."""
        agreement = self.partitions.agreement  # type: ignore[union-attr]
        panel.plot(self.resolutions, agreement, "s-", color=PALETTE[3], markersize=4)
        panel.set_ylim(0, 1.05)
        plain(panel, y="agreement of\nseeds (ARI)")

    def _sizes(self) -> list[np.ndarray]:
        assert self.partitions is not None
        return self.partitions.sizes


def _only_metric(search: Any, results: Mapping[str, Any]) -> str:
    """Metric that a search refits by, or its only one."""
    refit = getattr(search, "refit", None)
    if isinstance(refit, str):
        return refit
    names = [name.removeprefix("mean_test_") for name in results if name.startswith("mean_test_")]
    if len(names) != 1:
        raise ValueError(f"metric=None, and the search has {names}; name one.")
    return names[0]


def _numbers(values: Any, name: str) -> np.ndarray:
    """Resolutions as numbers."""
    for value in values:
        if not is_number(value):
            raise ValueError(
                f"{name} holds {value!r}; the curve needs single numbers, one per clustering."
            )
    numbers = np.array([float(value) for value in values])
    if not len(numbers) or not (numbers > 0).all():
        raise ValueError(f"{name}={numbers.tolist()} must hold numbers above 0.")
    return numbers


def _best_at(resolution: float, resolutions: np.ndarray, means: np.ndarray) -> int:
    """Row of the best candidate of a resolution."""
    rows = np.flatnonzero(resolutions == resolution)
    return int(rows[np.argmax(means[rows])])


def _partitions(
    clusterer: ItemClusterer, X: Any, resolutions: np.ndarray, n_seeds: int
) -> Partitions:
    """Clusters of sessions at some resolutions, with some seeds."""
    check_count("n_seeds", n_seeds)
    sessions = as_sessions(X)
    many = tuple(resolutions.tolist())
    fitted = []
    for seed in range(n_seeds):
        one = clone(clusterer).set_params(resolution=many, random_state=seed)
        fitted.append(one.fit(sessions))
    agreement = []
    if n_seeds > 1:
        agreement = [_agreement([one.labels_[:, k] for one in fitted]) for k in range(len(many))]
    return Partitions(fitted[0].cluster_sizes_, agreement)


def _agreement(partitions: list[np.ndarray]) -> float:
    """Mean adjusted Rand index of all pairs of partitions."""
    pairs = [(one, other) for k, one in enumerate(partitions) for other in partitions[:k]]
    return float(np.mean([adjusted_rand_score(one, other) for one, other in pairs]))


def _size_of_median_item(sizes: np.ndarray) -> int:
    """Size of the cluster in which the median item lies, when items are sorted by it."""
    rising = np.sort(sizes)
    place = np.searchsorted(np.cumsum(rising), rising.sum() / 2)
    return int(rising[place])
