"""What happens between epochs: best weights and patience, checkpoint and resume, the progress bar."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor
from tqdm.auto import tqdm

from ..encoding import PrefixData
from ..storage import write_atomically
from .memory import give_back, resident

__all__ = [
    "BestWeights",
    "CheckpointFile",
    "LinearDecay",
    "ProgressBar",
    "SpareMemory",
    "StopWhenOutOfPatience",
]


class BestWeights(Callback):
    """Keep the weights of the best epoch, stop after `patience` epochs without a better one, restore them at the end.

    Without validation data the last weights are the best.

    Parameters
    ----------
    monitor : str
    patience : int or None
        None trains all epochs.
    """

    def __init__(self, monitor: str, patience: int | None) -> None:
        self.monitor = monitor
        self.patience = patience

    def initialize(self) -> BestWeights:
        """Forget earlier runs."""
        self.best_score_, self.best_epoch_ = -np.inf, 0
        self.weights_: dict[str, Tensor] | None = None
        self.stop_reason_ = "max_epochs"
        return self

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Compare, remember, and stop when patience is over."""
        row = net.history[-1]
        score = row.get(self.monitor, np.inf)
        if score > self.best_score_ or self.monitor not in row:
            self.best_score_, self.best_epoch_ = float(score), row["epoch"]
            if self.monitor in row:
                self.weights_ = {
                    name: value.detach().clone() for name, value in net.module_.state_dict().items()
                }

    def out_of_patience(self, epoch: int) -> bool:
        """Whether a run that has ended `epoch` should go no further."""
        return self.patience is not None and epoch - self.best_epoch_ >= self.patience

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Restore the best weights and say why training ended."""
        done = len([row for row in net.history if "dur" in row])
        if self.out_of_patience(done):
            self.stop_reason_ = "patience"
        elif done < net.max_epochs:
            self.stop_reason_ = "interrupted"
            state = (
                f"the weights of epoch {self.best_epoch_} are in use"
                if done
                else "the model is hardly trained"
            )
            warnings.warn(
                f"fit was interrupted after {done} of {net.max_epochs} epochs; {state}.",
                stacklevel=2,
            )
        if self.weights_ is not None:
            net.module_.load_state_dict(self.weights_)


class StopWhenOutOfPatience(Callback):
    """End training once :class:`BestWeights` has waited long enough; runs after the checkpoint is on disk."""

    def __init__(self, best: BestWeights) -> None:
        self.best = best

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Skorch's way to leave the loop is the interrupt that it catches."""
        if self.best.out_of_patience(len(net.history)):
            raise KeyboardInterrupt


class CheckpointFile(Callback):
    """Write the state of training after every epoch, and take it up again.

    Parameters
    ----------
    path : path
    fingerprint : str
        Digest of data and parameters; a checkpoint of another fit is refused.
    best : BestWeights
    """

    def __init__(self, path: str | os.PathLike[str], fingerprint: str, best: BestWeights) -> None:
        self.path = Path(path)
        self.fingerprint = fingerprint
        self.best = best

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Replace the file by the new state; the old one stays whole until then."""
        best = self.best
        history = [
            {key: _plain(value) for key, value in row.items() if key != "batches"}
            for row in net.history
        ]
        state = {
            "fingerprint": self.fingerprint,
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "history": history,
            "best": {
                "score": best.best_score_,
                "epoch": best.best_epoch_,
                "weights": best.weights_,
            },
        }
        write_atomically(self.path, lambda file: torch.save(state, file))

    def resume(self, net: NeuralNet) -> int:
        """Restore an initialised net from the file, if there is one; return the number of epochs already done.

        Raises
        ------
        ValueError
            When the file belongs to another fit or cannot be read.
        """
        if not self.path.exists():
            return 0
        try:
            state = torch.load(self.path, map_location=net.device, weights_only=True)
            fingerprint = state["fingerprint"]
        except Exception as error:
            raise ValueError(
                f"checkpoint {self.path} cannot be read ({type(error).__name__}); delete it to start anew."
            ) from error
        if fingerprint != self.fingerprint:
            raise ValueError(
                f"checkpoint_dir={str(self.path.parent)!r} holds a fit of other data or parameters; "
                f"name an empty folder, or delete {self.path.name} there to start anew."
            )
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        for row in state["history"]:
            net.history.append({**row, "batches": []})
        best = state["best"]
        self.best.best_score_, self.best.best_epoch_, self.best.weights_ = (
            best["score"],
            best["epoch"],
            best["weights"],
        )
        return len(state["history"])


class LinearDecay(Callback):
    """Lower the learning rate step by step, to zero at the end of the last epoch."""

    def on_train_begin(
        self, net: NeuralNet, X: tuple[PrefixData, PrefixData | None], **kwargs: Any
    ) -> None:
        """Count the steps."""
        self.total_ = net.max_epochs * n_steps(X[0], net)

    def on_epoch_begin(self, net: NeuralNet, dataset_train: PrefixData, **kwargs: Any) -> None:
        """Start where the epochs before have ended, in this process or an earlier one."""
        self.done_ = (len(net.history) - 1) * n_steps(dataset_train, net)

    def on_batch_begin(self, net: NeuralNet, training: bool = False, **kwargs: Any) -> None:
        """Set the rate of this step."""
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr * max(0.0, 1 - self.done_ / self.total_)
        self.done_ += training


def n_steps(data: PrefixData, net: NeuralNet) -> int:
    """Steps of an epoch."""
    return -(-len(data) // (net.batch_size * net.accumulate))


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's own number, which loads without unpickling anything else."""
    return value.item() if isinstance(value, np.generic) else value


class SpareMemory(Callback):
    """Give memory back when a process has grown without need.

    Up to version 2.37, glibc cannot put an array into the place of one of the same size that was
    freed, if small ones have settled beside it, since aligned arrays ask for a little more than
    they keep. With backbones that make many small tensors, a process then grows by about one item
    table per step.
    """

    EVERY, GROWTH = 16, 2**28  # batches between looks, bytes

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Start counting."""
        self._batches, self._limit = 0, 0

    def on_batch_end(
        self, net: NeuralNet, batch: Any = None, training: bool = False, **kwargs: Any
    ) -> None:
        """Look now and then, first when all that stays has been made."""
        self._batches += 1
        if self._batches % self.EVERY == 0 and resident() > self._limit:
            give_back()
            self._limit = resident() + self.GROWTH


class ProgressBar(Callback):
    """One bar over all batches of all epochs: loss, monitored metric and time left."""

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor

    def on_train_begin(
        self, net: NeuralNet, X: tuple[PrefixData, PrefixData | None], **kwargs: Any
    ) -> None:
        """Open the bar."""
        steps = n_steps(X[0], net)
        done = len(net.history)
        self.bar_ = tqdm(
            total=steps * net.max_epochs, initial=steps * done, unit="batch", dynamic_ncols=True
        )
        self.metric_: dict[str, str] = {}

    def on_batch_end(
        self, net: NeuralNet, batch: Any, training: bool, loss: Tensor | None = None, **kwargs: Any
    ) -> None:
        """Advance by one batch."""
        if loss is not None and training:
            self.bar_.set_description(f"epoch {len(net.history)}/{net.max_epochs}", refresh=False)
            self.bar_.set_postfix({"loss": f"{loss.item():.3f}", **self.metric_}, refresh=False)
            self.bar_.update()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Show the metric of the epoch."""
        if self.monitor in net.history[-1]:
            self.metric_ = {self.monitor: f"{net.history[-1][self.monitor]:.4f}"}

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close the bar."""
        self.bar_.close()
