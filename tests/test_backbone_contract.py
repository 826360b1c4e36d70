"""The contract of every session model with every prompt, and formulas of GRU4Rec and NARM."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sessionprompt import PromptedSessionRecommender
from sessionprompt.backbones import BACKBONES, NARM, Backbone, GRU4Rec
from sessionprompt.batches import SessionBatch
from sessionprompt.encoding import PROMPT_KINDS, EncodedSessions, last_prefixes
from sessionprompt.losses import FullSoftmax
from sessionprompt.network import PromptBlend, SessionNetwork
from sessionprompt.testing import check_backbone

SMALL: dict[str, dict[str, Any]] = {"gru4rec": {"hidden": 6}, "narm": {"hidden": 6}}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("gru4rec", {"hidden": 5, "n_layers": 2, "bias": True}),
    ("narm", {"hidden": 5, "n_layers": 2, "attention_norm": "softmax"}),
    ("stamp", {"clip": True}),
    ("core", {"variant": "ave"}),
    ("srgnn", {"steps": 2}),
    ("srgnn", {"update_gate": "original"}),
    ("tagnn", {"steps": 2, "update_gate": "original"}),
    ("gcsan", {"n_layers": 1, "n_heads": 1, "steps": 2}),
    ("gcegnn", {"hops": 2, "n_neighbours": 6, "window": 4}),
    ("sasrec", {"n_layers": 1, "n_heads": 1, "norm_first": False}),
    ("lessr", {"self_loops": False, "batch_norm": False}),
]


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_contract(name: str) -> None:
    check_backbone(BACKBONES[name], **SMALL.get(name, {}))


@pytest.mark.parametrize(("name", "params"), VARIANTS)
def test_contract_of_variants(name: str, params: dict[str, Any]) -> None:
    check_backbone(BACKBONES[name], dim=4, **params)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU to compare the CPU with")
@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_training_on_a_gpu_is_training_on_the_cpu(name: str) -> None:
    losses, gradients = zip(*(trained(name, device) for device in ("cpu", "cuda")), strict=True)
    torch.testing.assert_close(losses[1], losses[0])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(other, one, atol=1e-8, rtol=1e-6)


def trained(name: str, device: str) -> tuple[Tensor, list[Tensor]]:
    """Loss and gradients of one batch, with dropout off."""
    network, batch = network_of(name, ("cluster", "user"))
    for module in network.modules():
        if hasattr(module, "p"):
            module.p = 0.0
    loss = FullSoftmax("float32")(
        network.double().to(device)(batch.to(device)), (batch.items[batch.ends] % 7).to(device)
    )
    loss.backward()
    return loss.cpu(), [
        parameter.grad.cpu() for parameter in network.parameters() if parameter.grad is not None
    ]


# ---------------------------------------------------------------------- with prompts
ALL_PROMPTS = [kinds for n in range(1, 4) for kinds in combinations(PROMPT_KINDS, n)]
VISITS = [[0, 1, 0, 2], [3], [4, 4], [5, -1, 6, 5], [1, 2, 3, 4, 5]]


def network_of(name: str, kinds: tuple[str, ...]) -> tuple[SessionNetwork, SessionBatch]:
    """Prompted network over seven items, and sessions as a batch, numbered like their users."""
    torch.manual_seed(0)
    backbone, clusters = BACKBONES[name](4, **SMALL.get(name, {})), torch.arange(7).unsqueeze(1) % 3
    known = encoded(VISITS, ())
    backbone.precompute(known.items[known.items >= 0], np.array([0, (known.items >= 0).sum()]), 7)
    codes = {"cluster": clusters} if "cluster" in kinds else {}
    blend = PromptBlend(4, dict.fromkeys(kinds, 6))
    scoring = backbone.scoring or "cosine"
    network = SessionNetwork(backbone, 7, codes, torch.ones(7), blend, True, scoring, 0.07)
    return network, batch_with(kinds)


def batch_with(kinds: tuple[str, ...], visits: list[list[int]] = VISITS) -> SessionBatch:
    return SessionBatch.collate(last_prefixes(encoded(visits, kinds), 50))


def encoded(visits: list[list[int]], kinds: tuple[str, ...]) -> EncodedSessions:
    items = np.concatenate(visits)
    offsets = np.append(0, np.cumsum([len(visit) for visit in visits]))
    visitors = np.repeat([VISITS.index(visit) for visit in visits], np.diff(offsets))
    codes = {
        "cluster": np.where(items < 0, 1, items % 3),
        "user": visitors,
        "session": visitors - 1,
    }
    return EncodedSessions(
        items, offsets, {kind: codes[kind][:, None] for kind in kinds}, np.ones(len(visits), int)
    )


def scores_of(network: SessionNetwork, batch: SessionBatch) -> Tensor:
    return network(batch).against_all().matrix()


@pytest.mark.parametrize("kinds", ALL_PROMPTS, ids="+".join)
@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_prompt_goes_with_every_backbone(name: str, kinds: tuple[str, ...]) -> None:
    """Scores depend on each prompt, not on company or order; a step reaches every prompt table."""
    network, batch = network_of(name, kinds)
    network.double().eval()
    together = scores_of(network, batch)
    for place, visit in enumerate(VISITS):
        alone = scores_of(network, batch_with(kinds, [visit]))
        torch.testing.assert_close(alone[0], together[place])
    turned = scores_of(network, batch_with(kinds, VISITS[::-1]))
    torch.testing.assert_close(turned.flip(0), together)
    for kind in kinds:
        blank = replace(
            batch, prompts={**batch.prompts, kind: torch.full_like(batch.prompts[kind], -1)}
        )
        assert (scores_of(network, blank) - together).abs().max() > 1e-6
    FullSoftmax("float32")(network.train()(batch), torch.arange(len(batch))).backward()
    for kind in kinds:
        gradient = network.blend.tables[kind].grad
        assert gradient is not None and gradient.isfinite().all() and gradient.any()


# ---------------------------------------------------------------------- what is kept of earlier
# sessions
def test_going_on_learning_keeps_the_neighbours_of_earlier_sessions() -> None:
    params = {
        "dim": 4,
        "backbone_params": {"window": 1},
        "max_epochs": 1,
        "validation_fraction": None,
    }
    model = PromptedSessionRecommender("gcegnn", prompts=(), random_state=0, **params)
    model.fit([["a", "b"], ["b", "a"], ["c", "a"]])
    model.partial_fit([["A", "b"], ["c", "A"], ["c", "a"]])
    places = {item: code for code, item in enumerate(model.items_)}
    state = model.network_.backbone
    found = {
        item: {
            model.items_[other]: int(n)
            for other, n in zip(
                *(part[code] for part in (state.neighbours, state.counts)), strict=True
            )
            if n
        }
        for item, code in places.items()
    }
    assert found == {
        "A": {"b": 1, "c": 1},
        "a": {"b": 2, "c": 2},
        "b": {"a": 2, "A": 1},
        "c": {"a": 2, "A": 1},
    }


# ---------------------------------------------------------------------- numbers worked out by hand
S, S1 = [0, 1, 0, 2], [1]  # sessions over four items, coded from 0


def filled(start: int, *shape: int) -> Tensor:
    """0.5 sin(start + k), k = 0, 1, ... in row-major order."""
    return 0.5 * torch.sin(start + torch.arange(int(np.prod(shape)), dtype=torch.float64)).view(
        shape
    )


TABLE = filled(1, 5, 3)[1:]


def batch_of(*windows: list[int]) -> SessionBatch:
    offsets = np.append(0, np.cumsum([len(window) for window in windows]))
    items = np.concatenate(windows).astype(np.int64)
    return SessionBatch.collate(
        last_prefixes(EncodedSessions(items, offsets, {}, np.ones(len(windows), int)), 50)
    )


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
    model = with_weights(
        GRU4Rec(3, hidden=3), **GRU, **{"out.weight": filled(4, 3, 3), "out.bias": filled(5, 3)}
    )
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
@pytest.mark.parametrize(
    "model", [GRU4Rec(3, hidden=4), NARM(3, hidden=4)], ids=["gru4rec", "narm"]
)
def test_the_order_of_events_matters(model: Backbone) -> None:
    one, other = encode(model.double().eval(), [0, 1, 2], [1, 0, 2])
    assert (one - other).abs().max() > 1e-4


@pytest.mark.parametrize(
    "model", [GRU4Rec(3, hidden=64), NARM(3, hidden=64)], ids=["gru4rec", "narm"]
)
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
    with pytest.raises(
        ValueError, match=r"attention_norm='l2' is not known; choose one of \['none', 'softmax'\]"
    ):
        NARM(3, attention_norm="l2")
