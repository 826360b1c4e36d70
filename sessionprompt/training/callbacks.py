"""Callbacks of training: best weights and patience, checkpoints, falling rate, progress bar."""

from __future__ import annotations

import os
import time
import warnings
from functools import partial
from io import BytesIO
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
from ..losses import FullSoftmax
from ..storage import read_with_digest, write_with_digest
from .distributed import is_first

__all__ = [
    "BestWeights",
    "CheckpointFile",
    "EndOfTraining",
    "EpochTime",
    "LinearDecay",
    "ProgressBar",
    "StopWhenOutOfPatience",
]

TIMED_STEPS = 5
LONG_EPOCH = 600.0  # seconds
MANY_ITEMS = (
    300_000  # from here on a step takes seconds, see benchmarks/results/speed/scaling.jsonl
)


class EndOfTraining(Exception):
    """End of the training loop, for a reason; raised from a callback, it leads out of the loop.

    Parameters
    ----------
    reason : str
        Becomes the model's ``stop_reason_``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BestWeights(Callback):
    """Weights of the best epoch, kept while training goes on and restored at its end.

    Without a metric to go by, the weights of the last epoch are the best; also as long as it is 0.
    They are copied when the next epoch begins, so those of the last one never are.

    Parameters
    ----------
    monitor : str or None
        Name in the history.
    patience : int or None
        Epochs without a better one after which training should stop; None trains all epochs.
    restores : bool, default=True
        Whether a run that diverges goes back to the weights of its last epoch; where another model
        takes its place, a copy of the weights less is made.
    """

    def __init__(self, monitor: str | None, patience: int | None, *, restores: bool = True) -> None:
        self.monitor = monitor
        self.patience = patience
        self.restores = restores

    def initialize(self) -> BestWeights:
        """Forget earlier runs."""
        self.best_score_ = -np.inf
        self.best_epoch_ = 0
        self.chosen_ = False  # by the metric
        self.in_use_ = False  # the best weights, or those to go back to, are those of the net
        self.weights_: dict[str, Tensor] | None = None
        self.stop_reason_ = "max_epochs"
        return self

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Count the weights as those to go back to, should none ever be better."""
        self.in_use_ = not self.chosen_

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Copy the weights, if they are the best, before they change."""
        if self.in_use_ and (self.chosen_ or self.restores):
            self.weights_ = _copied(net.module_.state_dict(), self.weights_)
        self.in_use_ = False

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Compare the epoch with the best one."""
        row = net.history[-1]
        score = row.get(self.monitor, np.inf)
        unmeasured = self.monitor not in row or (score == 0 and not self.chosen_)
        if unmeasured or score > self.best_score_:
            self.best_score_ = float(score)
            self.best_epoch_ = row["epoch"]
            self.chosen_ = not unmeasured
            self.in_use_ = True

    def best_weights(self, net: NeuralNet) -> dict[str, Tensor] | None:
        """Weights of the best epoch so far, by name; None before the metric has chosen one."""
        if not self.chosen_:
            return None
        if self.in_use_:
            return net.module_.state_dict()
        return self.weights_

    def resume(self, score: float, epoch: int, weights: dict[str, Tensor] | None) -> None:
        """Go on from the best epoch of an earlier run."""
        self.best_score_ = score
        self.best_epoch_ = epoch
        self.chosen_ = weights is not None
        self.weights_ = weights

    def out_of_patience(self, epoch: int) -> bool:
        """Whether a run that has ended `epoch` should go no further."""
        return self.patience is not None and epoch - self.best_epoch_ >= self.patience

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Restore the best weights and say why training ended."""
        done = len([row for row in net.history if "dur" in row])
        if net.ended_by_ is not None:
            self.stop_reason_ = net.ended_by_
        elif self.out_of_patience(done):
            self.stop_reason_ = "patience"
        wanted = self.chosen_ or self.stop_reason_ == "diverged"
        if wanted and not self.in_use_ and self.weights_ is not None:
            net.module_.load_state_dict(self.weights_)
        self.weights_ = None


def _copied(weights: dict[str, Tensor], into: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Copies of weights, in the memory of earlier copies if there are any."""
    if into is None:
        return {name: value.detach().clone() for name, value in weights.items()}
    for name, value in weights.items():
        into[name].copy_(value.detach())
    return into


