"""Folder of the data, description of the machine, and lines of results, for all scripts."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

METRICS = [f"{kind}@{k}" for k in (5, 10, 20) for kind in ("mrr", "recall", "ndcg")]


def data_option(parser: argparse.ArgumentParser) -> None:
    """Let the command line or the environment name the folder of the data."""
    parser.add_argument(
        "--data", default=os.environ.get("SESSIONPROMPT_DATA"), help="folder of the Parquet files"
    )


def set_option(parser: argparse.ArgumentParser) -> None:
    """Let the command line set parameters of recommenders, see :func:`settings`."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="recommender parameter, as the commands of the package read it",
    )


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """Parameters of recommenders that the command line sets."""
    # not above: another project's environment reads this file, too
    from sessionprompt.cli import literal

    pairs = (text.split("=", 1) for text in args.set)
    return {name: literal(value) for name, value in pairs}


def data_file(folder: str | None, name: str) -> Path:
    """Path of one of the Parquet files, or the end of the script with a word on what to do."""
    if not folder:
        sys.exit("name the folder of the Parquet files with --data or SESSIONPROMPT_DATA")
    path = Path(folder) / f"{name}.parquet"
    if not path.exists():
        sys.exit(f"{path} is not there; --data must name the folder that holds {path.name}")
    return path


def machine(packages: Iterable[str]) -> dict[str, Any]:
    """Processor, versions of Python and these packages, kernels of the library, and the command.

    And the GPU, if the process has used one.
    """
    info = Path("/proc/cpuinfo")
    names = []
    if info.exists():
        rows = info.read_text().splitlines()
        names = [row.split(":")[1].strip() for row in rows if row.startswith("model name")]
    versions = {"python": platform.python_version()}
    versions |= {name: version(name) for name in packages}
    return {
        "device": next(iter(names), platform.machine()),
        **_gpu(),
        "versions": versions,
        **_compiled(),
        "command": " ".join(["python", *map(_public, sys.argv)]),
    }


def _gpu() -> dict[str, str]:
    """Name of the GPU that was used so far."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {"gpu": torch.cuda.get_device_name()}


def _compiled() -> dict[str, Any]:
    """Whether the compiled kernels are in use, or why not; those of float32 by their registers."""
    if find_spec("sessionprompt") is None:
        return {"compiled": None}
    from torch import device

    from sessionprompt.kernels import float32_lanes, obstacle

    return {"compiled": obstacle(device("cpu")) or True, "float32_lanes": float32_lanes()}


def _public(word: str) -> str:
    """A word of the command line, without the folder that only this machine has."""
    if Path(word).is_absolute():
        return Path(word).name
    return word


def peak_gb() -> float:
    """Peak memory of this process so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        for cells in (head, *rows)
    ]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def write_line(line: dict[str, Any], output: Path | None) -> None:
    """Print a line as JSON, and append it to a file if one is named."""
    text = json.dumps(line, default=str)
    print(text, flush=True)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("a") as file:
            file.write(text + "\n")
