"""Repeated timings, synthetic logs, runs in processes of their own and lines, for speed."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # what all benchmarks share stands one folder up
from _shared import (
    data_file,
    data_option,
    machine,
    markdown_table,
    set_option,
    settings,
    write_line,
)

__all__ = [
    "alone",
    "clocked",
    "data_file",
    "data_option",
    "emit",
    "environment",
    "figures",
    "markdown_table",
    "options",
    "peak_mb",
    "popular",
    "set_option",
    "settings",
    "slope",
    "timed",
]


def options(description: str | None) -> argparse.ArgumentParser:
    """Options that all speed scripts understand."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, help="file to append the JSON lines to")
    return parser


def timed(action: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Median and extremes of the wall time of an action, median of its processor time; seconds."""
    wall = []
    processor = []
    for _ in range(repeats):
        started = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    low, median, high = np.quantile(wall, [0, 0.5, 1])
    cpu = float(np.median(processor))
    return {
        "s": figures(median),
        "s_min": figures(low),
        "s_max": figures(high),
        "cpu_s": figures(cpu),
    }


def clocked(action: Callable[[], Any]) -> float:
    """Seconds of processor time."""
    started = time.process_time()
    action()
    return time.process_time() - started


def figures(value: float) -> float:
    """Four significant figures."""
    return float(f"{value:.4g}")


def peak_mb() -> int:
    """Peak memory of this process so far, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


def alone(**choices: Any) -> dict[str, Any]:
    """The line that this script prints in a process of its own with these options."""
    words = [
        word
        for name, value in choices.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    command = [sys.executable, sys.argv[0], *words]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def environment(folder: Path, pins: Iterable[str], constrained: Iterable[str] = ()) -> Path:
    """Python of a virtual environment with these packages, which is made if it is not there.

    Packages that are `constrained` come first, in the versions of constraints.txt; see there.
    """
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        constraints = ["--constraint", Path(__file__).parents[2] / "constraints.txt"]
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        if constrained:
            subprocess.run([*install, *constraints, *constrained], check=True)
        subprocess.run([*install, *pins], check=True)
        (folder / ".ready").touch()
    return python


def emit(
    line: dict[str, Any], args: argparse.Namespace, packages: Iterable[str] = ("numpy", "scipy")
) -> None:
    """Print one JSON line with machine, versions and command, and append it to the output."""
    write_line({**line, "threads": args.threads, **machine(packages)}, args.output)


def slope(sizes: Iterable[float], seconds: Iterable[float]) -> float:
    """Exponent b of a fit seconds = a * size ** b."""
    return figures(np.polyfit(np.log(list(sizes)), np.log(list(seconds)), 1)[0])


def popular(n_events: int, n_items: int, rng: np.random.Generator) -> np.ndarray:
    """Item codes (n_events,), drawn independently, rank r with a probability as 1 / r."""
    shares = np.cumsum(1 / np.arange(1, n_items + 1))
    ranks = np.empty(n_events, dtype=np.int32)
    for start in range(0, n_events, 2**22):
        part = ranks[start : start + 2**22]
        part[:] = np.searchsorted(shares, rng.random(len(part)) * shares[-1])
    return rng.permutation(n_items).astype(np.int32)[ranks]
