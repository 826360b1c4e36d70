"""The layers that models share, against plain torch and against slow twins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samples import MIXED, build, encoded, prefixes, run, same, vectors, whole
from torch import nn
from torch.nn.functional import gelu, linear

from sessionprompt.backbones import _attention, _rows, unit, unit_sum
from sessionprompt.backbones._attention import AdditiveEnergy, Block, _FeedForward
from sessionprompt.backbones._ggnn import GatedGraph, PrefixNodes
from sessionprompt.backbones._layers import Dropout
from sessionprompt.backbones._recurrent import recurrent_states
from sessionprompt.backbones._rows import clip_length
from sessionprompt.backbones.gcegnn import _Hop
from sessionprompt.batches import Pairs, SessionGraph


@pytest.mark.parametrize("n_heads", [1, 2, 4])
def test_the_block_is_torchs_own_without_padding(n_heads):
    torch.manual_seed(0)
    mine = Block(4, n_heads, 6, (0.5, 0.5)).double().eval()
    theirs = nn.TransformerEncoderLayer(
        4, n_heads, 6, activation="gelu", layer_norm_eps=1e-12, batch_first=True
    )
    theirs = theirs.double().eval()
    names = {
        theirs.self_attn.in_proj_weight: mine.qkv.weight,
        theirs.self_attn.in_proj_bias: mine.qkv.bias,
        theirs.self_attn.out_proj.weight: mine.mix.weight,
        theirs.self_attn.out_proj.bias: mine.mix.bias,
        theirs.linear1.weight: mine.widen.weight,
        theirs.linear1.bias: mine.widen.bias,
        theirs.linear2.weight: mine.narrow.weight,
        theirs.linear2.bias: mine.narrow.bias,
    }
    for target, source in names.items():
        target.data = source.data
    batch = whole(MIXED)
    table = vectors()
    x = table[batch.items]
    expected = [
        theirs(
            table[session].unsqueeze(0),
            src_mask=torch.ones(len(session), len(session)).triu(1).bool(),
        )[0]
        for session in MIXED
    ]
    pairs = batch.pairs_up_to(torch.arange(len(x))).repeat(n_heads)
    same(mine(x, x, pairs), torch.cat(expected))


@pytest.mark.parametrize("n", [1, 4, 5, 9])
def test_the_hidden_layer_is_made_for_some_rows_at_a_time(monkeypatch, n):
    monkeypatch.setattr(_attention, "CPU_ROWS", 4)
    torch.manual_seed(0)
    shapes = [(n, 3), (5, 3), (5,), (3, 5), (3,)]
    y, w1, b1, w2, b2 = inputs = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes
    ]
    same(_FeedForward.apply(*inputs), linear(gelu(linear(y, w1, b1)), w2, b2))
    assert torch.autograd.gradcheck(_FeedForward.apply, inputs)


def test_no_rows_have_no_hidden_layer():
    inputs = [torch.ones(shape) for shape in [(0, 3), (5, 3), (5,), (3, 5), (3,)]]
    assert _FeedForward.apply(*inputs).shape == (0, 3)


@pytest.mark.parametrize("update_gate", ["recbole", "original"])
@pytest.mark.parametrize("steps", [1, 3])
def test_the_gated_graph_by_adjacency_matrices(steps, update_gate):
    torch.manual_seed(0)
    network = GatedGraph(4, steps, update_gate).double()
    table = vectors()
    graph = SessionGraph.of(whole(MIXED))
    found = network(table[graph.batch.items], graph)[graph.node]
    same(found, torch.cat([slow_graph(network, table, session) for session in MIXED]))


def slow_graph(network, table, session):
    nodes = sorted(set(session))
    places = [nodes.index(item) for item in session]
    to = torch.zeros(len(nodes), len(nodes), dtype=torch.float64)
    to[places[:-1], places[1:]] = 1
    h = table[nodes]
    for _ in range(network.steps):
        before = (to / to.sum(0).clamp(min=1)).T @ network.before(h)
        after = (to / to.sum(1, keepdim=True).clamp(min=1)) @ network.after(h)
        ra, za, ca = network.from_messages(torch.cat([before, after], 1)).chunk(3, 1)
        rh, zh, ch = network.from_state(h).chunk(3, 1)
        z = (za + zh).sigmoid()
        c = (ca + (ra + rh).sigmoid() * ch).tanh()
        if network.update_gate == "original":
            z = 1 - z
        h = (1 - z) * h + z * c
    return h[places]


def test_versions_of_nodes_are_those_of_the_prefixes_own_graphs():
    model = build("srgnn")
    table = vectors()
    batch = prefixes(MIXED, one_pass=False)
    x = table[batch.items]
    graph = SessionGraph.of(batch)
    states = model.graph(x, graph)
    pairs = Pairs(graph.window, torch.arange(len(graph)), len(batch), len(graph))
    own = PrefixNodes(states, pairs, graph.visits, graph.node[batch.ends])
    versions = model.graph.prefix_nodes(x, batch)
    same(versions.states[versions.last], own.states[own.last])
    same(model(x, batch), model.readout(own))


def test_one_pass_makes_a_state_per_prefix_and_move():
    model = build("srgnn")
    table = vectors()
    rows = []
    model.graph.from_state.register_forward_hook(lambda module, args, out: rows.append(len(out)))
    batch = prefixes([[0, 1, 2, 3, 4] * 4], one_pass=True)
    run(model, batch, table)
    assert rows == [len(batch) + len(batch.items) - 1]


@pytest.mark.parametrize(("n_layers", "bias"), [(1, False), (1, True), (2, True)])
def test_recurrent_states_are_those_of_torch(n_layers, bias):
    torch.manual_seed(0)
    gru = nn.GRU(3, 5, n_layers, bias=bias).double()
    x = torch.randn(20, 3, dtype=torch.float64, requires_grad=True)
    batch = whole([[0] * 4, [0], [0] * 7, [0] * 7, [0]])
    expected = torch.cat(
        [gru(window.unsqueeze(1))[0].squeeze(1) for window in x.split(batch.lengths.tolist())]
    )
    found = recurrent_states(gru, x, batch)
    weight = torch.randn_like(expected)
    same(found, expected)
    inputs = (x, *gru.parameters())
    for one, other in zip(
        torch.autograd.grad((found * weight).sum(), inputs),
        torch.autograd.grad((expected * weight).sum(), inputs),
        strict=True,
    ):
        same(one, other)


def test_additive_energies_are_their_formula():
    pairs = Pairs(torch.tensor([0, 0, 2]), torch.tensor([1, 0, 1]), 3, 2)
    energy = AdditiveEnergy(4).double()
    query, key = (torch.randn(n, 4, dtype=torch.float64, requires_grad=True) for n in (3, 2))
    same(
        energy(query, key, pairs),
        (query[pairs.rows] + key[pairs.columns]).sigmoid() @ energy.weight[0],
    )
    assert torch.autograd.gradcheck(
        lambda q, k, w: torch.func.functional_call(energy, {"weight": w}, (q, k, pairs)),
        (query, key, energy.weight),
    )


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 1.0])
def test_dropout_drops_as_many_as_it_should(p):
    torch.manual_seed(0)
    drop = Dropout(p)
    x = torch.ones(101, 99, requires_grad=True)
    found = drop(x)
    assert abs((found == 0).double().mean() - p) < 0.02
    torch.testing.assert_close(found.max().item(), 1 / (1 - p) if p < 1 else 0.0, atol=1e-4, rtol=0)
    assert len(found.unique()) <= 2
    found.sum().backward()
    assert torch.equal(x.grad, found.detach())
    assert not torch.equal(found, drop(x)) or p in (0, 1)
    assert drop.eval()(x) is x


def test_dropout_wants_a_probability():
    with pytest.raises(ValueError, match="dropout=1.5 must be from 0 to 1."):
        Dropout(1.5)


def test_clipping_spares_short_rows():
    x = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]], requires_grad=True)
    same(clip_length(x), [[0.6, 0.8], [0.3, 0.4], [0, 0]], 1e-6)
    clip_length(x).sum().backward()
    assert x.grad.isfinite().all()
    assert torch.autograd.gradcheck(clip_length, x.detach().double()[:2].requires_grad_())


def test_core_drops_candidates_and_lessr_clips_them():
    table = 3 * vectors()
    core = build("core")
    lessr = build("lessr")
    same(core.candidates(table), table)
    assert (core.train().candidates(table) == 0).any()
    assert lessr.candidates(table).norm(dim=1).max() <= 1 + 1e-9
    same(run(lessr, whole(MIXED), table), run(lessr, whole(MIXED), lessr.candidates(table)))
    assert build("lessr", clip_candidates=False).candidates(table) is table


def test_stamp_clips_inputs_if_asked():
    table = 3 * vectors()
    batch = whole(MIXED)
    clipped = build("stamp", clip=True)
    plain = build("stamp")
    same(run(clipped, batch, table), run(plain, batch, clip_length(table)))
    assert not torch.allclose(run(plain, batch, table), run(clipped, batch, table))


def test_core_of_one_item_is_that_item():
    for variant in ("ave", "trm"):
        found = run(build("core", variant=variant), whole([[2], [2, 2, 2]]), vectors())
        same(found, nn.functional.normalize(vectors()[[2, 2]], dim=1))


def test_gcsan_without_attention_is_its_graph():
    model = build("gcsan", omega=0)
    table = vectors()
    batch = whole(MIXED)
    graph = SessionGraph.of(batch)
    same(run(model, batch, table), model.graph(table[batch.items], graph)[graph.node[batch.ends]])


def test_lessr_reads_predecessors_in_order():
    model = build("lessr", n_layers=1, batch_norm=False)
    one, other = run(model, whole([[1, 2, 3, 2], [3, 2, 1, 2]]), vectors())
    assert not torch.allclose(one, other)


def test_lessr_norms_a_single_node_by_what_it_knows():
    model = build("lessr", dropout=0.0)
    table = vectors()
    expected = run(model, whole([[2]]), table)
    same(run(model.train(), whole([[2]]), table), expected)


@pytest.mark.parametrize("hops", [1, 2])
def test_gcegnn_takes_in_neighbours_from_all_sessions(hops):
    model = build("gcegnn", n_neighbours=3, hops=hops)
    table = vectors()
    items = torch.tensor([0, 3, -1])
    query = vectors(4, 3)
    own = table[items.clamp(min=0)] * (items >= 0).unsqueeze(1)
    found = model._global(own, _Hop(items, torch.arange(3)), query, lambda codes: table[codes])
    expected = [
        slow_global(model, table, *row, hops)
        for row in zip(items.tolist(), own, query, strict=True)
    ]
    same(found, torch.stack(expected))


def slow_global(model, table, item, own, query, depth):
    """State of an item after `depth` layers, from its own and its neighbours' before the last."""
    if depth == 0:
        return own
    layer = model.global_layers[depth - 1]
    own_before = slow_global(model, table, item, own, query, depth - 1)
    energies = []
    values = []
    for code, count in zip(model.neighbours[item], model.counts[item], strict=True):
        if item >= 0 and code >= 0:
            values.append(slow_global(model, table, int(code), table[code], query, depth - 1))
            key = nn.functional.leaky_relu(
                layer.key(torch.cat([query * values[-1], count.view(1)])), 0.2
            )
            energies.append(layer.energy(key))
    context = torch.zeros_like(own)
    if values:
        context = torch.cat(energies).softmax(0) @ torch.stack(values)
    return layer.out(torch.cat([own_before, context])).relu()


