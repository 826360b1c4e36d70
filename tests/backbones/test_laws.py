"""What holds for the session models whatever their weights are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from samples import MIXED, N_ITEMS, build, encoded, prefixes, run, same, vectors, whole

from sessionprompt.backbones import BACKBONES
from sessionprompt.batches import SessionBatch
from sessionprompt.encoding import prefix_examples

TRANSFORMER = {"inner": 8, "n_heads": 2, "n_layers": 2}
MODELS = {
    "gru4rec": ("gru4rec", {"hidden": 5}),
    "narm": ("narm", {"hidden": 5}),
    "stamp": ("stamp", {}),
    "stamp-clip": ("stamp", {"clip": True}),
    "core-ave": ("core", {"variant": "ave"}),
    "core-trm": ("core", TRANSFORMER),
    "srgnn": ("srgnn", {}),
    "srgnn-2": ("srgnn", {"steps": 2, "update_gate": "original"}),
    "tagnn": ("tagnn", {}),
    "tagnn-2": ("tagnn", {"steps": 2}),
    "gcsan": ("gcsan", TRANSFORMER),
    "gcegnn": ("gcegnn", {"n_neighbours": 6}),
    "gcegnn-2": ("gcegnn", {"n_neighbours": 5, "hops": 2}),
    "sasrec": ("sasrec", TRANSFORMER),
    "sasrec-after": ("sasrec", {**TRANSFORMER, "norm_first": False}),
    "lessr": ("lessr", {}),
    "lessr-2": ("lessr", {"n_layers": 2, "self_loops": False, "clip_candidates": False}),
}
ANY_ORDER = {"stamp", "stamp-clip", "core-ave"}
IN_ONE_PASS = [
    case
    for case in MODELS
    if case not in {"srgnn-2", "tagnn-2", "gcsan"} and case[:3] not in {"gce", "les"}
]

every_model = pytest.mark.parametrize("case", MODELS)


def model_of(case, **params):
    name, own = MODELS[case]
    return build(name, **{**own, **params})


@every_model
def test_other_windows_and_their_order_change_nothing(case):
    model = model_of(case)
    table = vectors()
    together = run(model, whole(MIXED), table)
    assert together.isfinite().all()
    same(together, torch.cat([run(model, whole([session]), table) for session in MIXED]))
    same(together.flip(0), run(model, whole(MIXED[::-1]), table))


@every_model
def test_items_are_told_apart_by_their_vectors_only(case):
    model = model_of(case)
    table = vectors()
    place = torch.tensor([3, 0, 4, 1, 2])
    expected = run(model, whole(MIXED), table)
    if model.needs_items:
        known = encoded([place[session].tolist() for session in MIXED])
        model.precompute(known.items, known.offsets, N_ITEMS)
    renamed = torch.empty_like(table).index_copy_(0, place, table)
    found = run(model, whole([place[session].tolist() for session in MIXED]), renamed)
    if case.startswith("tagnn"):
        found = found[:, place]
    same(found, expected)


@every_model
def test_the_order_of_earlier_events_matters_where_it_should(case):
    model = model_of(case)
    table = vectors()
    one, other = run(model, whole([[0, 1, 2, 3], [1, 0, 2, 3]]), table)
    assert torch.allclose(one, other, atol=1e-9) == (case in ANY_ORDER)


@pytest.mark.parametrize("case", IN_ONE_PASS)
def test_one_pass_serves_all_prefixes(case):
    model = model_of(case)
    table = vectors()
    assert model.causal
    sessions = [*MIXED, [0, -1, 0, -1, 2], [1, 2, 1, 2, 1, 2], [3, 3, 3, 0]]
    same(run(model, prefixes(sessions, True), table), run(model, prefixes(sessions, False), table))


@pytest.mark.parametrize("case", sorted(set(MODELS) - set(IN_ONE_PASS)))
def test_the_others_do_not_claim_to(case):
    assert not model_of(case).causal


SOME_DISTINCT = [*MIXED, [0, 1, 2, 3, 4], [0, -1, 0, -1, 2], [1, 2, -1, 3], [4, 3, 2, 2]]


@pytest.mark.parametrize("params", [{}, {"self_loops": False}, {"batch_norm": False}])
@pytest.mark.parametrize("training", [False, True])
def test_lessr_shares_windows_of_distinct_items(params, training):
    """Scores, gradients and running statistics, which count a shared node once for each prefix."""
    found = []
    for one_pass in ("distinct", False):
        model = build("lessr", dropout=0.0, **params).train(training)
        table = vectors().requires_grad_()
        assert model.one_pass == "distinct"
        examples = prefix_examples(encoded(SOME_DISTINCT), 50, one_pass)
        order = torch.from_numpy(examples.ends).argsort()
        states = run(model, SessionBatch.collate(examples), table)[order]
        (states * torch.arange(states.numel()).view_as(states)).sum().backward()
        found.append([states, table.grad, *(p.grad for p in model.parameters()), *model.buffers()])
    for one, other in zip(*found, strict=True):
        same(one, other, 1e-9 * max(1, other.abs().max().item()))


@pytest.mark.parametrize("batch_norm", [True, False])
def test_lessr_counts_no_event_after_the_only_prefix_of_a_window(batch_norm):
    found = []
    for sessions in ([[0, 1, 2], [3]], [[0, 1], [3]]):
        model = build("lessr", dropout=0.0, batch_norm=batch_norm).train()
        batch = replace(whole(sessions), ends=torch.tensor([1, len(sessions[0])]))
        found.append([run(model, batch, vectors()), *model.buffers()])
    for one, other in zip(*found, strict=True):
        same(one, other)


@every_model
def test_gradients_reach_everything(case):
    model = model_of(case).train()
    table = vectors().requires_grad_()
    torch.manual_seed(0)
    sessions = [*MIXED, [0, 1, 2, 3, 4, 0]]
    batch = prefixes(sessions, model.causal)
    found = run(model, batch, table)
    (found * torch.randn_like(found)).sum().backward()
    silent = [
        name
        for name, p in model.named_parameters()
        if p.grad is None or not p.grad.abs().sum() > 1e-12
    ]
    cancelled = {"core-trm": ["weigh.blocks.1.norms.1.bias"]}  # in the softmax
    assert silent == cancelled.get(case, [])
    assert (table.grad.abs().sum(dim=1) > 0).all()


@every_model
def test_unknown_items_are_blanks(case):
    model = model_of(case)
    table = vectors()
    found = run(model, whole([[-1], [0, -1, 1], [-1, -1, 2]]), table)
    assert found.isfinite().all()
    if case != "core-ave":  # blanks shrink a mean, and then its length is taken out
        assert not torch.allclose(found[1], run(model, whole([[0, 1]]), table)[0], atol=1e-9)


@every_model
def test_evaluation_is_repeatable_and_training_is_finite(case):
    model = model_of(case)
    table = vectors()
    assert torch.equal(run(model, whole(MIXED), table), run(model, whole(MIXED), table))
    for sessions in ([[2]], [[2, 2]], MIXED):
        assert run(model.train(), whole(sessions), table).isfinite().all()


@pytest.mark.parametrize("name", BACKBONES)
def test_fresh_models_are_neither_dead_nor_wild(name):
    torch.manual_seed(0)
    model = BACKBONES[name](16).eval()
    known = encoded(MIXED)
    model.precompute(known.items, known.offsets, N_ITEMS)
    size = run(model.double(), whole(MIXED), vectors(16) / 4).norm(dim=1)
    assert (size > 1e-4).all()
    assert (size < 1e2).all()


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("core", {"variant": "mean"}, "variant='mean' is not known; choose one of"),
        ("core", {"n_heads": 3}, "n_heads=3 does not divide dim=4"),
        ("core", {"n_layers": 0}, "n_layers=0 must be an integer of at least 1"),
        ("srgnn", {"steps": 0}, "steps=0 must be"),
        (
            "tagnn",
            {"update_gate": "own"},
            "update_gate='own' is not known; choose one of .'original', 'recbole'.",
        ),
        ("gcsan", {"omega": 1.5}, "omega=1.5 must be from 0 to 1"),
        ("gcegnn", {"hops": True}, "hops=True must be"),
        ("gcegnn", {"n_neighbours": 2.5}, "n_neighbours=2.5 must be"),
        ("lessr", {"n_layers": -1}, "n_layers=-1 must be"),
        ("gru4rec", {"hidden": 0}, "hidden=0 must be an integer of at least 1"),
        ("narm", {"hidden": 2**40}, f"hidden={2**40} is above 65536; give 65536 or less"),
        ("core", {"inner": -1}, "inner=-1 must be"),
        ("core", {"dropouts": 0.5}, "dropouts=0.5 must be a tuple of 2 numbers from 0 to 1"),
        ("narm", {"dropouts": (0.5,)}, "dropouts=(0.5,) must be a tuple of 2 numbers"),
        ("gcegnn", {"dropouts": None}, "dropouts=None must be a tuple of 3 numbers"),
    ],
)
def test_parameters_are_checked(name, params, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        BACKBONES[name](4, **params)


REPEATED = {
    "gru4rec": "n_layers",
    "narm": "n_layers",
    "core": "n_layers",
    "srgnn": "steps",
    "tagnn": "steps",
    "gcsan": "n_layers",
    "gcegnn": "hops",
    "sasrec": "n_layers",
    "lessr": "n_layers",
}


@pytest.mark.parametrize(("name", "repeats"), [*REPEATED.items(), ("gcsan", "steps")])
def test_what_is_repeated_without_end_is_refused(name, repeats):
    with pytest.raises(ValueError, match=f"{repeats}=1000000000 is above 1000; give 1000 or less"):
        BACKBONES[name](4, **{repeats: 10**9})


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("stamp", {"clip": "no"}, "clip='no' must be True or False"),
        ("lessr", {"self_loops": 2}, "self_loops=2 must be True or False"),
        ("sasrec", {"norm_first": 1}, "norm_first=1 must be True or False"),
        ("gru4rec", {"dropout": "half"}, "dropout='half' must be a number from 0 to 1"),
    ],
)
def test_types_of_parameters_are_checked(name, params, message):
    with pytest.raises(TypeError, match=message):
        BACKBONES[name](4, **params)


@pytest.mark.parametrize("name", ["core", "gcegnn"])
def test_windows_longer_than_the_positions_are_refused(name):
    model = build(name, n_positions=3)
    run(model, whole([[0, 1, 2]]), vectors())
    with pytest.raises(
        ValueError,
        match="n_positions=3 is less than the 4 events of a window; build .* n_positions=4",
    ):
        run(model, whole([[0], [0, 1, 2, 3]]), vectors())
