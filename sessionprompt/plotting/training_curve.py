"""Training curve: losses and the monitored metric after each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from .._checks import check_fitted
from ..metrics import last_step
from .canvas import GREY, PALETTE, Display, plain

__all__ = ["TrainingCurveDisplay"]


class TrainingCurveDisplay(Display):
    """Losses and the monitored metric after each epoch, with the best epoch marked.

    Parameters
    ----------
    history : list of dict
        As ``history_`` of a recommender: ``epoch``, ``train_loss`` and, with validation sessions,
        ``valid_loss`` and the metric.
    monitor : str, default="mrr@5"
        Name of the metric; a history without it has no panel for it.
    best_epoch : int, optional
        Epoch to mark.

    Examples
    --------
    >>> history = [{"epoch": 1, "train_loss": 3.0, "mrr@5": 0.1}]
    >>> TrainingCurveDisplay.from_results(history).figure_ is not None
    True
    """

    def __init__(
        self,
        history: Sequence[Mapping[str, float]],
        monitor: str = "mrr@5",
        best_epoch: int | None = None,
    ) -> None:
        self.history = history
        self.monitor = monitor
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Curve of a fitted recommender.

        Parameters
        ----------
        estimator : PromptedSessionRecommender, or a pipeline that ends in one
        ax : Axes or two of them, optional

        Returns
        -------
        TrainingCurveDisplay
        """
        model = last_step(estimator)
        check_fitted(model, "history_")
        best = model.best_epoch_
        if not any(model.monitor in row for row in model.history_):
            best = None
        return cls(model.history_, model.monitor, best).plot(ax)

    @classmethod
    def from_results(
        cls,
        history: Sequence[Mapping[str, float]],
        *,
        monitor: str = "mrr@5",
        best_epoch: int | None = None,
        ax: Any = None,
    ) -> Self:
        """Curve of a history.

        Parameters
        ----------
        history, monitor, best_epoch
            As of the class.
        ax : Axes or two of them, optional

        Returns
        -------
        TrainingCurveDisplay
        """
        return cls(history, monitor, best_epoch).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or two of them, optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the history has no epoch.
        """
        if not len(self.history):
            raise ValueError("the history has no epoch; fit with max_epochs of 1 or more.")
        has_metric = any(self.monitor in row for row in self.history)
        rows = 1 + has_metric
        panels = self._open(ax, (6.4, 2.2 + 1.6 * rows), rows, sharex=True)
        self._draw(panels[0], "train_loss", "training", PALETTE[0], "o-")
        self._draw(panels[0], "valid_loss", "validation", PALETTE[5], "s--")
        plain(panels[0], "Training curve", y="loss (nats per target)")
        panels[0].legend(frameon=False)
        if has_metric:
            self._draw(panels[1], self.monitor, self.monitor, PALETTE[2], "o-")
            plain(panels[1], y=f"{self.monitor} on validation")
        for panel in panels:
            panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            if len(self.history) == 1:
                panel.margins(x=1)
        if self.best_epoch:
            self._mark(panels, self.best_epoch)
        panels[-1].set_xlabel("epoch")
        return self

    def _mark(self, panels: Sequence[Any], epoch: int) -> None:
        """Line through all panels at an epoch, named on the side where there is more room."""
        for panel in panels:
            panel.axvline(epoch, color=GREY, linestyle=":", zorder=0)
        style: dict[str, Any] = {"ha": "left", "color": "0.35", "fontsize": "small"}
        offset = 4
        if 2 * epoch > len(self.history):
            style["ha"] = "right"
            offset = -4
        place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        panels[-1].annotate(f"best epoch: {epoch}", (epoch, 0), (offset, 4), **place, **style)

    def _draw(self, panel: Any, name: str, label: str, color: str, form: str) -> None:
        """Line of the epochs that have a value."""
        points = [(row["epoch"], row[name]) for row in self.history if name in row]
        if points:
            epochs, values = zip(*points, strict=True)
            panel.plot(epochs, values, form, color=color, label=label, markersize=4)
