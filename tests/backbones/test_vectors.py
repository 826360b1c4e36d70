"""Known answers, computed elsewhere from published formulas and checked against published code."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from samples import run, same, whole
from torch import Tensor

from sessionprompt.backbones import BACKBONES, Backbone
from sessionprompt.batches import SessionGraph

S = [0, 1, 0, 2]
S1 = [1]


def fill(start: int, *shape: int) -> Tensor:
    """0.5 sin(start), 0.5 sin(start + 1), ... in a shape."""
    return 0.5 * torch.sin(
        start + torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    ).view(shape)


TABLE = fill(1, 5, 3)[1:]

GGNN = {
    "before.weight": fill(2, 3, 3),
    "before.bias": fill(3, 3),
    "after.weight": fill(4, 3, 3),
    "after.bias": fill(5, 3),
    "from_messages.weight": fill(6, 9, 6),
    "from_messages.bias": fill(7, 9),
    "from_state.weight": fill(8, 9, 3),
    "from_state.bias": fill(9, 9),
}
SRGNN = {f"graph.{name}": value for name, value in GGNN.items()} | {
    "readout.query.weight": fill(10, 3, 3),
    "readout.query.bias": fill(11, 3),
    "readout.key.weight": fill(12, 3, 3),
    "readout.key.bias": fill(13, 3),
    "readout.energy.weight": fill(14, 1, 3),
    "readout.out.weight": fill(15, 3, 6),
    "readout.out.bias": fill(16, 3),
}


def block(prefix: str, shift: int) -> dict[str, Tensor]:
    """Weights of a transformer block whose tensors are filled from 3 + shift on."""
    return {
        f"{prefix}.qkv.weight": torch.cat([fill(s + shift, 3, 3) for s in (3, 5, 7)]),
        f"{prefix}.qkv.bias": torch.cat([fill(s + shift, 3) for s in (4, 6, 8)]),
        f"{prefix}.mix.weight": fill(9 + shift, 3, 3),
        f"{prefix}.mix.bias": fill(10 + shift, 3),
        f"{prefix}.widen.weight": fill(11 + shift, 4, 3),
        f"{prefix}.widen.bias": fill(12 + shift, 4),
        f"{prefix}.narrow.weight": fill(13 + shift, 3, 4),
        f"{prefix}.narrow.bias": fill(14 + shift, 3),
        **{f"{prefix}.norms.{i}.weight": torch.ones(3) for i in (0, 1)},
        **{f"{prefix}.norms.{i}.bias": torch.zeros(3) for i in (0, 1)},
    }


STAMP = {
    "key.weight": fill(2, 3, 3),
    "query.weight": torch.cat([fill(3, 3, 3), fill(4, 3, 3)], dim=1),
    "query.bias": fill(6, 3),
    "energy.weight": fill(5, 1, 3),
    "memory.weight": fill(7, 3, 3),
    "memory.bias": fill(8, 3),
    "recent.weight": fill(9, 3, 3),
    "recent.bias": fill(10, 3),
}
CORE = block("weigh.blocks.0", 0) | {
    "weigh.positions": fill(2, 4, 3),
    "weigh.norm.weight": torch.ones(3),
    "weigh.norm.bias": torch.zeros(3),
    "weigh.energy.weight": fill(15, 1, 3),
}
LESSR = {
    "layers.0.gru.weight_ih_l0": fill(2, 9, 3),
    "layers.0.gru.weight_hh_l0": fill(3, 9, 3),
    "layers.0.gru.bias_ih_l0": fill(4, 9),
    "layers.0.gru.bias_hh_l0": fill(5, 9),
    "layers.0.own.weight": fill(6, 3, 3),
    "layers.0.neighbours.weight": fill(7, 3, 3),
    "layers.1.query.weight": fill(8, 3, 6),
    "layers.1.query.bias": fill(9, 3),
    "layers.1.key.weight": fill(10, 3, 6),
    "layers.1.value.weight": fill(11, 3, 6),
    "layers.1.energy.weight": fill(12, 1, 3),
    "readout.key.weight": fill(13, 3, 9),
    "readout.query.weight": fill(14, 3, 9),
    "readout.query.bias": fill(15, 3),
    "readout.energy.weight": fill(16, 1, 3),
    "readout.out.weight": fill(17, 3, 9),
    "out.weight": fill(18, 3, 12),
    **{
        f"{place}.activation.weight": torch.full((3,), 0.25)
        for place in ("layers.0", "layers.1", "readout")
    },
}
GCEGNN = {
    "relations": torch.stack([fill(start, 3) for start in (2, 3, 4, 5)]),
    "global_layers.0.key.weight": fill(6, 4, 3).T,
    "global_layers.0.energy.weight": fill(7, 3, 1).T,
    "global_layers.0.out.weight": fill(8, 6, 3).T,
    "positions": fill(9, 4, 3),
    "place.weight": fill(10, 3, 6),
    "key.weight": fill(11, 3, 3),
    "key.bias": fill(12, 3),
    "query.weight": fill(13, 3, 3),
    "energy.weight": fill(14, 1, 3),
    "neighbours": torch.tensor([[1, 2], [0, 2], [0, 1], [-1, -1]]),
    "counts": torch.tensor([[2.0, 1], [2, 1], [1, 1], [0, 0]]),
}
TRANSFORMER = {"n_layers": 1, "n_heads": 1, "inner": 4}
TWO_LAYERS = {"n_layers": 2, "batch_norm": False}

ANSWERS: dict[str, tuple[str, dict[str, Any], dict[str, Tensor], list[float], list[float]]] = {
    "gru4rec": (
        "gru4rec",
        {"hidden": 3},
        {
            "gru.weight_ih_l0": fill(2, 9, 3),
            "gru.weight_hh_l0": fill(3, 9, 3),
            "out.weight": fill(4, 3, 3),
            "out.bias": fill(5, 3),
        },
        [-0.518917, -0.098999, 0.287345],
        [-0.508737, -0.108058, 0.295102],
    ),
    "narm": (
        "narm",
        {"hidden": 3},
        {
            "gru.weight_ih_l0": fill(2, 9, 3),
            "gru.weight_hh_l0": fill(3, 9, 3),
            "key.weight": fill(4, 3, 3),
            "query.weight": fill(5, 3, 3),
            "energy.weight": fill(6, 1, 3),
            "out.weight": fill(7, 3, 6),
        },
        [0.021042, 0.024499, 0.026005],
        [-0.022617, -0.023115, -0.021772],
    ),
    "stamp": (
        "stamp",
        {},
        STAMP,
        [-0.021972, -0.169029, 0.053573],
        [-0.288656, 0.055818, -0.025013],
    ),
    "core-ave": (
        "core",
        {"variant": "ave"},
        {},
        [-0.564898, -0.777783, -0.275579],
        [0.522620, 0.787016, 0.327832],
    ),
    "core-trm": (
        "core",
        {"n_positions": 4, **TRANSFORMER},
        CORE,
        [-0.587444, -0.771048, -0.245754],
        [0.522620, 0.787016, 0.327832],
    ),
    "srgnn": (
        "srgnn",
        {},
        SRGNN,
        [-0.190082, -0.509756, -0.385164],
        [-0.172388, -0.577788, -0.533502],
    ),
    "srgnn-original": (
        "srgnn",
        {"update_gate": "original"},
        SRGNN,
        [-0.260059, -0.566774, -0.424679],
        [-0.201287, -0.613302, -0.572803],
    ),
    "tagnn": (
        "tagnn",
        {},
        SRGNN | {"target.weight": fill(17, 3, 3)},
        [0.351097, -0.363564, 0.363025, -0.361771],
        [0.027731, -0.053112, 0.077430, -0.100199],
    ),
    "tagnn-original": (
        "tagnn",
        {"update_gate": "original"},
        SRGNN | {"target.weight": fill(17, 3, 3)},
        [0.215637, -0.233044, 0.244467, -0.252675],
        [-0.014359, -0.016039, 0.046116, -0.075270],
    ),
    "gcsan": (
        "gcsan",
        TRANSFORMER,
        {f"graph.{name}": value for name, value in GGNN.items()} | block("blocks.0", 20),
        [0.137276, -0.849908, 0.692134],
        [0.384375, -0.677558, 0.694114],
    ),
    "gcegnn": (
        "gcegnn",
        {"n_neighbours": 2, "n_positions": 4},
        GCEGNN,
        [-0.156434, -0.229278, -0.071628],
        [0.116146, 0.161080, 0.065585],
    ),
    "lessr": (
        "lessr",
        TWO_LAYERS,
        LESSR,
        [0.051670, 0.391790, 0.609557],
        [0.084734, -0.131028, -0.305871],
    ),
    "lessr-without-loops": (
        "lessr",
        {**TWO_LAYERS, "self_loops": False},
        LESSR,
        [0.062036, 0.388125, 0.593005],
        [-0.030058, -0.130574, -0.190313],
    ),
}


def filled(name: str, params: dict[str, Any], weights: dict[str, Tensor]) -> Backbone:
    """A model in float64 and evaluation mode with just these weights."""
    model = BACKBONES[name](3, **params).double().eval()
    if "neighbours" in weights:
        model.precompute(torch.empty(0).int().numpy(), torch.zeros(1).int().numpy(), len(TABLE))
    model.load_state_dict(weights)
    return model


@pytest.mark.parametrize("case", ANSWERS)
def test_sessions_are_encoded_as_published(case: str) -> None:
    name, params, weights, of_s, of_s1 = ANSWERS[case]
    result = run(filled(name, params, weights), whole([S, S1]), TABLE)
    same(result, [of_s, of_s1], 1e-6)


@pytest.mark.parametrize("gate", ["recbole", "original"])
def test_the_gated_graph_gives_the_published_states(gate: str) -> None:
    name, _, weights, *_ = ANSWERS["srgnn"]
    batch = whole([S, S1])
    x = TABLE[batch.items]
    graph = SessionGraph.of(batch)
    if gate == "original":  # the same states with the update part of the weights negated
        sign = torch.tensor([1.0, -1, 1]).double().repeat_interleave(3)
        weights = {
            key: sign.view(-1, *[1] * (w.dim() - 1)) * w if "from_" in key else w
            for key, w in weights.items()
        }
    states = filled(name, {"update_gate": gate}, weights).graph(x, graph)[graph.node]
    expected = [
        [-0.228325, -0.206309, 0.136609],
        [0.347756, 0.440470, 0.317125],
        [-0.228325, -0.206309, 0.136609],
        [-0.059602, -0.119678, 0.128034],
        [0.408996, 0.355919, 0.237413],
    ]
    same(states, expected, 1e-6)


def test_core_weighs_events_as_published() -> None:
    name, params, weights, *_ = ANSWERS["core-trm"]
    batch = whole([S])
    logits = filled(name, params, weights).weigh(TABLE[batch.items], batch)
    expected = [0.399602, 0.062471, 0.412439, 0.125488]
    same(logits.softmax(0), expected, 1e-6)


def test_core_scores_as_published() -> None:
    model = filled("core", {"variant": "ave"}, {})
    scores = run(model, whole([S]), TABLE) @ (TABLE / TABLE.norm(dim=1, keepdim=True)).T / 0.07
    expected = [[14.253940, -14.252835, 13.995679, -13.487712]]
    same(scores, expected, 1e-5)
