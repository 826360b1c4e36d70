"""Training that leaves the numbers, and tables that hold none."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sessionprompt import PromptedSessionRecommender
from sessionprompt.testing import tiny_world
from sessionprompt.training import SessionNet

WORLD = tiny_world(80)
FAR = {"lr": 1e30, "scoring": "dot"}


def model_of(**params: Any) -> PromptedSessionRecommender:
    small: dict[str, Any] = {"prompts": (), "dim": 8, "lr": 0.02}
    small |= {"batch_size": 32, "max_epochs": 4}
    small["lr_schedule"] = "constant"  # epochs of fits of different lengths are compared
    return PromptedSessionRecommender("stamp", **{**small, "random_state": 0, **params})


def weights(model: PromptedSessionRecommender) -> torch.Tensor:
    parts = [weight.flatten().float() for weight in model.network_.state_dict().values()]
    return torch.cat(parts)


@pytest.mark.parametrize("backbone", ["gru4rec", "narm", "srgnn", "tagnn", "lessr"])
@pytest.mark.parametrize(
    "changes", [{}, {"validation_fraction": None}, {"n_negatives": 4}], ids=str
)
def test_a_rate_out_of_range_leaves_finite_weights(backbone: str, changes: dict[str, Any]) -> None:
    model = PromptedSessionRecommender(
        backbone, prompts=(), dim=4, max_epochs=2, random_state=0, **{**FAR, **changes}
    )
    if backbone == "tagnn":
        model.set_params(n_negatives=None)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(WORLD)
    assert torch.isfinite(weights(model)).all()
    diverged = model.stop_reason_ == "diverged"
    assert diverged == any("training left the numbers" in str(one.message) for one in said)
    assert np.isfinite(model.predict_topk(WORLD[:5], k=3, return_scores=True)[1]).all()


class Spoiler(Callback):
    """Puts a number that is none into the network, in an epoch of the selection."""

    def __init__(self, epoch: int, part: str) -> None:
        self.epoch = epoch
        self.part = part

    def on_batch_end(self, net: SessionNet, training: bool = False, **kwargs: Any) -> None:
        if training and len(net.history) == self.epoch:
            with torch.no_grad():
                dict(net.network.named_parameters())[self.part].view(-1)[-1] = float("inf")


@pytest.mark.parametrize("fraction", [0.1, None])
def test_the_best_weights_before_stay(fraction: float | None) -> None:
    whole = model_of(max_epochs=2, validation_fraction=fraction, refit=False).fit(WORLD)
    spoiler = Spoiler(3, "items")
    model = model_of(validation_fraction=fraction, refit=False, net_params={"callbacks": [spoiler]})
    message = rf"in epoch 3: .* the weights of epoch {whole.best_epoch_} are in use\. Lower lr=0.02"
    with pytest.warns(UserWarning, match=message):
        model.fit(WORLD)
    assert model.stop_reason_ == "diverged" and model.n_epochs_ == 2
    assert torch.equal(weights(model), weights(whole))


def test_a_refit_that_leaves_the_numbers_leaves_the_selected_model() -> None:
    selected = model_of(refit=False).fit(WORLD)
    assert selected.best_epoch_ > 1

    class InRefit(Spoiler):
        def on_batch_end(self, net: SessionNet, training: bool = False, **kwargs: Any) -> None:
            if net.max_epochs == selected.best_epoch_ and net.max_epochs != 4:
                super().on_batch_end(net, training, **kwargs)

    model = model_of(net_params={"callbacks": [InRefit(1, "items")]})
    if selected.best_epoch_ == 4:
        pytest.skip("the selection's best epoch is its last here")
    with pytest.warns(UserWarning, match="training left the numbers in epoch 1"):
        model.fit(WORLD)
    assert model.stop_reason_ == "diverged"
    assert torch.equal(weights(model), weights(selected))


def test_a_table_without_numbers_is_refused() -> None:
    model = model_of(refit=False).fit(WORLD)
    with torch.no_grad():
        model.network_.items[3, 0] = float("nan")
    for ask in (model.predict, model.score):
        with pytest.raises(ValueError, match="1 of 30 items are not finite, so nothing can be ra"):
            ask(WORLD[:3])
