"""The training loop: what a run is planned to be, the net that runs it, what it has learned."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback

from ..encoding import PrefixData
from ..losses import ClusterSoftmax, FullSoftmax, SampledSoftmax, loss_name
from ..network import SessionNetwork
from ..scoring import workspace
from .callbacks import (
    BestWeights,
    CheckpointFile,
    EpochTime,
    LinearDecay,
    ProgressBar,
    StopWhenOutOfPatience,
)
from .distributed import check_alike, is_first, share_weights
from .heap import give_back
from .net import SessionNet, metric_column
from .optimizers import RowAdam

__all__ = ["TrainingPlan", "build_net", "train_network"]


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
    loss: str
    n_negatives: int | None
    negatives_power: float | None
    verbose: int
    net_params: dict[str, Any] | None

    @classmethod
    def of(cls, estimator: Any, max_epochs: int = 1) -> TrainingPlan:
        """Plan with the parameters of an estimator, for so many epochs."""
        plan = {field.name: getattr(estimator, field.name) for field in fields(cls)}
        return cls(**{**plan, "max_epochs": max_epochs})

    @property
    def column(self) -> str:
        """Name of the monitored metric in the history of the net."""
        metric_names = (self.net_params or {}).get("metric_names", "plain")
        return metric_column(self.monitor, metric_names)


def build_net(
    network: SessionNetwork,
    plan: TrainingPlan,
    *,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    clusters: np.ndarray | None = None,
) -> SessionNet:
    """Net that can train a network.

    Parameters
    ----------
    network : SessionNetwork
        On the device to train on.
    plan : TrainingPlan
    seed : int
    callbacks : sequence of Callback
    clusters : ndarray of shape (n_items,), optional
        Cluster of each item. Without them, as for a net that is not going to be trained,
        ``loss="clusters"`` stands for the full softmax, which it estimates.

    Returns
    -------
    SessionNet
        Initialized; the network keeps its weights.
    """
    own = _loss_settings(network, plan, clusters)
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


def _loss_settings(
    network: SessionNetwork, plan: TrainingPlan, clusters: np.ndarray | None
) -> dict[str, Any]:
    """Criterion, and the optimizer for what a step with it touches: all rows, or a few."""
    decay = {"optimizer__weight_decay": plan.weight_decay}
    loss = loss_name(plan.loss, plan.n_negatives, len(network.popularity), network.items.device)
    if loss == "clusters" and clusters is not None:
        return {**decay, **_cluster_settings(network, plan, clusters)}
    common = {**decay, "criterion__precision": plan.precision}
    if loss != "sampled":
        return {**common, "criterion": FullSoftmax, "optimizer": RowAdam}
    return {
        **common,
        "criterion": SampledSoftmax,
        **_negatives(network, plan),
        "optimizer": RowAdam,
    }


def _cluster_settings(
    network: SessionNetwork, plan: TrainingPlan, clusters: np.ndarray
) -> dict[str, Any]:
    """Criterion and optimizer of the loss over clusters."""
    return {
        "criterion": ClusterSoftmax,
        "criterion__clusters": torch.from_numpy(clusters).to(network.popularity.device),
        **_negatives(network, plan),
        "optimizer": RowAdam,
    }


def _negatives(network: SessionNetwork, plan: TrainingPlan) -> dict[str, Any]:
    """Parameters of a sample; what is None is left to the criterion."""
    given = {"n_negatives": plan.n_negatives, "power": plan.negatives_power}
    settings = {f"criterion__{name}": value for name, value in given.items() if value is not None}
    return {"criterion__popularity": network.popularity, **settings}


def train_network(
    network: SessionNetwork,
    train: PrefixData,
    valid: PrefixData | None,
    plan: TrainingPlan,
    *,
    seed: int,
    chooses: bool = True,
    restores: bool = True,
    title: str = "",
    checkpoint: str | None = None,
    identity: str = "",
) -> dict[str, Any]:
    """Learned attributes of a training run, which trains a network in place.

    Parameters
    ----------
    network : SessionNetwork
        On the device to train on.
    train, valid : PrefixData
        Without validation data all epochs are trained and the last weights stay.
    plan : TrainingPlan
    seed : int
    chooses : bool
        Whether validation data choose the epoch; else they are only measured.
    restores : bool
        Whether a run that diverges goes back to its last epoch.
    title : str
        What the progress bar calls the run.
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
    best = BestWeights(None, None, restores=restores)
    if valid is not None and chooses:
        best = BestWeights(plan.column, plan.patience)
    file = None
    if checkpoint:
        file = CheckpointFile(checkpoint, identity, best)
    callbacks = _callbacks(plan, best, file, title)
    net = build_net(network, plan, seed=seed, callbacks=callbacks, clusters=train.clusters)
    done = 0
    if file is not None:
        done = file.resume(net)
    epochs_left = plan.max_epochs - done
    if best.out_of_patience(done):
        epochs_left = 0
    check_alike(train, valid, seed, done, epochs_left, plan.column, plan.batch_size, plan.loss)
    share_weights(net.module_)
    give_back()
    with workspace():
        net.partial_fit((train, valid), epochs=epochs_left)
    _free(net)
    outcome = _outcome(net, best)
    if outcome["stop_reason_"] == "diverged":
        _warn_of_divergence(outcome, plan)
    elif outcome["best_score_"] == 0:
        warnings.warn(
            f"{plan.monitor} was 0 after each of {outcome['n_epochs_']} epochs, so it chose none: "
            "the last weights are in use. Set max_epochs, or a monitor with a larger k.",
            stacklevel=2,
        )
    return outcome