def test_gcegnn_remembers_earlier_neighbours_under_new_codes():
    earlier, later, together = (build("gcegnn", n_neighbours=6) for _ in range(3))
    first = [[0, 1, 0, 2], [2, 3]]
    second = [[5, 0, 1], [4, 5, 4]]
    rows = np.array([4, 5, 1, 3])
    earlier.precompute(*columns(first), 4)
    later.precompute(*columns(second), 6)
    later.merge_precomputed(earlier, rows)
    together.precompute(*columns([rows[session].tolist() for session in first] + second), 6)
    assert torch.equal(later.neighbours, together.neighbours)
    assert torch.equal(later.counts, together.counts)


def columns(sessions):
    known = encoded(sessions)
    return known.items, known.offsets


def test_gcegnn_does_not_mind_empty_places():
    table = vectors()
    batch = whole(MIXED)
    same(
        run(build("gcegnn", n_neighbours=5), batch, table),
        run(build("gcegnn", n_neighbours=9), batch, table),
    )


def test_gcegnn_knows_its_neighbours():
    model = build("gcegnn", n_neighbours=2, window=1)
    sessions = encoded([[0, 1, 2, 1], [3]])
    model.precompute(sessions.items, sessions.offsets, 5)
    assert model.neighbours.tolist() == [[1, -1], [2, 0], [1, -1], [-1, -1], [-1, -1]]
    assert model.counts.tolist() == [[1, 0], [2, 1], [2, 0], [0, 0], [0, 0]]


def test_gcegnn_asks_for_its_neighbours():
    model = build("gcegnn")
    model.precompute(np.empty(0, np.int64), np.zeros(1, np.int64), 0)
    with pytest.raises(RuntimeError, match=r"call precompute\(codes, offsets, n_items\) first"):
        run(model, whole(MIXED), vectors())


def test_unit_of_a_sum_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rows, "CACHED", 9)  # three rows at a time
    generator = torch.Generator().manual_seed(1)
    x, added = torch.randn(2, 7, 3, dtype=torch.float64, generator=generator)
    x.requires_grad_()
    added.requires_grad_()
    torch.testing.assert_close(unit_sum(x, added), unit(unit(x) + added))
    assert torch.autograd.gradcheck(unit_sum, (x, added))
