"""Gates by their numbers and formulas, prompts looked up, and the product of candidate prompts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sessionprompt.backbones import unit
from sessionprompt.network import GATES, FixedCodes, PromptBlend, scaled_table


def filled(start: int, *shape: int) -> Tensor:
    """0.5 sin(start + k), k = 0, 1, ... in row-major order."""
    places = torch.arange(int(np.prod(shape)), dtype=torch.float64)
    return 0.5 * torch.sin(start + places).view(shape)


ITEM = filled(1, 5, 3)[[1]]
ONE = {"cluster": torch.tensor([[0]])}


def blend_of(gate: str, **weights: Tensor) -> PromptBlend:
    blend = PromptBlend(3, {"cluster": 1}, gate).double()
    blend.load_state_dict({"tables.cluster": filled(50, 1, 3), **weights})
    return blend


def expect(value: Tensor, numbers: list[float]) -> None:
    expected = torch.tensor(numbers, dtype=torch.float64)
    torch.testing.assert_close(value[0], expected, atol=1e-6, rtol=0)


# ---------------------------------------------------------------------- numbers worked out by hand
def test_unit_parts() -> None:
    expect(unit(ITEM), [-0.603925, -0.765217, -0.222972])
    expect(unit(filled(50, 1, 3)), [-0.214839, 0.548800, 0.807875])


def test_elementwise_gate_by_numbers() -> None:
    blend = blend_of(
        "elementwise",
        **{
            "gate.gates.item.weight": filled(51, 3, 3),
            "gate.gates.item.bias": filled(52, 3),
            "gate.gates.cluster.weight": filled(53, 3, 3),
            "gate.gates.cluster.bias": filled(54, 3),
        },
    )
    expect(blend(ITEM, ONE), [-0.345283, -0.244239, 0.183726])


def test_scalar_gate_by_numbers() -> None:
    blend = blend_of(
        "scalar", **{"gate.gate.weight": filled(55, 1, 6), "gate.gate.bias": filled(56, 1)}
    )
    expect(blend(ITEM, ONE), [-0.422685, -0.153137, 0.257205])
    both = torch.cat([unit(ITEM)[0], unit(filled(50, 3))])
    share = torch.sigmoid(filled(55, 6) @ both + filled(56, 1))
    torch.testing.assert_close(share.item(), 0.534191, atol=1e-6, rtol=0)


def test_add_and_none_are_what_they_say() -> None:
    torch.testing.assert_close(blend_of("add")(ITEM, ONE), unit(ITEM) + unit(filled(50, 1, 3)))
    torch.testing.assert_close(blend_of("none")(ITEM, ONE), unit(ITEM))


# ---------------------------------------------------------------------- what the formulas say
def test_closed_elementwise_gates_recover_the_item() -> None:
    blend = blend_of(
        "elementwise",
        **{
            "gate.gates.item.weight": torch.zeros(3, 3),
            "gate.gates.item.bias": torch.full((3,), 30.0),
            "gate.gates.cluster.weight": torch.zeros(3, 3),
            "gate.gates.cluster.bias": torch.full((3,), -30.0),
        },
    )
    torch.testing.assert_close(blend(ITEM, ONE), unit(ITEM))


MANY = torch.tensor([9.0])  # events of each item


@pytest.mark.parametrize("gate", sorted(GATES))
def test_items_of_a_cluster_share_its_prompt(gate: str) -> None:
    torch.manual_seed(0)
    blend = PromptBlend(4, {"cluster": 3}, gate).double()
    x = torch.randn(1, 4).double().expand(3, 4)
    first, second, other = blend(x, {"cluster": torch.tensor([[1], [1], [2]])}, MANY)
    assert torch.equal(first, second)
    assert torch.equal(first, other) == (gate == "none")


@pytest.mark.parametrize("gate", sorted(GATES))
def test_several_kinds_and_columns(gate: str) -> None:
    torch.manual_seed(0)
    blend = PromptBlend(4, {"cluster": 5, "user": 2}, gate).double()
    x = torch.randn(2, 4).double()
    codes = {"cluster": torch.tensor([[0, 3], [2, -1]]), "user": torch.tensor([[1], [-1]])}
    of_cluster = blend.tables["cluster"]
    of_user = blend.tables["user"]
    zero = torch.zeros(4).double()
    parts = {
        "item": unit(x),
        "cluster": unit(torch.stack([of_cluster[0] + of_cluster[3], of_cluster[2]])),
        "user": unit(torch.stack([of_user[1], zero])),
    }
    if gate == "add":
        expected = parts["item"] + parts["cluster"] + parts["user"]
    elif gate == "none":
        expected = parts["item"]
    elif gate == "frequency":
        expected = (9 * parts["item"] + 2 * (parts["cluster"] + parts["user"])) / 11
    elif gate == "elementwise":
        gates = blend.gate.gates
        expected = sum(
            v * torch.sigmoid(v @ gates[k].weight.T + gates[k].bias) for k, v in parts.items()
        )
    else:
        joined = torch.cat([parts["item"], parts["cluster"], parts["user"]], dim=1)
        logits = joined @ blend.gate.gate.weight.T + blend.gate.gate.bias
        odds = torch.cat([logits.exp(), torch.ones(2, 1)], dim=1)
        shares = odds / odds.sum(1, keepdim=True)
        expected = sum(shares[:, [i]] * part for i, part in enumerate(parts.values()))
    torch.testing.assert_close(blend(x, codes, MANY), expected)


@pytest.mark.parametrize("gate", sorted(GATES))
def test_candidates_may_lack_a_kind(gate: str) -> None:
    blend = PromptBlend(4, {"cluster": 5, "user": 2}, gate)
    x = torch.randn(2, 4)
    clusters = torch.tensor([[0], [1]])
    absent = torch.full((2, 1), -1)
    without = blend(x, {"cluster": clusters}, MANY)
    blank = blend(x, {"cluster": clusters, "user": absent}, MANY)
    torch.testing.assert_close(without, blank)


@pytest.mark.parametrize("gate", sorted(GATES))
def test_nothing_known_is_a_zero_vector(gate: str) -> None:
    blend = PromptBlend(4, {"cluster": 5}, gate)
    assert not blend(torch.zeros(1, 4), {"cluster": torch.tensor([[-1]])}, MANY).any()


@pytest.mark.parametrize("gate", ["add", "elementwise", "scalar", "frequency"])
def test_gradients_reach_prompts_items_and_gates(gate: str) -> None:
    torch.manual_seed(0)
    blend = PromptBlend(4, {"cluster": 3, "user": 2}, gate).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    codes = {"cluster": torch.tensor([[0], [2], [2]]), "user": torch.tensor([[1], [0], [-1]])}
    out = blend(x, codes, MANY)
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in [("x", x), *blend.named_parameters()]:
        assert parameter.grad is not None and parameter.grad.any(), name
    assert not blend.tables["cluster"].grad[1].any()  # nobody of this cluster was there


def test_the_fewer_events_the_more_an_item_rests_on_its_prompts() -> None:
    blend = PromptBlend(3, {"cluster": 2}, "frequency").double()
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    codes = {"cluster": torch.tensor([[0], [0], [1], [1]])}
    own = unit(x)
    prompt = unit(blend.tables["cluster"])[codes["cluster"][:, 0]]
    with torch.no_grad():
        blend.gate.log_k.fill_(np.log(4.0))
    out = blend(x, codes, torch.tensor([0.0, 4.0, 1.0, 1.0]))
    shares = torch.tensor([0, 1 / 2, 1 / 5, 1 / 5], dtype=torch.float64)[:, None]
    torch.testing.assert_close(out, shares * own + (1 - shares) * prompt)
    out.sum().backward()
    gradient = blend.tables["cluster"].grad
    assert gradient[0].any()  # by the item without events, which has nothing else
    assert not gradient[1].any()  # a single event is too little
    assert x.grad[1:].any(dim=1).all() and not x.grad[0].any()


# ---------------------------------------------------------------------- unit and the sparse product
@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 3, 5)])
def test_unit_gradient(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(unit, (x,))
    torch.testing.assert_close(unit(x), torch.nn.functional.normalize(x, dim=-1))


def test_unit_of_zero_is_zero_with_a_finite_gradient() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    unit(x).sum().backward()
    assert not unit(x).any() and x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("n_columns", [1, 2])
def test_unit_vectors_are_the_blend_at_unit_length(gate: str, n_columns: int) -> None:
    blend = PromptBlend(3, {"cluster": 6}, gate).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    codes = CODES[:, :n_columns]
    expected = unit(blend(x, {"cluster": codes}, MANY))
    for rows in (codes, FixedCodes(codes, 6)):
        torch.testing.assert_close(blend.unit_vectors(x, {"cluster": rows}, MANY), expected)


CODES = torch.tensor([[0, 4], [-1, 2], [2, -1], [-1, -1], [3, 3]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fixed_codes_are_a_gathered_sum(dtype: torch.dtype) -> None:
    table = torch.randn(6, 3, dtype=dtype).requires_grad_()
    other = table.detach().clone().requires_grad_()
    blanked = torch.cat([other, torch.zeros(1, 3, dtype=dtype)])
    expected = blanked[torch.where(CODES < 0, 6, CODES)].sum(1)
    found = FixedCodes(CODES, 6).sum_rows(table)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(table.grad, other.grad)


def test_fixed_codes_gradcheck() -> None:
    table = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(FixedCodes(CODES, 6).sum_rows, (table,))


def test_fixed_codes_and_codes_blend_alike() -> None:
    blend = PromptBlend(3, {"cluster": 6}, "elementwise")
    x = torch.randn(5, 3)
    fixed = {"cluster": FixedCodes(CODES, 6)}
    torch.testing.assert_close(blend(x, fixed), blend(x, {"cluster": CODES}))


def test_tables_start_at_length_one() -> None:
    lengths = scaled_table(500, 64).norm(dim=1)
    assert 0.9 < lengths.mean() < 1.1
