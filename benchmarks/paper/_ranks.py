"""Ranks of the test targets: beside the lines of the runs, left out of the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sessionprompt.metrics import RankedTargets

__all__ = ["are_kept", "keep_ranks", "read_ranks"]

Line = dict[str, Any]


def keep_ranks(folder: Path, name: str, data_hash: str, ranked: RankedTargets) -> None:
    """Write the ranks of a run, and once per split which targets they are of."""
    folder.mkdir(exist_ok=True)
    # 0 is unknown to the model
    known = np.where(np.isfinite(ranked.ranks), ranked.ranks, 0).astype(np.uint32)
    np.savez_compressed(_of_run(folder, name), ranks=known)
    targets = _of_split(folder, data_hash)
    if not targets.exists():
        sessions = ranked.sessions.astype(np.int32)
        positions = ranked.positions.astype(np.int32)
        np.savez_compressed(targets, sessions=sessions, positions=positions)


def are_kept(folder: Path, line: Line) -> bool:
    """Presence of both files that the ranks of a run's line are read from."""
    files = (_of_run(folder, line["ranks"]), _of_split(folder, line["data_hash"]))
    return all(file.exists() for file in files)


def read_ranks(folder: Path, line: Line) -> RankedTargets:
    """Ranks of the run of a line, without what comparisons do not look at."""
    kept = _arrays(_of_run(folder, line["ranks"]))["ranks"].astype(float)
    targets = _arrays(_of_split(folder, line["data_hash"]))
    return RankedTargets(
        **targets,
        ranks=np.where(kept == 0, np.inf, kept),
        counts=np.zeros(len(kept), dtype=np.int64),
        repeated=np.zeros(len(kept), dtype=bool),
        top=None,
        n_items=line["n_items"],
    )


def _of_run(folder: Path, name: str) -> Path:
    return folder / f"{name}.npz"


def _of_split(folder: Path, data_hash: str) -> Path:
    return folder / f"targets-{data_hash}.npz"


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as kept:
        return dict(kept)
