"""The recommender: contract, combinations of parameters, worlds with known answers, refusals."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from sessionprompt import ItemClusterer, PromptedSessionRecommender, Sessions
from sessionprompt.backbones import BACKBONES, GRU4Rec
from sessionprompt.encoding import PROMPT_KINDS
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.network import GATES
from sessionprompt.presets import PAPER, RELEASED_CODE
from sessionprompt.testing import check_session_estimator, tiny_world

WORLD = tiny_world(70)
CLUSTERER = ItemClusterer(random_state=0).fit(WORLD)
LABELLED = CLUSTERER.transform(WORLD)
ALL_PROMPTS = [kinds for n in range(4) for kinds in combinations(PROMPT_KINDS, n)]


def model_of(backbone: Any = "gru4rec", **params: Any) -> PromptedSessionRecommender:
    small = {"prompts": (), "dim": 8, "lr": 0.02, "batch_size": 64, "max_epochs": 1}
    if backbone in ("gru4rec", "narm"):
        small["backbone_params"] = {"hidden": 8}
    return PromptedSessionRecommender(backbone, **{**small, "random_state": 0, **params})


@pytest.fixture(scope="module")
def plain() -> PromptedSessionRecommender:
    return model_of(max_epochs=3).fit(WORLD)


@pytest.fixture(scope="module")
def prompted() -> PromptedSessionRecommender:
    return model_of(prompts=("cluster",), max_epochs=3).fit(LABELLED)


@pytest.fixture
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# ---------------------------------------------------------------------- contract
@pytest.mark.parametrize(
    "model",
    [
        model_of(dim=4),
        model_of("narm", dim=4, prompts=("cluster",), gate="scalar", scoring="dot"),
        model_of(
            dim=4, prompts=("user", "session"), prefixes="expanded", batch_size=50, max_length=3
        ),
        model_of(
            dim=4, prompts=["cluster", "user"], refit=True, validation_fraction=0.2, max_epochs=2
        ),
    ],
    ids=["plain", "cluster", "user and session", "refit"],
)
def test_contract(model: PromptedSessionRecommender) -> None:
    check_session_estimator(model)


@pytest.mark.parametrize("backbone", ["gru4rec", "narm"])
@pytest.mark.parametrize("prompts", ALL_PROMPTS, ids=lambda kinds: "+".join(kinds) or "none")
def test_every_combination_of_prompts_fits(backbone: str, prompts: tuple[str, ...]) -> None:
    model = model_of(backbone, prompts=prompts, dim=4, repeats=None)
    model.fit(LABELLED, X_val=LABELLED[-10:])
    tables = {
        "cluster": CLUSTERER.n_clusters_,
        "user": len(set(LABELLED.users)),
        "session": len(LABELLED),
    }
    blend = model.network_.blend
    sizes = {}
    if blend is not None:
        sizes = {kind: len(table) for kind, table in blend.tables.items()}
    assert sizes == {kind: tables[kind] for kind in prompts}
    assert 0 <= model.score(LABELLED) <= 1
    assert model.predict(LABELLED[:3], k=4).shape == (3, 4)


@pytest.mark.parametrize("gate", sorted(GATES))
@pytest.mark.parametrize("prompt_candidates", [True, False])
@pytest.mark.parametrize("scoring", ["cosine", "dot"])
def test_every_gate_and_scoring_fits(gate: str, prompt_candidates: bool, scoring: str) -> None:
    params = {"gate": gate, "prompt_candidates": prompt_candidates, "scoring": scoring, "dim": 4}
    model = model_of(prompts=("cluster",), repeats=None, **params)
    model.fit(LABELLED, X_val=LABELLED[-10:])
    _, scores = model.predict_topk(LABELLED, k=model.n_items_, return_scores=True)
    assert np.isfinite(scores).all()
    if scoring == "cosine":
        assert np.abs(scores).max() <= 1 / model.temperature + 1e-4


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_backbone_fits_by_name(name: str) -> None:
    model = model_of(name, prompts=("cluster",), max_epochs=1).fit(LABELLED)
    assert model.evaluate(LABELLED, metrics="mrr@5")["n_targets"] == (LABELLED.lengths - 1).sum()
    assert model.predict(LABELLED[:2], k=3).shape == (2, 3)


@pytest.mark.parametrize("preset", [PAPER, RELEASED_CODE], ids=["paper", "released code"])
def test_presets_fit(preset: dict[str, Any]) -> None:
    params = {**preset, "max_epochs": 2, "dim": 8, "random_state": 0}
    model = PromptedSessionRecommender("narm", **params, backbone_params={"hidden": 8}).fit(
        LABELLED
    )
    assert model.n_epochs_ == 2 and preset["monitor"] in model.history_[0]
    assert not model.network_.prompt_candidates and model.network_.scoring == "dot"


def test_several_resolutions_add_up() -> None:
    clusterer = ItemClusterer((0.5, 2.0), random_state=0).fit(WORLD)
    model = model_of(prompts=("cluster",)).fit(clusterer.transform(WORLD))
    assert len(model.network_.blend.tables["cluster"]) == clusterer.n_clusters_.sum()
    with pytest.raises(ValueError, match="X carries 1 label columns, the model was fitted with 2"):
        model.predict(LABELLED, k=3)


# ---------------------------------------------------------------------- worlds with known answers
@pytest.mark.parametrize("backbone", ["gru4rec", "narm"])
def test_a_ring_is_learnt(backbone: str, ring: Sessions) -> None:
    train, test = temporal_train_test_split(ring, test_size=0.2)
    model = model_of(backbone, dim=16, lr=0.05, max_epochs=12, patience=None, refit=False).fit(
        train
    )
    assert model.score(test) > 0.9
    assert model.predict([[3], [7, 8, 9], [10, 11]], k=1).tolist() == [[4], [10], [0]]


def test_dice_are_not(dice: Sessions) -> None:
    train, test = temporal_train_test_split(dice, test_size=0.3)
    model = model_of(dim=16, lr=0.05, max_epochs=5, refit=False).fit(train)
    by_chance = (1 / np.arange(1, 6)).sum() / 12
    assert abs(model.score(test) - by_chance) < 0.1


# ---------------------------------------------------------------------- what is not known
def test_a_session_of_unknown_items_gets_what_is_popular(plain: PromptedSessionRecommender) -> None:
    with pytest.warns(
        UserWarning,
        match="2 sessions hold nothing that the model knows; they are answered by popular",
    ):
        items, scores = plain.predict_topk(
            [["x"], ["y", "z"], [plain.items_[0]]], k=5, return_scores=True
        )
    counts = plain.encoder_.item_counts
    assert scores[0].tolist() == scores[1].tolist() == sorted(counts, reverse=True)[:5]
    assert counts[np.searchsorted(plain.items_, items[0])].tolist() == scores[0].tolist()


def test_only_what_the_backbone_sees_counts_as_known() -> None:
    model = model_of(max_length=2).fit(WORLD)
    with pytest.warns(UserWarning, match="1 sessions hold nothing that the model knows"):
        scores = model.predict_topk([[model.items_[0], "x", "y"]], k=1, return_scores=True)[1]
    assert scores == model.encoder_.item_counts.max()


def test_a_prompted_session_of_unknown_items_gets_the_strongest_cluster(
    prompted: PromptedSessionRecommender,
) -> None:
    unknown = Sessions.from_lists([["x"], ["y", "z"]])
    expected = unknown.with_labels(np.full(3, CLUSTERER.strongest_label_))
    message = "2 sessions hold nothing that the model knows; .* by the strongest cluster"
    with pytest.warns(UserWarning, match=message):
        _, scores = prompted.predict_topk(CLUSTERER.transform(unknown), k=5, return_scores=True)
    assert scores.tolist() == prompted.predict_topk(expected, k=5, return_scores=True)[1].tolist()
    other = unknown.with_labels(
        np.full(3, (CLUSTERER.strongest_label_ + 1) % CLUSTERER.n_clusters_)
    )
    assert scores.tolist() != prompted.predict_topk(other, k=5, return_scores=True)[1].tolist()


def scores_of(model: PromptedSessionRecommender, sessions: Sessions) -> list[list[float]]:
    """Scores of all items, in the order of the items."""
    items, scores = model.predict_topk(sessions, k=model.n_items_, return_scores=True)
    return np.take_along_axis(scores, np.argsort(items, axis=1), axis=1).tolist()


def test_unknown_users_have_no_prompt() -> None:
    model = model_of(prompts=("user",)).fit(WORLD)
    item = WORLD[0][0]
    known = WORLD.users[0]
    X = Sessions.from_lists([[item]] * 3, users=["nobody", "no one", known])
    nobody, no_one, somebody = scores_of(model, X)
    assert nobody == no_one != somebody
    model.network_.blend.tables["user"].data.mul_(-1)
    model._table = None
    after = scores_of(model, X)
    assert after[0] == nobody and after[2] != somebody


def test_unseen_sessions_have_no_prompt() -> None:
    model = model_of(prompts=("session",)).fit(WORLD)
    item = WORLD[0][0]
    first, *others = scores_of(model, Sessions.from_lists([[item]] * 3))
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-5)  # rows of a batch differ in last bits
    [seen] = scores_of(model, WORLD.prefixes([0], [1]))
    assert not np.allclose(first, seen, atol=1e-3)
    network = model.network_.cpu()
    plain_input = network.blend(network.items[[0]], {"session": torch.tensor([[-1]])})
    torch.testing.assert_close(plain_input.norm(), torch.tensor(1.0))


def test_items_of_other_kinds_are_refused(plain: PromptedSessionRecommender) -> None:
    with pytest.raises(TypeError):
        plain.predict([[1, 2]], k=1)


# ---------------------------------------------------------------------- recommending
def test_the_best_items_are_the_best_scores(plain: PromptedSessionRecommender) -> None:
    everything = np.array(scores_of(plain, WORLD[:5]))
    items, scores = plain.predict_topk(WORLD[:5], k=4, return_scores=True)
    best = np.argsort(-everything, axis=1)[:, :4]
    assert items.tolist() == plain.items_[best].tolist()
    np.testing.assert_allclose(scores, np.take_along_axis(everything, best, axis=1), rtol=1e-6)


def test_seen_items_can_be_left_out(plain: PromptedSessionRecommender) -> None:
    a, b, c = plain.items_[:3].tolist()
    lists = [[a, b, a], [c, "x"], ["x"], [a] * 3]
    with pytest.warns(UserWarning, match="1 sessions hold nothing"):
        items = plain.predict_topk(lists, k=plain.n_items_ - 2, exclude_seen=True)
    for row, events in zip(items, lists, strict=True):
        assert not set(row) & set(events) and len(set(row)) == len(row)
    items, scores = plain.predict_topk(
        lists[:1], k=plain.n_items_, exclude_seen=True, return_scores=True
    )
    assert items[0, -2:].tolist() == [None, None] and None not in items[0, :-2]
    assert (scores[0, -2:] == -np.inf).all() and np.isfinite(scores[0, :-2]).all()


def test_candidates_can_be_named(plain: PromptedSessionRecommender) -> None:
    a, b, c, d = plain.items_[:4].tolist()
    items = plain.predict_topk([[a], [b, c]], k=3, candidates=iter([a, c, d, c]))
    assert [set(row) for row in items.tolist()] == [{a, c, d}] * 2
    everything = np.array(scores_of(plain, Sessions.from_lists([[a]])))[0]
    assert items[0].tolist() == sorted(
        [a, c, d], key=lambda item: -everything[plain.items_.tolist().index(item)]
    )
    items = plain.predict_topk(
        [[a], [b, c]], k=2, candidates=np.array([a, c, d], dtype=object), exclude_seen=True
    )
    assert set(items[0]) == {c, d} and set(items[1]) == {a, d}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"k": 0}, "k=0 is below 1; give 1 or more"),
        ({"k": 31}, r"k=31 is larger than the \d+ known items; ask for at most \d+"),
        ({"k": 1, "candidates": ["x"]}, "candidates holds 1 ids, none of which the model knows"),
        ({"k": 1, "candidates": []}, "candidates holds 0 ids"),
        ({"k": 1, "candidates": [["x"], ["y"]]}, "holds 2 lists, but X holds 1 sessions"),
        ({"k": 1, "exclude_seen": "user"}, "exclude_seen='user' must be True or False, or Sess"),
        ({"k": 1, "exclude_seen": WORLD}, "X has no users, whose history exclude_seen is to leave"),
    ],
)
def test_too_much_is_refused(
    plain: PromptedSessionRecommender, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plain.predict_topk([[plain.items_[0]]], **params)


@pytest.mark.parametrize("candidates", ["item-01", 5])
def test_candidates_are_a_list(plain: PromptedSessionRecommender, candidates: Any) -> None:
    with pytest.raises(TypeError, match=f"candidates={candidates!r} must be a list of ids"):
        plain.predict_topk([["item-01"]], k=1, candidates=candidates)


@pytest.mark.parametrize("k", [2.0, "3", True, None])
def test_k_is_an_integer(plain: PromptedSessionRecommender, k: Any) -> None:
    with pytest.raises(TypeError, match="must be an integer"):
        plain.predict([[plain.items_[0]]], k=k)
    assert plain.predict([[plain.items_[0]]], k=np.int64(2)).shape == (1, 2)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, "X holds no session; give at least one"),
        (
            [["item-01"], []],
            ValueError,
            r"session 1 of X is empty \(1 such sessions\); a session needs at least one",
        ),
        (["item-01"], TypeError, r"pass one session as \[session\]"),
        ("item-01", TypeError, "must be a list of sessions"),
        ({"a": ["item-01"]}, TypeError, "must be a list of sessions"),
    ],
)
def test_what_is_no_session_is_refused(
    plain: PromptedSessionRecommender, X: Any, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        plain.predict(X, k=1)


def test_what_can_be_computed_again_is_not_pickled(plain: PromptedSessionRecommender) -> None:
    plain.predict(WORLD[:2], k=1)
    assert plain._table is not None
    assert pickle.loads(pickle.dumps(plain))._table is None


# ---------------------------------------------------------------------- parameters
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"backbone": "gru"}, r"backbone='gru' is not known; choose one of \['core', .*'narm'"),
        (
            {"gate": "sum"},
            r"gate='sum' is not known; choose one of \['add', 'elementwise', 'frequency', 'none'",
        ),
        ({"scoring": "l2"}, r"scoring='l2' is not known; choose one of \['cosine', 'dot'\]"),
        (
            {"prefixes": "all"},
            r"prefixes='all' is not known; choose one of \['auto', 'expanded', 'one_pass'\]",
        ),
        (
            {"prompts": ("item",)},
            r"names 'item'; known prompts are \['cluster', 'user', 'session'\]",
        ),
        ({"monitor": "loss"}, "metric 'loss' is not known; write one of mrr"),
        ({"monitor": "coverage@5"}, "monitor='coverage@5' is no metric of ranks; choose mrr@k"),
        ({"dim": 0}, "dim=0 is below 1"),
        ({"max_length": 0}, "max_length=0 is below 1"),
        ({"batch_size": -1}, "batch_size=-1 is below 1"),
        ({"max_epochs": 0}, "max_epochs=0 is below 1"),
        ({"patience": 0}, "patience=0 is below 1"),
        ({"temperature": 0}, "temperature=0 must be above 0"),
        ({"lr": float("nan")}, "lr=nan must be above 0"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1 must be 0 or more"),
        ({"validation_fraction": 1.0}, "validation_fraction=1.0 must be between 0 and 1, or None"),
        ({"device": "quantum"}, "device='quantum' is no torch device; try 'auto', 'cpu' or 'cuda'"),
    ],
)
def test_parameters_out_of_bounds(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_of(**params).fit(WORLD)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dim": 8.0}, "dim=8.0 must be an integer"),
        ({"max_epochs": True}, "max_epochs=True must be an integer"),
        ({"lr": "fast"}, "lr='fast' must be a number above 0"),
        ({"refit": "no"}, "refit='no' must be True or False"),
        ({"prompt_candidates": 0}, "prompt_candidates=0 must be True or False"),
        ({"net_params": 5}, "net_params=5 must be a dict"),
        ({"backbone_params": [8]}, r"backbone_params=\[8\] must be a dict"),
        ({"backbone": 3}, r"backbone=3 must be a name of \['core', .*\], a class or a factory"),
        (
            {"random_state": "seed"},
            "random_state='seed' must be None, an integer, a RandomState or a Generator",
        ),
    ],
)
def test_parameters_of_other_types(params: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        model_of(**params).fit(WORLD)


def test_a_built_backbone_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"backbone=GRU4Rec\(...\) is an instance; pass the class, or a function"
    ):
        model_of(GRU4Rec(8)).fit(WORLD)


def test_one_pass_needs_a_causal_backbone() -> None:
    with pytest.raises(
        ValueError, match="prefixes='one_pass' needs a causal backbone, and 'lessr' is none"
    ):
        model_of("lessr", prefixes="one_pass").fit(WORLD)


def test_a_missing_gpu_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(
        ValueError,
        match="device='cuda' is not available on this machine; use device='cpu' or 'auto'",
    ):
        model_of(device="cuda").fit(WORLD)


@pytest.mark.parametrize(
    "backbone", [GRU4Rec, lambda dim, hidden: GRU4Rec(dim, hidden=hidden)], ids=["class", "factory"]
)
def test_a_backbone_may_be_a_class_or_a_factory(backbone: Any) -> None:
    model = model_of(backbone, backbone_params={"hidden": 8}).fit(WORLD)
    assert scores_of(model, WORLD[:3]) == scores_of(model_of().fit(WORLD), WORLD[:3])


def test_prompts_need_their_data() -> None:
    with pytest.raises(ValueError, match=r"put ItemClusterer\(\) before the recommender"):
        model_of(prompts=("cluster",)).fit(WORLD)
    with pytest.raises(ValueError, match="needs sessions with users"):
        model_of(prompts="user").fit(WORLD.to_lists())
    with pytest.raises(ValueError, match=r"put ItemClusterer\(\) before the recommender"):
        model_of(prompts=("cluster",)).fit(LABELLED, X_val=WORLD)


@pytest.mark.parametrize(
    ("lists", "params", "message"),
    [
        ([], {}, "X has 0 sessions with two events, too few to train and validate"),
        (
            [["a", "b"], ["a"]],
            {},
            "X has 1 sessions with two events.* set validation_fraction=None",
        ),
        ([["a"], ["b"]], {"validation_fraction": None}, "X: none of the 2 sessions has two events"),
    ],
)
def test_too_little_to_learn_from(lists: Any, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_of(**params).fit(lists)


def test_single_events_teach_their_item_only() -> None:
    lists = [["a", "b", "c"], ["a", "b"], ["d"], [], ["b", "c"], ["c", "a"]]
    model = model_of().fit(lists)
    assert model.items_.tolist() == ["a", "b", "c", "d"] and np.isfinite(model.best_score_)
    with pytest.raises(
        ValueError, match="validation sessions: none of the 1 sessions has two events.*leave out"
    ):
        model_of().fit([*lists, ["e"]])


# ---------------------------------------------------------------------- seeds
@pytest.mark.parametrize(
    "make", [np.random.RandomState, np.random.default_rng], ids=["RandomState", "Generator"]
)
def test_generators_are_seeds_too(make: Any) -> None:
    one, other = (scores_of(model_of(random_state=make(5)).fit(WORLD), WORLD[:2]) for _ in range(2))
    assert one == other
    assert one != scores_of(model_of(random_state=make(6)).fit(WORLD), WORLD[:2])


def test_without_a_seed_every_fit_is_another() -> None:
    one, other = (scores_of(model_of(random_state=None).fit(WORLD), WORLD[:2]) for _ in range(2))
    assert one != other


@pytest.mark.parametrize("prefixes", ["one_pass", "expanded"])
def test_training_in_one_pass_or_expanded_is_one_task(prefixes: str, ring: Sessions) -> None:
    model = model_of(prefixes=prefixes, lr=0.05, max_epochs=8, patience=None, refit=False).fit(ring)
    assert model.score(ring) > 0.9


def test_sessions_longer_than_the_window_are_learnt() -> None:
    long = [[(start + step) % 12 for step in range(14)] for start in range(12)] * 2
    model = model_of(max_length=3, lr=0.05, max_epochs=8, patience=None, refit=False).fit(long)
    assert model.score(long) > 0.9
    assert model.evaluate(long)["n_targets"] == 24 * 13


# ---------------------------------------------------------------------- going on
def rows(model: PromptedSessionRecommender, items: list[str]) -> np.ndarray:
    table = model.network_.items.detach().cpu().numpy()  # (n_items, d)
    return table[model.encoder_.vocabulary.encode(items)].copy()


@pytest.mark.parametrize("way", ["warm_start", "partial_fit"])
def test_what_is_known_stays_and_new_things_join(way: str) -> None:
    model = model_of(prompts=("cluster", "user"), lr=1e-9).fit(LABELLED)
    known = model.items_.tolist()
    users = model.encoder_.owners["user"].ids.tolist()
    before = rows(model, known)
    prompts = {k: v.detach().clone() for k, v in model.network_.blend.tables.items()}
    layers = model.network_.backbone.out.weight.detach().clone()
    later = Sessions.from_lists(
        [["a new item", known[0], known[1]], [known[2], "zzz"]] * 2, users=["ann"] * 4
    )
    X = CLUSTERER.transform(later)
    if way == "warm_start":
        model.set_params(warm_start=True, validation_fraction=None).fit(X)
    else:
        assert model.partial_fit(X) is model
    assert set(model.items_) == {*known, "a new item", "zzz"} and model.n_items_ == len(known) + 2
    np.testing.assert_allclose(rows(model, known), before, atol=1e-6)
    torch.testing.assert_close(model.network_.backbone.out.weight, layers)
    encoder = model.encoder_
    tables = model.network_.blend.tables
    torch.testing.assert_close(
        tables["user"][encoder.owners["user"].encode(users)], prompts["user"]
    )
    torch.testing.assert_close(tables["cluster"][: len(prompts["cluster"])], prompts["cluster"])
    assert "ann" in encoder.owners["user"]
    assert model.predict(
        CLUSTERER.transform(Sessions.from_lists([["zzz"]], users=["ann"])), k=2
    ).shape == (1, 2)


def test_partial_fit_learns() -> None:
    model = model_of(lr=0.05)
    lists = [[(start + step) % 12 for step in range(4)] for start in range(12)] * 4
    assert model.partial_fit(lists) is model and model.n_epochs_ == 1
    first = model.score(lists)
    for _ in range(9):
        model.partial_fit(lists)
    assert model.score(lists) > max(first, 0.9)
    assert model.encoder_.item_counts.tolist() == [10 * 16] * 12


def test_a_cold_start_forgets() -> None:
    model = model_of().fit(WORLD)
    model.fit([["a", "b"], ["b", "a"]] * 5)
    assert model.items_.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dim": 4},
            "has other layers than the parameters ask for now; restore them, or start anew",
        ),
        ({"backbone_params": {"hidden": 4}}, "has other layers"),
        ({"backbone": "narm"}, "has other layers"),
        (
            {"prompts": ("user",)},
            r"prompts=\('user',\) cannot follow a fit with prompts=\(\); keep those, or start anew",
        ),
    ],
)
def test_a_warm_start_with_another_shape_is_refused(changes: dict[str, Any], message: str) -> None:
    model = model_of(warm_start=True).fit(WORLD)
    with pytest.raises(ValueError, match=message):
        model.set_params(**changes).fit(WORLD)
    with pytest.raises(ValueError, match=message):
        model.partial_fit(WORLD)
    model.set_params(warm_start=False).fit(WORLD)