class StopWhenOutOfPatience(Callback):
    """End of training once :class:`BestWeights` has waited long enough.

    It runs after the checkpoint is on disk.
    """

    def __init__(self, best: BestWeights) -> None:
        self.best = best

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Leave the loop."""
        if self.best.out_of_patience(len(net.history)):
            raise EndOfTraining("patience")


class EpochTime(Callback):
    """Estimated time of an epoch, and a hint where the full softmax makes it long.

    Attributes
    ----------
    seconds_ : float or None
        Of an epoch's steps, by the median of the first ones; None before them.
    """

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Forget earlier runs."""
        self.seconds_: float | None = None
        self.ends_: list[float] = []

    def on_epoch_begin(self, net: NeuralNet, dataset_train: PrefixData, **kwargs: Any) -> None:
        """Remember how many steps there are; the pause between epochs is no step."""
        self.n_steps_ = n_steps(dataset_train, net)
        if self.seconds_ is None:
            self.ends_ = [time.perf_counter()]

    def on_batch_end(self, net: NeuralNet, training: bool = False, **kwargs: Any) -> None:
        """Take the time of one of the first steps."""
        if self.seconds_ is not None or not training:
            return
        self.ends_.append(time.perf_counter())
        if len(self.ends_) == 1 + min(TIMED_STEPS, self.n_steps_):
            self.seconds_ = float(np.median(np.diff(self.ends_))) * self.n_steps_
            self._hint(net, self.seconds_)

    def _hint(self, net: NeuralNet, seconds: float) -> None:
        """Warn of long epochs that a sample of the catalogue would shorten."""
        n_items = len(net.network.items)
        long = n_items >= MANY_ITEMS or seconds > LONG_EPOCH
        if not long or not isinstance(net.criterion_, FullSoftmax):
            return
        warnings.warn(
            f"an epoch takes about {duration(seconds)}: the full softmax scores all "
            f"{n_items:,} items for each prefix. loss='clusters' trains against those of one "
            "cluster and a sample of the others, loss='sampled' against a sample alone; both leave "
            "evaluation exact.",
            stacklevel=2,
        )


def duration(seconds: float) -> str:
    """Words for a span of time.

    Examples
    --------
    >>> duration(0.4), duration(75), duration(9000)
    ('0.4 s', '1.2 min', '2.5 h')
    """
    if seconds < 60:
        return f"{seconds:.2g} s"
    if seconds < 3600:
        return f"{seconds / 60:.2g} min"
    return f"{seconds / 3600:.2g} h"


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
        """Replace the file by the new state; the old one stays whole until then.

        Where that fails, such as on a full disk, training goes on and a warning tells. Of several
        processes, the first one writes.
        """
        if not is_first():
            return
        state = self._state(net)
        try:
            write_with_digest(self.path, lambda file: torch.save(state, file))
        except OSError as error:
            warnings.warn(
                f"checkpoint {self.path} could not be written after epoch {len(net.history)} "
                f"({error.strerror or error}); training goes on, but a fit that is killed now "
                "starts from the last checkpoint written, if any. Make room, or name another "
                "checkpoint_dir next time.",
                stacklevel=2,
            )

    def _state(self, net: NeuralNet) -> dict[str, Any]:
        """All that a later run needs to go on."""
        best = self.best
        history = [
            {key: _plain(value) for key, value in row.items() if key != "batches"}
            for row in net.history
        ]
        return {
            "fingerprint": self.fingerprint,
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "history": history,
            "best": {
                "score": best.best_score_,
                "epoch": best.best_epoch_,
                "weights": best.best_weights(net),
            },
        }

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
            When the file belongs to another fit, is damaged or cannot be read.
        OSError
            When its folder is not there and cannot be made.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)  # fails before the work, not after it
        if not self.path.exists():
            return 0
        state = self._read(net.device)
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        for row in state["history"]:
            net.history.append({**row, "batches": []})
        self.best.resume(**state["best"])
        return len(state["history"])

    def _read(self, device: str | torch.device) -> dict[str, Any]:
        """State in the file, refused unless it is of this fit."""
        try:
            content = BytesIO(read_with_digest(self.path))
            state = torch.load(content, map_location=device, weights_only=True)
            fingerprint = state["fingerprint"]
        except Exception as error:
            reason = type(error).__name__
            if isinstance(error, ValueError | OSError):
                reason = str(error)
            raise ValueError(
                f"checkpoint {self.path} cannot be read ({reason}); delete it to start anew."
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
    """Bar over all batches of all epochs, with loss, monitored metric, time of an epoch, time left.

    Parameters
    ----------
    monitor : str
        Name in the history.
    timer : EpochTime
    title : str
        Stage of the fit.
    """

    def __init__(self, monitor: str, timer: EpochTime, title: str = "") -> None:
        self.monitor = monitor
        self.timer = timer
        self.title = title

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
        if loss is None or not training:
            return
        shown = {"loss": f"{loss.item():.3f}", **self.metric_}
        if self.timer.seconds_ is not None:
            shown["epoch"] = duration(self.timer.seconds_)
        title = f"{self.title} epoch {len(net.history)}/{net.max_epochs}".strip()
        self.bar_.set_description(title, refresh=False)
        self.bar_.set_postfix(shown, refresh=False)
        self.bar_.update()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Show the metric of the epoch."""
        if self.monitor in net.history[-1]:
            self.metric_ = {self.monitor: f"{net.history[-1][self.monitor]:.4f}"}

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Close the bar: whole, if no epoch of those that were wanted is missing."""
        if net.ended_by_ in (None, "patience") and not self.bar_.disable:
            self._shrink_to_done()
        self.bar_.close()

    def _shrink_to_done(self) -> None:
        """Make the batches that were done the whole bar, without a new start of its clock."""
        bar = self.bar_
        done = bar.n
        start = bar.start_t
        bar.reset(total=done)
        bar.start_t = start
        bar.update(done)
