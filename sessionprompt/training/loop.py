"""The training loop: a skorch net over ready-made batches whose validation ranks the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, PassthroughScoring
from torch import Tensor

from ..batches import SessionBatch, batches_of
from ..encoding import PrefixData
from ..losses import FullSoftmax, SampledSoftmax
from ..metrics import ranking_metrics
from ..network import SessionNetwork, rank_targets
from ..scoring import EncodedPrefixes, workspace
from .callbacks import (
    BestWeights,
    CheckpointFile,
    LinearDecay,
    ProgressBar,
    StopWhenOutOfPatience,
)
from .optimizers import RowAdam

__all__ = ["SessionNet", "TrainingPlan", "build_net", "train_network"]

Batch = tuple[SessionBatch, Tensor]


class SessionNet(NeuralNet):
    """A skorch net whose data sets are :class:`PrefixData` and whose validation ranks the targets.

    Every epoch draws its batches and dropout masks from (seed, epoch) alone, so that a resumed run
    repeats what an unbroken run does. History rows hold ``train_loss``, ``valid_loss``, the
    monitored metric and ``dur`` in seconds.

    Parameters
    ----------
    monitor : str
        Metric on the validation data, such as ``"mrr@5"``.
    seed : int
    accumulate : int
        Batches whose gradients make one step, each with the weight of its share of the examples.
    """

    def __init__(
        self, *args: Any, monitor: str = "mrr@5", seed: int = 0, accumulate: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.monitor = monitor
        self.seed = seed
        self.accumulate = accumulate

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring("train_loss", on_train=True)),
        ]

    def get_split_datasets(
        self, X: tuple[PrefixData, PrefixData | None], y: None = None, **fit_params: Any
    ) -> tuple[PrefixData, PrefixData | None]:
        """Training and validation data come apart already."""
        return X

    def get_iterator(self, dataset: PrefixData, training: bool = False) -> PrefixData:
        """The data itself: its batches are drawn anew each epoch."""
        return dataset

    def run_single_epoch(
        self,
        iterator: PrefixData | None,
        training: bool,
        prefix: str,
        step_fn: Callable,
        **fit_params: Any,
    ) -> None:
        """Train on shuffled batches, or rank the validation targets."""
        if training and iterator is not None:
            epoch = len(self.history)
            torch.manual_seed(_mix(self.seed, epoch))
            rng = np.random.default_rng([self.seed, epoch])
            groups = self._groups(batches_of(iterator, self.batch_size, rng))
            super().run_single_epoch(groups, training, prefix, step_fn, **fit_params)
        elif iterator is not None:
            self._validate(iterator)

    def _validate(self, data: PrefixData) -> None:
        """Write loss and monitored metric of the validation targets into the history."""
        ranks, losses, _ = rank_targets(self.module_, data, self.batch_size)
        valid_loss = float("nan")
        if np.isfinite(losses).any():
            valid_loss = float(np.nanmean(losses))
        self.history.record("valid_loss", valid_loss)
        targets = data.targets
        popularity = self.module_.popularity.cpu().numpy()
        counts = np.where(targets < 0, 0, popularity[targets])
        values = ranking_metrics(ranks, [self.monitor], target_counts=counts)
        self.history.record(self.monitor, values[self.monitor])

    def _groups(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, ...]]:
        """Batches of each step."""
        batches = iter(batches)
        while group := tuple(islice(batches, self.accumulate)):
            yield group

    def train_step_single(self, group: tuple[Batch, ...], **fit_params: Any) -> dict[str, Any]:
        """Add up the gradients of the mean loss over the examples of some batches."""
        self._set_training(True)
        total = sum(len(targets) for _, targets in group)
        losses = []
        for batch, targets in group:
            mean_loss = self.get_loss(self.infer(batch), targets, training=True)
            loss = mean_loss * (len(targets) / total)
            loss.backward()
            losses.append(loss.detach())
        return {"loss": sum(losses), "y_pred": None}

    def infer(self, x: SessionBatch, **fit_params: Any) -> EncodedPrefixes:
        """Encoded prefixes of a batch, ready to be scored by the criterion."""
        return self.module_(x.to(self.device))


def _mix(*numbers: int) -> int:
    """Seed of 63 bits that depends on all numbers."""
    words = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))


@dataclass(frozen=True)
class TrainingPlan:
    """Parameters of a :class:`~sessionprompt.PromptedSessionRecommender` that training reads."""

    max_epochs: int
    patience: int | None
    monitor: str
    batch_size: int
    accumulate: int
    lr: float
    lr_schedule: str
    weight_decay: float
    precision: str
    n_negatives: int | None
    negatives_power: float
    verbose: int
    net_params: dict[str, Any] | None

    @classmethod
    def of(cls, estimator: Any) -> TrainingPlan:
        """Plan with the parameters of an estimator."""
        return cls(**{field.name: getattr(estimator, field.name) for field in fields(cls)})


def build_net(
    network: SessionNetwork,
    plan: TrainingPlan,
    *,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
) -> SessionNet:
    """Net that can train a network.

    Parameters
    ----------
    network : SessionNetwork
        On the device to train on.
    plan : TrainingPlan
    seed : int
    callbacks : sequence of Callback

    Returns
    -------
    SessionNet
        Initialized; the network keeps its weights.
    """
    own = _loss_settings(network, plan)
    given = plan.net_params or {}
    # other losses may leave the item table with nothing but lookups
    network.sparse = "criterion" not in given
    if not network.sparse:
        own = {name: value for name, value in own.items() if not name.startswith("criterion")}
    settings = {**own, **given, "callbacks": list(callbacks)}
    if settings["optimizer"] in (torch.optim.Adam, RowAdam):
        settings.setdefault("optimizer__fused", True)
    return SessionNet(
        network,
        lr=plan.lr,
        max_epochs=plan.max_epochs,
        batch_size=plan.batch_size,
        device=network.items.device,
        monitor=plan.monitor,
        seed=seed,
        accumulate=plan.accumulate,
        verbose=0,
        **settings,
    ).initialize()


def _loss_settings(network: SessionNetwork, plan: TrainingPlan) -> dict[str, Any]:
    """Criterion and optimizer; against a sample of the catalogue, a step touches few rows."""
    common = {"optimizer__weight_decay": plan.weight_decay, "criterion__precision": plan.precision}
    if plan.n_negatives is None:
        return {**common, "criterion": FullSoftmax, "optimizer": torch.optim.Adam}
    return {
        **common,
        "criterion": SampledSoftmax,
        "criterion__popularity": network.popularity,
        "criterion__n_negatives": plan.n_negatives,
        "criterion__power": plan.negatives_power,
        "optimizer": RowAdam,
    }


def train_network(
    network: SessionNetwork,
    train: PrefixData,
    valid: PrefixData | None,
    plan: TrainingPlan,
    *,
    seed: int,
    checkpoint: str | None = None,
    identity: str = "",
) -> dict[str, Any]:
    """Learned attributes of a training run, which trains a network in place.

    The caller's torch random state must be guarded by the caller.

    Parameters
    ----------
    network : SessionNetwork
        On the device to train on.
    train, valid : PrefixData
        Without validation data all epochs are trained and the last weights stay.
    plan : TrainingPlan
    seed : int
    checkpoint : path or None
        File for the state of training; taken up if it exists.
    identity : str
        What the checkpoint must have been written for.

    Returns
    -------
    dict
        Learned attributes: ``net_``, ``history_``, ``n_epochs_``, ``best_epoch_``, ``best_score_``,
        ``stop_reason_``.
    """
    best = BestWeights(plan.monitor, plan.patience)
    if valid is None:
        best = BestWeights(plan.monitor, None)
    file = None
    if checkpoint:
        file = CheckpointFile(checkpoint, identity, best)
    net = build_net(network, plan, seed=seed, callbacks=_callbacks(plan, best, file))
    done = 0
    if file is not None:
        done = file.resume(net)
    epochs_left = plan.max_epochs - done
    if best.out_of_patience(done):
        epochs_left = 0
    with workspace():
        net.partial_fit((train, valid), epochs=epochs_left)
    net.optimizer_.state.clear()  # its moments are as large as two more models
    best.weights_ = None
    return _outcome(net, best)


def _outcome(net: SessionNet, best: BestWeights) -> dict[str, Any]:
    """Learned attributes of a net that was trained."""
    columns = ("epoch", "train_loss", "valid_loss", net.monitor, "dur")
    rows = [row for row in net.history if "dur" in row]
    history = [{name: row[name] for name in columns if name in row} for row in rows]
    best_score = best.best_score_
    if not np.isfinite(best_score):
        best_score = float("nan")
    return {
        "net_": net,
        "history_": history,
        "n_epochs_": len(history),
        "best_epoch_": best.best_epoch_,
        "best_score_": best_score,
        "stop_reason_": best.stop_reason_,
    }


def _callbacks(
    plan: TrainingPlan, best: BestWeights, file: CheckpointFile | None
) -> list[Callback]:
    """Callbacks in order: an epoch is judged, then written down; only then may training stop."""
    callbacks: list[Callback] = [best]
    if file is not None:
        callbacks.append(file)
    if plan.verbose:
        callbacks.append(ProgressBar(plan.monitor))
    callbacks.extend((plan.net_params or {}).get("callbacks", ()))
    if plan.lr_schedule == "linear":
        callbacks.append(LinearDecay())  # after those that read the rate of the step
    callbacks.append(StopWhenOutOfPatience(best))
    return callbacks
