"""Every session model keeps the contract; GRU4Rec and NARM give the numbers of their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sessionprompt.backbones import BACKBONES, NARM, Backbone, GRU4Rec
from sessionprompt.batches import SessionBatch, last_prefixes
from sessionprompt.encoding import EncodedSessions
from sessionprompt.testing import check_backbone

SMALL = {"gru4rec": {"hidden": 6}, "narm": {"hidden": 6}}


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_contract(name: str) -> None:
    check_backbone(BACKBONES[name], **SMALL.get(name, {}))


@pytest.mark.parametrize(
    ("backbone", "params"),
    [
        (GRU4Rec, {"hidden": 5, "n_layers": 2, "bias": True}),
        (NARM, {"hidden": 5, "n_layers": 2, "attention_norm": "softmax"}),
    ],
)
def test_contract_of_variants(backbone: type[Backbone], params: dict[str, Any]) -> None:
    check_backbone(backbone, dim=4, **params)


# ---------------------------------------------------------------------- numbers worked out by hand
S, S1 = [0, 1, 0, 2], [1]  # sessions over four items, coded from 0


def filled(start: int, *shape: int) -> Tensor:
    """0.5 sin(start + k), k = 0, 1, ... in row-major order."""
    return 0.5 * torch.sin(start + torch.arange(int(np.prod(shape)), dtype=torch.float64)).view(shape)


TABLE = filled(1, 5, 3)[1:]


def batch_of(*windows: list[int]) -> SessionBatch:
    offsets = np.append(0, np.cumsum([len(window) for window in windows]))
    items = np.concatenate(windows).astype(np.int64)
    return SessionBatch.collate(last_prefixes(EncodedSessions(items, offsets, {}, np.ones(len(windows), int)), 50))


def encode(model: Backbone, *windows: list[int]) -> Tensor:
    batch = batch_of(*windows)
    return model(TABLE[batch.items], batch)


def with_weights(model: Backbone, **weights: Tensor) -> Backbone:
    model.double().eval().load_state_dict(weights)
    return model


def expect(value: Tensor, numbers: list[Any]) -> None:
    torch.testing.assert_close(value, torch.tensor(numbers, dtype=torch.float64), atol=1e-6, rtol=0)


GRU = {"gru.weight_ih_l0": filled(2, 9, 3), "gru.weight_hh_l0": filled(3, 9, 3)}


def test_gru4rec_by_numbers() -> None:
    model = with_weights(GRU4Rec(3, hidden=3), **GRU, **{"out.weight": filled(4, 3, 3), "out.bias": filled(5, 3)})
    states = encode(model, S, S1)
    expect(states, [[-0.518917, -0.098999, 0.287345], [-0.508737, -0.108058, 0.295102]])
    expect(states[0] @ TABLE.T, [0.203681, -0.160223, 0.113559, -0.064622])


def test_narm_by_numbers() -> None:
    maps = {
        "key.weight": filled(4, 3, 3),
        "query.weight": filled(5, 3, 3),
        "energy.weight": filled(6, 1, 3),
        "out.weight": filled(7, 3, 6),
    }
    states = encode(with_weights(NARM(3, hidden=3), **GRU, **maps), S, S1)
    expect(states, [[0.021042, 0.024499, 0.026005], [-0.022617, -0.023115, -0.021772]])


# ---------------------------------------------------------------------- what the formulas say
@pytest.mark.parametrize("model", [GRU4Rec(3, hidden=4), NARM(3, hidden=4)], ids=["gru4rec", "narm"])
def test_the_order_of_events_matters(model: Backbone) -> None:
    one, other = encode(model.double().eval(), [0, 1, 2], [1, 0, 2])
    assert (one - other).abs().max() > 1e-4


@pytest.mark.parametrize("model", [GRU4Rec(3, hidden=64), NARM(3, hidden=64)], ids=["gru4rec", "narm"])
def test_dropout_works_in_training_only(model: Backbone) -> None:
    model.double().train()
    assert not torch.equal(encode(model, S), encode(model, S))
    model.eval()
    assert torch.equal(encode(model, S), encode(model, S))


def test_narm_of_one_event_is_its_formula() -> None:
    model = NARM(3, hidden=4).double().eval()
    x = TABLE[1]
    (state,) = model.gru(x.view(1, 1, 3))[1].view(1, 4)
    alpha = model.energy.weight @ torch.sigmoid((model.key.weight + model.query.weight) @ state)
    expected = model.out.weight @ torch.cat([alpha * state, state])
    torch.testing.assert_close(encode(model, S1)[0], expected)


def test_narm_softmax_weights_sum_to_one() -> None:
    model = NARM(3, hidden=4, attention_norm="softmax").double().eval()
    model.energy.weight.data.zero_()  # all events weigh the same
    batch = batch_of(S)
    states = model.gru(TABLE[batch.items].view(4, 1, 3))[0].view(4, 4)
    expected = model.out.weight @ torch.cat([states.mean(0), states[-1]])
    torch.testing.assert_close(encode(model, S)[0], expected)


def test_narm_knows_its_norms() -> None:
    with pytest.raises(ValueError, match=r"attention_norm='l2' is not known; choose 'none' or 'softmax'"):
        NARM(3, attention_norm="l2")
