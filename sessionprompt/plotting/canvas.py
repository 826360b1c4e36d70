"""What all displays share: axes to draw on, a palette, pictures for notebooks and files."""

from __future__ import annotations

import os
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["GREY", "PALETTE", "Display", "plain", "shortened"]

# Okabe and Ito, "Color Universal Design", 2008: told apart with any kind of colour vision
PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#000000",
)
GREY = "#8c8c8c"


class Display:
    """Base of the displays.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes
        The first of the axes.
    axes_ : ndarray of Axes
        All of them, in the order of reading.
    """

    figure_: Figure
    ax_: Axes
    axes_: np.ndarray
    _owns_figure = False

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, or array-like of as many Axes as there are panels, optional
            Without it, a figure of its own is made. One that stands on a grid is divided where
            there are several panels.

        Returns
        -------
        self
        """
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str], *, dpi: float = 150) -> None:
        """Write the figure to a file.

        Parameters
        ----------
        path : path
            The ending says in which format: ``.png``, ``.svg``, ``.pdf``.
        dpi : float, default=150
            Dots per inch.
        """
        self.figure_.savefig(path, dpi=dpi)

    def _repr_png_(self) -> bytes | None:
        """Picture for a notebook; None on axes of somebody else, who shows them."""
        if not self._owns_figure:
            return None
        buffer = BytesIO()
        self.figure_.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()

    def _open(
        self, ax: Any, size: tuple[float, float], rows: int = 1, columns: int = 1, **grid: Any
    ) -> list[Any]:
        """Axes to draw on, one per panel, once the attributes of the figure are set."""
        n_panels = rows * columns
        self._owns_figure = ax is None
        if ax is None:
            axes = _new_figure(type(self).__name__, size).subplots(
                rows, columns, squeeze=False, **grid
            )
        elif isinstance(ax, list | tuple | np.ndarray):
            axes = np.asarray(ax, dtype=object)
        elif n_panels == 1:
            axes = np.array([ax], dtype=object)
        else:
            axes = _divided(ax, rows, columns)
        self.axes_ = axes.ravel()
        if len(self.axes_) != n_panels:
            raise ValueError(
                f"ax holds {len(self.axes_)} axes, and {type(self).__name__} draws {n_panels} "
                "panels; give as many axes, one on a grid, or none."
            )
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure.figure  # of which a subfigure is a part
        return list(self.axes_)


def _new_figure(name: str, size: tuple[float, float]) -> Figure:
    """Figure that no state of pyplot knows."""
    if find_spec("matplotlib") is None:
        raise ImportError(
            f"{name} needs matplotlib, which is not installed; pip install 'sessionprompt[plot]'."
        )
    from matplotlib.figure import Figure

    return Figure(size, layout="constrained")


def _divided(ax: Any, rows: int, columns: int) -> np.ndarray:
    """Axes of a grid in the place of one that stands on a grid itself."""
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            f"ax stands on no grid and cannot be divided; give {rows * columns} axes, or one of "
            "figure.subplots."
        )
    ax.set_axis_off()
    grid = place.subgridspec(rows, columns)
    return np.array([ax.figure.add_subplot(cell) for cell in grid], dtype=object)


def plain(ax: Any, title: str = "", x: str = "", y: str = "") -> None:
    """Take the upper and right lines away, and write title and labels."""
    ax.spines[["top", "right"]].set_visible(False)
    if title:
        ax.set_title(title, loc="left", fontsize="medium")
    if x:
        ax.set_xlabel(x)
    if y:
        ax.set_ylabel(y)


def shortened(text: Any, n_letters: int = 28) -> str:
    """Text of at most so many letters.

    Examples
    --------
    >>> shortened("The Shawshank Redemption (1994)", 12)
    'The Shawsha…'
    """
    text = str(text)
    if len(text) <= n_letters:
        return text
    return text[: n_letters - 1] + "…"
