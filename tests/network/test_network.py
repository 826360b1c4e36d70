"""Items, prompts, backbone and scoring put together."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sessionprompt.backbones import Backbone, GRU4Rec, unit
from sessionprompt.batches import SessionBatch
from sessionprompt.encoding import EncodedSessions, last_prefixes
from sessionprompt.network import PromptBlend, SessionNetwork

CODES = torch.tensor([[0], [1], [1], [0]])


class Last(Backbone):
    """The vector of the last event: a backbone that shows what comes in."""

    causal = True

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        return x[batch.ends]


def network_of(
    backbone: Backbone | None = None, *, gate: str | None = "add", **changes: Any
) -> SessionNetwork:
    torch.manual_seed(0)
    params = {"prompt_candidates": True, "scoring": "cosine", "temperature": 0.5, **changes}
    blend = None if gate is None else PromptBlend(3, {"cluster": 2}, gate)
    codes = {} if gate is None else {"cluster": CODES}
    return SessionNetwork(
        backbone or Last(3), 4, codes, torch.tensor([3.0, 9.0, 1.0, 2.0]), blend, **params
    )


def batch_of(*windows: list[int], labels: bool = True) -> SessionBatch:
    items = np.concatenate(windows).astype(np.int64)
    known = np.where(items < 0, -1, CODES.ravel().numpy()[items])[:, None]
    offsets = np.append(0, np.cumsum([len(window) for window in windows]))
    prompts = {"cluster": known} if labels else {}
    return SessionBatch.collate(
        last_prefixes(EncodedSessions(items, offsets, prompts, np.ones(len(windows), int)), 9)
    )


def test_the_plain_backbone_gets_the_items() -> None:
    network = network_of(gate=None, scoring="dot")
    states, table = network(batch_of([1, 2], [0], labels=False))
    torch.testing.assert_close(states, network.items[[2, 0]])
    assert table is network.items


@pytest.mark.parametrize("prompt_candidates", [True, False])
def test_candidates_are_prompted_like_inputs_or_not(prompt_candidates: bool) -> None:
    network = network_of(scoring="dot", prompt_candidates=prompt_candidates)
    states, table = network(batch_of([0], [1], [2], [3]))
    prompted = unit(network.items) + unit(network.blend.tables["cluster"])[CODES.ravel()]
    torch.testing.assert_close(states, prompted)
    torch.testing.assert_close(table, prompted if prompt_candidates else network.items)


def test_cosine_scores_are_cosines_over_the_temperature() -> None:
    network = network_of(scoring="cosine", temperature=0.25)
    states, table = network(batch_of([0], [1], [2], [3]))
    scores = states @ table.T
    assert scores.abs().max() <= 4 + 1e-5
    torch.testing.assert_close(scores.diag(), torch.full((4,), 4.0))


def test_unknown_items_are_blank() -> None:
    network = network_of(scoring="dot")
    states = network.states(batch_of([0, -1]))
    assert not states.any()
    with_label = SessionBatch.collate(
        last_prefixes(
            EncodedSessions(
                np.array([-1]), np.array([0, 1]), {"cluster": np.array([[1]])}, np.ones(1, int)
            ),
            9,
        )
    )
    torch.testing.assert_close(
        network.states(with_label)[0], unit(network.blend.tables["cluster"])[1]
    )


def test_looked_up_items_are_like_inputs() -> None:
    network = network_of()
    states = network.lookup(torch.tensor([3, 1]))
    torch.testing.assert_close(
        states, unit(network.items[[3, 1]]) + unit(network.blend.tables["cluster"])[[0, 1]]
    )
    plain = network_of(gate=None)
    torch.testing.assert_close(plain.lookup(torch.tensor([2])), plain.items[[2]])


@pytest.mark.parametrize("gate", [None, "add", "elementwise", "frequency"])
def test_states_from_vectors_made_beforehand(gate: str | None) -> None:
    network = network_of(GRU4Rec(3, hidden=4), gate=gate).eval()
    inputs = network.input_vectors()
    assert inputs is not None
    for windows in ([[0, 1], [2], [3, 3, 0]], [[1, -1], [2]], [[-1]]):
        batch = batch_of(*windows, labels=gate is not None)
        torch.testing.assert_close(network.states(batch, inputs), network.states(batch))


def test_vectors_that_depend_on_users_are_not_made_beforehand() -> None:
    blend = PromptBlend(3, {"cluster": 2, "user": 5})
    network = SessionNetwork(Last(3), 4, {"cluster": CODES}, torch.ones(4), blend, True, "dot", 1.0)
    assert network.input_vectors() is None


def test_items_rest_on_prompts_by_their_events() -> None:
    network = network_of(gate="frequency", scoring="dot")
    k = network.blend.gate.log_k.exp().item()
    counts = network.popularity.numpy()
    own = unit(network.items)
    prompts = unit(network.blend.tables["cluster"])[CODES[:, 0]]
    shares = torch.tensor(counts / (counts + k))[:, None]
    expected = shares * own + (1 - shares) * prompts
    every = torch.arange(4)
    torch.testing.assert_close(network.lookup(every), expected)
    torch.testing.assert_close(network.states(batch_of([2], [1])), expected[[2, 1]])
    for items in (None, every, torch.tensor([3, 1])):
        rows = slice(None) if items is None else items
        torch.testing.assert_close(network.candidate_vectors(items), expected[rows])
    cosine = network_of(gate="frequency", scoring="cosine")
    torch.testing.assert_close(cosine.candidate_vectors(), unit(expected))


@pytest.mark.parametrize("gate", ["add", "elementwise", "scalar"])
def test_gradients_reach_every_table(gate: str) -> None:
    network = network_of(GRU4Rec(3, hidden=4), gate=gate).eval()
    states, table = network(batch_of([0, 1], [2], [3, 3, 0]))
    (states @ table.T)[:, 1].sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_copies_and_pickles_score_alike() -> None:
    network, batch = network_of().eval(), batch_of([0, 1], [2])
    expected = network.states(batch) @ network.candidate_vectors().T
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(other.states(batch) @ other.candidate_vectors().T, expected)


# ---------------------------------------------------------------------- weights of another network
def grown(seed: int, **changes: Any) -> SessionNetwork:
    """A network of five items and three clusters."""
    torch.manual_seed(seed)
    codes = {"cluster": torch.tensor([[0], [0], [1], [2], [1]])}
    params = {"prompt_candidates": True, "scoring": "dot", "temperature": 1.0, **changes}
    blend = PromptBlend(3, {"cluster": 3}, "elementwise")
    return SessionNetwork(GRU4Rec(3, hidden=4), 5, codes, torch.ones(5), blend, **params)


def test_copying_weights_keeps_known_rows_and_layers() -> None:
    old, new = network_of(GRU4Rec(3, hidden=4), gate="elementwise"), grown(1)
    fresh = copy.deepcopy(new)
    new.copy_weights_from(old, {"item": np.array([4, 0, 2, 1]), "cluster": np.array([2, 0])})
    assert torch.equal(new.items[[4, 0, 2, 1]], old.items)
    assert torch.equal(new.items[3], fresh.items[3])
    assert torch.equal(new.blend.tables["cluster"][[2, 0]], old.blend.tables["cluster"])
    assert torch.equal(new.blend.tables["cluster"][1], fresh.blend.tables["cluster"][1])
    for name, weights in old.backbone.state_dict().items():
        assert torch.equal(new.backbone.state_dict()[name], weights)
    assert torch.equal(new.blend.gate.gates["item"].weight, old.blend.gate.gates["item"].weight)
    assert new.popularity.tolist() == [1] * 5


@pytest.mark.parametrize(
    "old",
    [
        network_of(GRU4Rec(3, hidden=4)),
        network_of(GRU4Rec(3, hidden=5), gate="elementwise"),
        network_of(gate=None),
    ],
    ids=["other gate", "other size", "no prompts"],
)
def test_a_network_with_other_layers_is_refused(old: SessionNetwork) -> None:
    with pytest.raises(
        ValueError, match="has other layers than the parameters ask for now; restore them, or start"
    ):
        grown(1).copy_weights_from(old, {"item": np.arange(4), "cluster": np.arange(2)})
