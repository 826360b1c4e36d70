"""Callbacks of training: best weights and patience, checkpoints, falling rate, progress bar."""

from __future__ import annotations

import os
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, LRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from tqdm.auto import tqdm

from ..encoding import PrefixData
from ..storage import write_atomically

__all__ = [
    "BestWeights",
    "CheckpointFile",
    "LinearDecay",
    "ProgressBar",
    "StopWhenOutOfPatience",
]


class BestWeights(Callback):
    """Weights of the best epoch, kept while training goes on and restored at its end.

    Without validation data the last weights are the best.

    Parameters
    ----------
    monitor : str
    patience : int or None
        Epochs without a better one after which training should stop; None trains all epochs.
    """

    def __init__(self, monitor: str, patience: int | None) -> None:
        self.monitor = monitor
        self.patience = patience

    def initialize(self) -> BestWeights:
        """Forget earlier runs."""
        self.best_score_ = -np.inf
        self.best_epoch_ = 0
        self.weights_: dict[str, Tensor] | None = None
        self.stop_reason_ = "max_epochs"
        return self

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Compare the epoch with the best one, and keep its weights if it is better."""
        row = net.history[-1]
        if self.monitor not in row:
            self.best_score_ = np.inf
            self.best_epoch_ = row["epoch"]
        elif row[self.monitor] > self.best_score_:
            self.best_score_ = float(row[self.monitor])
            self.best_epoch_ = row["epoch"]
            weights = net.module_.state_dict()
            self.weights_ = {name: value.detach().clone() for name, value in weights.items()}

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
            state = "the model is hardly trained"
            if done:
                state = f"the weights of epoch {self.best_epoch_} are in use"
            warnings.warn(
                f"fit was interrupted after {done} of {net.max_epochs} epochs; {state}.",
                stacklevel=2,
            )
        if self.weights_ is not None:
            net.module_.load_state_dict(self.weights_)


class StopWhenOutOfPatience(Callback):
    """End of training once :class:`BestWeights` has waited long enough.

    It runs after the checkpoint is on disk.
    """

    def __init__(self, best: BestWeights) -> None:
        self.best = best

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Skorch's way to leave the loop is the interrupt that it catches."""
        if self.best.out_of_patience(len(net.history)):
            raise KeyboardInterrupt


class CheckpointFile(Callback):
    """State of training in a file, written after every epoch, from which a later run goes on.

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
        """Restore an initialised net from the file, if there is one.

        Parameters
        ----------
        net : NeuralNet

        Returns
        -------
        int
            Number of epochs already done.

        Raises
        ------
        ValueError
            When the file belongs to another fit or cannot be read.
        """
        if not self.path.exists():
            return 0
        state = self._read(net.device)
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        for row in state["history"]:
            net.history.append({**row, "batches": []})
        best = state["best"]
        self.best.best_score_ = best["score"]
        self.best.best_epoch_ = best["epoch"]
        self.best.weights_ = best["weights"]
        return len(state["history"])

    def _read(self, device: str | torch.device) -> dict[str, Any]:
        """State in the file, refused unless it is of this fit."""
        try:
            state = torch.load(self.path, map_location=device, weights_only=True)
            fingerprint = state["fingerprint"]
        except Exception as error:
            raise ValueError(
                f"checkpoint {self.path} cannot be read ({type(error).__name__}); "
                "delete it to start anew."
            ) from error
        if fingerprint != self.fingerprint:
            raise ValueError(
                f"checkpoint_dir={str(self.path.parent)!r} holds a fit of other data or "
                f"parameters; name an empty folder, or delete {self.path.name} there to start anew."
            )
        return state


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's own number, which loads without unpickling anything else."""
    if isinstance(value, np.generic):
        return value.item()
    return value


class LinearDecay(LRScheduler):
    """Learning rate that falls with every step, to zero at the end of the last epoch.

    The rate changes at the end of a batch, so it comes after the callbacks that read the rate of
    the step just taken.
    """

    def __init__(self) -> None:
        super().__init__(LambdaLR, event_name=None, step_every="batch")

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Wait for the first epoch, which knows how many steps are done."""

    def on_epoch_begin(self, net: NeuralNet, dataset_train: PrefixData, **kwargs: Any) -> None:
        """Start where the epochs before have ended, in this process or an earlier one."""
        steps = n_steps(dataset_train, net)
        self.lr_lambda = partial(_share_left, n_steps=net.max_epochs * steps)
        self.last_epoch = (len(net.history) - 1) * steps - 1  # LambdaLR counts steps from -1
        super().on_train_begin(net)


def _share_left(done: int, n_steps: int) -> float:
    """Share of the steps that is still to be done."""
    return max(0.0, 1 - done / n_steps)


def n_steps(data: PrefixData, net: NeuralNet) -> int:
    """Number of steps of an epoch."""
    return -(-len(data) // (net.batch_size * net.accumulate))


class ProgressBar(Callback):
    """Bar over all batches of all epochs, with loss, monitored metric and time left."""

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
