"""Fits shared by processes of gloo, beside the same fits in one process; results go to a file.

Run as ``python processes.py FOLDER``: one interpreter forks all processes, which saves their start.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from skorch.callbacks import Callback

from sessionprompt import PromptedSessionRecommender, losses
from sessionprompt.clustering import ItemClusterer
from sessionprompt.datasets import make_sessions
from sessionprompt.training import gradients

COMMON = {
    "dim": 8,
    "batch_size": 64,
    "max_epochs": 2,
    "precision": "float32",
    "random_state": 0,
}
FITS: dict[str, dict[str, Any]] = {
    "full": {"loss": "full", "repeats": None, "accumulate": 2},
    "sampled": {"loss": "sampled", "n_negatives": 4, "refit": False},
    "clusters": {"loss": "clusters", "n_negatives": 4, "refit": False},
    "own draws": {"backbone": "sasrec", "refit": False, "random_state": None},
    "few windows": {"loss": "full", "batch_size": 4, "refit": False, "validation_fraction": None},
}
EXACT = ("full", "sampled", "clusters", "few windows")  # weights of attention are dropped apart
SESSIONS = make_sessions(120, n_items=30, n_clusters=3, random_state=0)
ANNOTATED = ItemClusterer(random_state=0).fit_transform(SESSIONS)


class Steps(Callback):
    """Loss of each step and the item table after it; may end its process in a step."""

    def __init__(self, fatal_step: int | None = None) -> None:
        self.fatal_step = fatal_step
        self.losses: list[float] = []
        self.tables: list[np.ndarray] = []

    def on_batch_end(self, net: Any, loss: Any = None, training: bool = False, **kwargs: Any):
        if not training:
            return
        self.losses.append(loss.item())
        self.tables.append(net.network.items.detach().numpy().copy())
        if len(self.losses) == self.fatal_step:
            os._exit(9)


def fitted(name: str, sessions: Any = ANNOTATED, **more: Any) -> dict[str, Any]:
    """What a fit has learned, step by step."""
    steps = Steps(more.pop("fatal_step", None))
    given = {**COMMON, **FITS[name], **more}
    net_params = {**given.pop("net_params", {}), "callbacks": [steps]}
    if name == "few windows":
        sessions = sessions[:6]
    model = PromptedSessionRecommender(**given, net_params=net_params).fit(sessions)
    history = [{key: row[key] for key in row if key != "dur"} for row in model.history_]
    return {
        "losses": steps.losses,
        "tables": np.array(steps.tables),
        "history": history,
        "weights": model.network_.items.detach().numpy().copy(),
        "lists": model.predict(ANNOTATED[:3], k=3).tolist(),
    }


def in_processes(size: int, folder: Path, task: Callable[[int], Any]) -> list[Any]:
    """Answers of a task in some processes of one group, or the error that ended it."""
    store = folder / f"store-{len(list(folder.iterdir()))}"
    children = []
    for rank in range(size):
        child = os.fork()
        if not child:
            _answer(rank, size, store, task)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    paths = [store.with_suffix(f".{rank}") for rank in range(size)]
    return [pickle.loads(path.read_bytes()) if path.exists() else None for path in paths]


def _answer(rank: int, size: int, store: Path, task: Callable[[int], Any]) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=size)
    try:
        answer = task(rank)
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    store.with_suffix(f".{rank}").write_bytes(pickle.dumps(answer))
    if not isinstance(answer, str):
        dist.destroy_process_group()


def killed_and_resumed(folder: Path) -> dict[str, Any]:
    """Fit of which a process ends in the second epoch, taken up by one process alone."""
    checkpoints = folder / "checkpoints"

    def task(rank: int) -> Any:
        fatal = {1: 5}.get(rank)
        return fitted("full", checkpoint_dir=str(checkpoints), fatal_step=fatal)

    answers = in_processes(2, folder, task)
    written = sorted(path.name for path in checkpoints.iterdir())
    resumed = fitted("full", checkpoint_dir=str(checkpoints))
    return {"answers": answers, "written": written, "resumed": resumed}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    losses.PER_ROW = 1

    def task(rank: int) -> Any:
        return {name: fitted(name) for name in FITS}

    def as_rows(rank: int) -> Any:
        gradients.DENSE_FROM = 100.0
        return {name: fitted(name) for name in ("sampled", "clusters")}

    def unlike(rank: int) -> Any:
        return fitted("full", ANNOTATED[rank:])

    found = {
        "shared": in_processes(2, folder, task),
        "three": in_processes(3, folder, as_rows),
        "unlike": in_processes(2, folder, unlike),
        "killed": killed_and_resumed(folder),
        "alone": {name: fitted(name) for name in EXACT},
    }
    (folder / "found").write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
