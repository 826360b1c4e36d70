"""Figures of a report as SVG text; they need matplotlib, from the package's extra `plot`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

try:
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, LogLocator, NullLocator
except ImportError:
    matplotlib = None  # type: ignore[assignment]

MISSING = (
    "Plots need matplotlib, which is not installed: pip install 'sessionprompt[plot]', "
    "then make the report anew."
)
COLOURS = (
    "#4d4d4d",
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
    "#999999",
)
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "report"}  # text stays text, same input same file

Point = tuple[float, float]  # mean and standard deviation


def available() -> bool:
    """Whether figures can be drawn."""
    return matplotlib is not None


def bars(
    title: str,
    heights: Mapping[str, Mapping[str, Point]],
    arms: Sequence[str],
    label: str,
    note: str = "",
) -> str:
    """One group of bars per backbone and one bar per arm; an arm that was not run leaves a gap."""
    figure, (axes,) = _figure(title, note, width=max(6.5, 2.5 + 1.1 * len(heights)))
    width = 0.85 / len(arms)
    for k, arm in enumerate(arms):
        placed = [(x, *group[arm]) for x, group in enumerate(heights.values()) if arm in group]
        left = [x + (k - (len(arms) - 1) / 2) * width for x, _, _ in placed]
        spread = [sd for _, _, sd in placed]
        axes.bar(
            left, [mean for _, mean, _ in placed], width, yerr=spread, color=_colour(k), label=arm
        )
    axes.set_xticks(range(len(heights)), list(heights))
    axes.set_ylabel(label)
    return _svg(figure)


def scatter(
    title: str,
    points: Sequence[tuple[str, str, float, float]],
    labels: tuple[str, str],
    note: str = "",
) -> str:
    """A point per backbone and arm, coloured by arm and named by backbone."""
    figure, (axes,) = _figure(title, note)
    for k, arm in enumerate(dict.fromkeys(arm for _, arm, _, _ in points)):
        own = [(x, y) for _, other, x, y in points if other == arm]
        axes.scatter(*zip(*own, strict=True), color=_colour(k), label=arm)
    for backbone, _, x, y in points:
        axes.annotate(backbone, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=7)
    if max(x for *_, x, _ in points) > 5 * min(x for *_, x, _ in points):
        _logarithmic(axes, LogLocator(subs=(1, 2, 5)))
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    return _svg(figure)


def curves(
    title: str,
    lines: Mapping[str, Mapping[float, Point]],
    levels: Mapping[str, float],
    below: Mapping[str, Mapping[float, float]],
    labels: tuple[str, str],
    note: str = "",
) -> str:
    """A curve per backbone and arm, levels of the plain arms, a panel per further quantity."""
    figure, (axes, *others) = _figure(
        title, note, height=3.2 + 1.1 * len(below), panels=1 + len(below)
    )
    for k, (name, points) in enumerate(lines.items()):
        means, spread = zip(*points.values(), strict=True)
        axes.errorbar(
            list(points), means, yerr=spread, marker="o", color=_colour(k), capsize=2, label=name
        )
    for k, (name, level) in enumerate(levels.items()):
        axes.axhline(level, color=_colour(k), linestyle="--", linewidth=1, label=f"{name} plain")
    axes.set_ylabel(labels[1])
    for panel, (name, values) in zip(others, below.items(), strict=True):
        panel.plot(list(values), list(values.values()), marker="s", color="black")
        panel.set_ylabel(name)
    places = sorted({x for points in lines.values() for x in points})
    if places[0] > 0:
        _logarithmic(axes, FixedLocator(places))  # the panels share it
    (others or [axes])[-1].set_xlabel(labels[0])
    return _svg(figure)


def _figure(
    title: str, note: str, *, width: float = 6.5, height: float = 3.4, panels: int = 1
) -> tuple[Any, list[Any]]:
    figure = Figure((width, height), layout="constrained")
    ratios = [3] + [1] * (panels - 1)
    axes = figure.subplots(panels, sharex=True, squeeze=False, height_ratios=ratios)[:, 0].tolist()
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=9, x=0.01, ha="left")
    if note:
        figure.supxlabel(note, fontsize=7, x=0.01, ha="left")
    return figure, axes


def _logarithmic(axes: Any, ticks: Any) -> None:
    """Make x logarithmic, with numbers as they are said."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticks)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _colour(k: int) -> str:
    return COLOURS[k % len(COLOURS)]


def _svg(figure: Any) -> str:
    handles, _ = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
