"""The skorch net of training: batches come ready-made, validation ranks the targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, PassthroughScoring
from torch import Tensor

from .._checks import check_choice
from ..batches import SessionBatch, alone_drawing, drawing, drawing_shares
from ..encoding import PrefixData
from ..metrics import flat_name, ranking_metrics
from ..network import SessionNetwork, rank_targets
from ..scoring import EncodedPrefixes
from .callbacks import EndOfTraining
from .distributed import common, measured_together, own_rank, shared_batches
from .exchange import exchanged
from .gradients import add_up

__all__ = ["SessionNet", "metric_column"]

Batch = tuple[SessionBatch, Tensor]
LARGEST = 1e18  # a sum of some squares of it is a number in single precision
LIBRARY = __name__.partition(".")[0]


class SessionNet(NeuralNet):
    """A skorch net whose data sets are :class:`PrefixData` and whose validation ranks the targets.

    Every epoch draws its batches and dropout masks from (seed, epoch) alone, so that a resumed run
    repeats what an unbroken run does, and one in a thread what one alone does. A backbone or a loss
    of somebody's own may draw from torch's generator: it has it to itself for a step. History rows
    hold ``train_loss``, ``valid_loss``, ``n_valid`` (prefixes that were measured), the monitored
    metric and ``dur`` in seconds.

    Parameters
    ----------
    monitor : str
        Metric on the validation data, such as ``"mrr@5"``.
    seed : int
    accumulate : int
        Batches whose gradients make one step, each with the weight of its share of the examples.
    metric_names : {"plain", "flat"}
        How the history of the net names the metric: ``"mrr@5"``, or ``"mrr_5"`` as loggers want it.

    Attributes
    ----------
    ended_by_ : str or None
        What ended the last training before its last epoch.
    """

    ended_by_: str | None = None
    n_steps_ = 0  # taken in this epoch

    def __init__(
        self,
        *args: Any,
        monitor: str = "mrr@5",
        seed: int = 0,
        accumulate: int = 1,
        metric_names: str = "plain",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.monitor = monitor
        self.seed = seed
        self.accumulate = accumulate
        self.metric_names = metric_names

    @property
    def network(self) -> SessionNetwork:
        """The module, without what may have been compiled around it."""
        return _uncompiled(self.module_)

    @property
    def column(self) -> str:
        """Name of the monitored metric in the history of the net."""
        return metric_column(self.monitor, self.metric_names)

    @property
    def draws_by_itself(self) -> bool:
        """Whether all that draws in training takes the generator of the running context."""
        parts = (self.network.backbone, _uncompiled(self.criterion_))
        return all(type(part).__module__.partition(".")[0] == LIBRARY for part in parts)

    def partial_fit(
        self, X: Any, y: None = None, classes: None = None, **fit_params: Any
    ) -> SessionNet:
        """Train for some epochs; Ctrl-C ends it like anything else, and `ended_by_` tells."""
        self.ended_by_ = None
        self.notify("on_train_begin", X=X, y=y)
        try:
            self.fit_loop(X, y, **fit_params)
        except EndOfTraining as end:
            self.ended_by_ = end.reason
        except KeyboardInterrupt:
            self.ended_by_ = "interrupted"
        self.notify("on_train_end", X=X, y=y)
        return self

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call a method of all callbacks; skorch's EarlyStopping ends training by an interrupt."""
        for callback in (self, *(callback for _, callback in self.callbacks_)):
            try:
                getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt:
                if isinstance(callback, EarlyStopping):
                    raise EndOfTraining("callback") from None
                raise

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
            rng = np.random.default_rng([self.seed, epoch])
            groups = self._groups(shared_batches(iterator, self.batch_size, rng))
            self.n_steps_ = 0
            with drawing(_mix(self.seed, epoch), self._seed_of_rows(epoch)):
                super().run_single_epoch(groups, training, prefix, step_fn, **fit_params)
            self._check_weights()
        elif iterator is not None:
            self._validate(iterator)

    def _seed_of_rows(self, epoch: int) -> int | None:
        """Seed of what is drawn row by row, such as dropout, where processes share the rows."""
        rank = own_rank()
        if rank is None:
            return None
        return _mix(self.seed, epoch, rank)

    def on_batch_end(
        self, net: NeuralNet, batch: Any = None, training: bool = False, **kwargs: Any
    ) -> None:
        """Weigh the mean loss of a step by the whole batch, where processes share it."""
        if training and batch[0][0].elsewhere is not None:
            self.history.record_batch("train_batch_size", _whole_size(*batch[0]))

    def _validate(self, data: PrefixData) -> None:
        """Write loss and monitored metric of the validation targets into the history."""
        ranks, losses = measured_together(data, self._ranks_and_losses)
        valid_loss = float("nan")
        if np.isfinite(losses).any():
            valid_loss = float(np.nanmean(losses))
        self.history.record("valid_loss", valid_loss)
        self.history.record("n_valid", len(data))
        targets = data.targets
        popularity = self.network.popularity.cpu().numpy()
        counts = np.where(targets < 0, 0, popularity[np.maximum(targets, 0)])
        values = ranking_metrics(ranks, [self.monitor], target_counts=counts)
        self.history.record(self.column, common(float(values[self.monitor])))

    def _ranks_and_losses(self, data: PrefixData) -> tuple[np.ndarray, np.ndarray]:
        """Ranks and losses of the targets, both (n_prefixes,)."""
        ranks, losses, _ = rank_targets(self.network, data, self.batch_size)
        return ranks, losses

    def _groups(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, ...]]:
        """Batches of each step."""
        batches = iter(batches)
        while group := tuple(islice(batches, self.accumulate)):
            yield group

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Take one step, and end training where its loss is no number any more."""
        self.n_steps_ += 1
        context: AbstractContextManager[None] = nullcontext()
        if not self.draws_by_itself:
            context = alone_drawing(_mix(self.seed, len(self.history), self.n_steps_))
        try:
            with context:
                step = super().train_step(batch, **fit_params)
        except RuntimeError as error:
            if "without overflow" not in str(error):  # torch's words for a rate out of range
                raise
            raise EndOfTraining("diverged") from error
        if not math.isfinite(step["loss"]):
            raise EndOfTraining("diverged")
        return step

    def _check_weights(self) -> None:
        """End training where a weight is no number any more, or its square is none."""
        for weights in self.network.state_dict().values():
            if not weights.is_floating_point() or not weights.numel():
                continue
            low, high = torch.aminmax(weights)
            if not -LARGEST < low <= high < LARGEST:
                raise EndOfTraining("diverged")

    def train_step_single(self, group: tuple[Batch, ...], **fit_params: Any) -> dict[str, Any]:
        """Add up the gradients of the mean loss over the examples of some batches."""
        self._set_training(True)
        total = sum(_whole_size(batch, targets) for batch, targets in group)
        losses = []
        for batch, targets in group:
            with _shares_of(batch):
                encoded, targets = exchanged(self.infer(batch), targets)
                mean_loss = self.get_loss(encoded, targets, training=True)
            loss = mean_loss * (_own_size(batch, targets) / total)
            loss.backward()
            losses.append(loss.detach())
        total_loss = add_up(self.get_all_learnable_params(), sum(losses))
        return {"loss": total_loss, "y_pred": None}

    def infer(self, x: SessionBatch, **fit_params: Any) -> EncodedPrefixes:
        """Encoded prefixes of a batch, ready to be scored by the criterion."""
        return self.module_(x.to(self.device))


def _shares_of(batch: SessionBatch) -> AbstractContextManager[None]:
    """Context in which numbers are drawn for all rows of a batch that processes share."""
    if batch.elsewhere is None:
        return nullcontext()
    return drawing_shares(batch.elsewhere.shares)


def _own_size(batch: SessionBatch, targets: Tensor) -> int:
    """Prefixes of a batch that this process counts."""
    if batch.elsewhere is not None and not batch.elsewhere.counted:
        return 0
    return len(targets)


def _whole_size(batch: SessionBatch, targets: Tensor) -> int:
    """Prefixes of a batch, with those that other processes read."""
    if batch.elsewhere is None:
        return len(targets)
    return len(targets) + len(batch.elsewhere.targets)


def _uncompiled(module: Any) -> Any:
    """A module without what torch has compiled around it."""
    return getattr(module, "_orig_mod", module)


def metric_column(monitor: str, metric_names: str) -> str:
    """Name of a metric in the history of a net.

    Raises
    ------
    ValueError
        If `metric_names` is neither ``"plain"`` nor ``"flat"``.
    """
    check_choice("metric_names", metric_names, ("plain", "flat"))
    if metric_names == "flat":
        return flat_name(monitor)
    return monitor


def _mix(*numbers: int) -> int:
    """Seed of 63 bits that depends on all numbers."""
    words = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))
