"""Steps of training: batches that make one step together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sessionprompt import PromptedSessionRecommender
from sessionprompt.testing import tiny_world

WORLD = tiny_world(60)


class Steps(Callback):
    """Learning rate of each step."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        """Write it down."""
        if training:
            self.rates.append(net.optimizer_.param_groups[0]["lr"])


def trained(**params: Any) -> PromptedSessionRecommender:
    small = {
        "prompts": (),
        "dim": 8,
        "lr": 0.02,
        "max_epochs": 1,
        "validation_fraction": None,
        "random_state": 0,
    }
    return PromptedSessionRecommender("stamp", **{**small, **params}).fit(WORLD)


def weights(model: PromptedSessionRecommender) -> torch.Tensor:
    return torch.cat([tensor.flatten().float() for tensor in model.network_.state_dict().values()])


@pytest.mark.parametrize(
    "losses", [{"precision": "float32"}, {"n_negatives": None, "scoring": "dot"}]
)
def test_batches_together_step_as_one_large_one(losses: dict[str, Any]) -> None:
    whole = trained(batch_size=10_000, **losses)
    parts = trained(batch_size=17, accumulate=1000, **losses)
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-3, atol=1e-3)
    assert parts.history_[0]["train_loss"] == pytest.approx(
        whole.history_[0]["train_loss"], rel=1e-4
    )
    apart = trained(batch_size=17, **losses)
    assert not torch.allclose(weights(apart), weights(whole), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_last_step_takes_what_is_left_and_rates_fall_by_step(accumulate: int) -> None:
    steps = Steps()
    trained(
        batch_size=32,
        accumulate=accumulate,
        lr_schedule="linear",
        net_params={"callbacks": [steps]},
    )
    n_batches = -(-int(sum(length - 1 for length in WORLD.lengths)) // 32)
    expected = -(-n_batches // accumulate)
    assert abs(len(steps.rates) - expected) <= 1  # windows are not torn apart
    assert np.all(np.diff(steps.rates) < 0) and steps.rates[-1] < 0.02 * 2 / expected


@pytest.mark.parametrize("accumulate", [0, 1.5, True])
def test_accumulate_is_checked(accumulate: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="accumulate"):
        trained(accumulate=accumulate)