def _free(net: SessionNet) -> None:
    """Free what only training needs: moments as large as two more models, and gradients."""
    net.optimizer_.state.clear()
    net.optimizer_.zero_grad()
    give_back()


def _outcome(net: SessionNet, best: BestWeights) -> dict[str, Any]:
    """Learned attributes of a net that was trained."""
    rows = [row for row in net.history if "dur" in row]
    best_score = best.best_score_
    if not np.isfinite(best_score):
        best_score = float("nan")
    return {
        "net_": net,
        "history_": [_row(row, net) for row in rows],
        "n_epochs_": len(rows),
        "best_epoch_": best.best_epoch_,
        "best_score_": best_score,
        "stop_reason_": best.stop_reason_,
    }


def _row(row: dict[str, Any], net: SessionNet) -> dict[str, float]:
    """Row of the history as Python's own numbers."""
    numbers: dict[str, float] = {"epoch": int(row["epoch"])}
    columns = {"train_loss": "train_loss", "valid_loss": "valid_loss", net.column: net.monitor}
    for column, name in columns.items():
        if column in row:
            numbers[name] = float(row[column])
    if "n_valid" in row:
        numbers["n_valid"] = int(row["n_valid"])
    numbers["dur"] = float(row["dur"])
    return numbers


def _warn_of_divergence(outcome: dict[str, Any], plan: TrainingPlan) -> None:
    epoch = outcome["best_epoch_"]
    state = "the weights from before training are in use"
    if epoch:
        state = f"the weights of epoch {epoch} are in use"
    warnings.warn(
        f"training left the numbers in epoch {outcome['n_epochs_'] + 1}: a loss or a weight was "
        f"not finite, or about to be; {state}. Lower lr={plan.lr}, or raise temperature with "
        "cosine scores.",
        stacklevel=2,
    )


def _callbacks(
    plan: TrainingPlan, best: BestWeights, file: CheckpointFile | None, title: str
) -> list[Callback]:
    """Callbacks in order: an epoch is judged, then written down; only then may training stop."""
    timer = EpochTime()
    callbacks: list[Callback] = [best, timer]
    if file is not None:
        callbacks.append(file)
    if plan.verbose and is_first():
        callbacks.append(ProgressBar(plan.column, timer, title))
    callbacks.extend((plan.net_params or {}).get("callbacks", ()))
    if plan.lr_schedule == "linear":
        callbacks.append(LinearDecay())  # after those that read the rate of the step
    callbacks.append(StopWhenOutOfPatience(best))
    return callbacks
