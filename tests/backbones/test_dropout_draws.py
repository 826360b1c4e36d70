"""Where the masks of dropout are drawn from."""

from __future__ import annotations

import torch

from sessionprompt.backbones._layers import Dropout
from sessionprompt.batches import drawing


def test_dropout_draws_from_the_running_context() -> None:
    layer = Dropout(0.5).train()
    x = torch.ones(200)
    before = torch.get_rng_state()
    with drawing(1):
        one = layer(x)
        other = layer(x)
    with drawing(1):
        again = layer(x)
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(layer(x), one)  # without a context, from torch's own generator
