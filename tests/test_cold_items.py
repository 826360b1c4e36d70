"""Attributes as prompts of a recommender, and items that it can recommend before any click."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV

from sessionprompt import (
    ItemAttributes,
    ItemClusterer,
    Pipeline,
    PromptedSessionRecommender,
    Sessions,
    load,
)
from sessionprompt.encoding import with_reserved_places
from sessionprompt.model_selection import TemporalSessionSplit

GROUPS = 4
OF_GROUP = 8  # items, of which the last is in no session
NAMES = [f"{group}-{number}" for group in range(GROUPS) for number in range(OF_GROUP)]
COLD = [f"{group}-{OF_GROUP - 1}" for group in range(GROUPS)]
TABLE = {
    "item": [*NAMES, "blank", "foreign"],
    "type": [*(name[0] for name in NAMES), None, None],  # a name that modules of torch have
    "price.net": [*(float(name[-1]) for name in NAMES), None, None],
    "tags": [*([name[0], "all"] for name in NAMES), [], ["elsewhere"]],
    "vector": [*(np.eye(GROUPS)[int(name[0])].tolist() for name in NAMES), None, None],
}
KINDS = ("type", "price.net", "tags", "vector")


def world(n: int, seed: int) -> Sessions:
    """Sessions that stay inside a group of items."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(GROUPS, size=n)
    lists = [[f"{group}-{item}" for item in rng.integers(OF_GROUP - 1, size=4)] for group in groups]
    return Sessions.from_lists(lists, times=np.arange(n))


def pipeline(kinds=KINDS, **params) -> Pipeline:
    settings = {
        "dim": 8,
        "max_epochs": 3,
        "lr": 0.03,
        "batch_size": 64,
        "cold_items": "attributes",
        "random_state": 0,
    }
    return Pipeline(
        [
            ("clu", ItemClusterer(random_state=0)),
            ("att", ItemAttributes(TABLE, columns=kinds)),
            ("rec", PromptedSessionRecommender(prompts=("cluster", *kinds), **settings | params)),
        ]
    )


@dataclass(frozen=True)
class Fitted:
    pipe: Pipeline
    train: Sessions


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    train = world(300, 0)
    return Fitted(pipeline().fit(train), train)


def test_cold_items_are_recommended_and_blank_ones_never(fitted) -> None:
    model = fitted.pipe[-1]
    assert set(COLD) <= set(model.items_)
    assert not {"blank", "foreign"} & set(model.items_)
    counts = dict(zip(model.items_, model.encoder_.item_counts, strict=True))
    assert [counts[name] for name in COLD] == [0] * GROUPS
    assert min(count for name, count in counts.items() if name not in COLD) > 0
    sessions = [[f"{group}-0", f"{group}-1"] for group in range(GROUPS)]
    lists = fitted.pipe.predict(sessions, k=OF_GROUP).tolist()
    for group, items in enumerate(lists):
        assert COLD[group] in items
    targets = Sessions.from_lists([[*one, COLD[group]] for group, one in enumerate(sessions)])
    result = fitted.pipe.evaluate(targets, metrics=["recall@8", "cold_coverage@8"], slices="cold")
    assert result["slices"]["cold"]["cold"] == {"n": GROUPS, "recall@8": 1.0}
    assert result["slices"]["cold"]["warm"]["n"] == GROUPS
    assert result["cold_coverage@8"] == 1
    unknown = fitted.pipe.evaluate([["0-0", "foreign"]], metrics="recall@8", slices="cold")
    assert unknown["slices"]["cold"] == {"unknown": {"n": 1, "recall@8": 0.0}}


def test_cold_vectors_are_prompts_alone(fitted) -> None:
    network = fitted.pipe[-1].network_
    codes = torch.from_numpy(fitted.pipe[-1].encoder_.vocabulary.encode(COLD)).long()
    codes = codes.to(network.items.device)
    assert not network.items[codes].any()
    vectors = network.candidate_vectors()[codes]
    torch.testing.assert_close(vectors, network.candidate_vectors(codes))
    torch.testing.assert_close(vectors.norm(dim=1).cpu(), torch.ones(GROUPS))


def test_clusters_of_cold_items_are_those_of_their_like(fitted) -> None:
    encoder = fitted.pipe[-1].encoder_
    labels = dict(zip(encoder.vocabulary.ids, encoder.item_labels[:, 0], strict=True))
    assert [labels[name] for name in COLD] == [labels[f"{group}-0"] for group in range(GROUPS)]


def test_files_and_copies_recommend_alike(fitted, tmp_path) -> None:
    fitted.pipe.save(tmp_path / "model.zip")
    read = load(tmp_path / "model.zip")
    sessions = [["0-0"], [COLD[1], "foreign"], ["2-1", "nothing known"]]
    expected = fitted.pipe.predict_topk(sessions, k=9, return_scores=True)
    for other in (read, pickle.loads(pickle.dumps(fitted.pipe))):
        found = other.predict_topk(sessions, k=9, return_scores=True)
        assert found[0].tolist() == expected[0].tolist()
        np.testing.assert_array_equal(found[1], expected[1])


def test_unknown_items_keep_the_attributes_that_a_table_gives(fitted) -> None:
    pipe = pickle.loads(pickle.dumps(fitted.pipe))
    new = {"item": ["new"], "type": ["3"], "price.net": [2.0], "tags": [["3"]]}
    new["vector"] = [[0.0, 0.0, 0.0, 1.0]]
    blank = pipe.predict_topk([["3-0", "new"]], k=3, return_scores=True)[1]
    pipe.set_params(att__items=new)
    known = pipe.predict_topk([["3-0", "new"]], k=3, return_scores=True)
    assert not np.array_equal(known[1], blank)
    assert {item[0] for item in pipe.predict([["new"]], k=3)[0]} == {"3"}
    alone = pipe.predict_topk([["3-0", "new"], ["0-1"]], k=3, return_scores=True)[1]
    np.testing.assert_allclose(alone[0], known[1][0], rtol=1e-5)
    ranked = pipe.ranks([["3-0", "new", "3-1"]])
    assert np.isinf(ranked.ranks).tolist() == [True, False]


def test_items_come_and_go_without_training(fitted) -> None:
    new = {name: [*column, column[7]] for name, column in TABLE.items()}
    new["item"][-1] = "new"
    rows = [row for row, name in enumerate(new["item"]) if name != COLD[1]]
    today = {name: [column[row] for row in rows] for name, column in new.items()}
    pipe = fitted.pipe.with_items(today)
    items = set(pipe[-1].items_)
    assert "new" in items and COLD[1] not in items
    assert COLD[1] in fitted.pipe[-1].items_
    assert "new" in pipe.predict([["0-0", "0-2"]], k=10)[0]
    warm = pipe.predict_topk([["2-0"]], k=4, candidates=NAMES[16:20], return_scores=True)
    same = fitted.pipe.predict_topk([["2-0"]], k=4, candidates=NAMES[16:20], return_scores=True)
    np.testing.assert_allclose(warm[1], same[1], rtol=1e-5)
    with pytest.raises(ValueError, match="0 steps are ItemAttributes"):
        Pipeline([("rec", fitted.pipe[-1])]).with_items(today)


def test_learning_goes_on(fitted) -> None:
    pipe = pickle.loads(pickle.dumps(fitted.pipe))
    pipe.partial_fit([["0-0", COLD[0], "0-1"], ["0-2", COLD[0]]])
    model = pipe[-1]
    counts = dict(zip(model.items_, model.encoder_.item_counts, strict=True))
    assert [counts[name] for name in COLD] == [2, 0, 0, 0]
    assert COLD[1] in pipe.predict([["1-0", "1-1"]], k=OF_GROUP)[0]
    pipe[-1].set_params(warm_start=True, max_epochs=1, validation_fraction=None)
    pipe[-1].fit(pipe[:-1].transform(fitted.train))
    assert set(COLD) <= set(pipe[-1].items_)
    anew = ItemAttributes(TABLE, columns=KINDS, min_support=9).fit(fitted.train)
    sessions = anew.transform(fitted.train).with_labels(np.zeros(fitted.train.n_events, int))
    with pytest.raises(ValueError, match="numbered by another fit of ItemAttributes"):
        pipe[-1].partial_fit(sessions)


def test_own_vectors_are_withheld_in_training_alone(fitted) -> None:
    network = pickle.loads(pickle.dumps(fitted.pipe[-1].network_))
    whole = network.eval().candidate_vectors()
    network.withhold = 0.5
    network.train()
    torch.manual_seed(0)
    network._withhold()
    shown = (network.candidate_vectors() == whole).all(dim=1)
    assert 0.2 < shown.float().mean() < 0.95
    torch.testing.assert_close(network.candidate_vectors(), network.candidate_vectors())
    assert torch.equal(network.eval().candidate_vectors(), whole)


def test_places_for_new_items(fitted) -> None:
    lists = fitted.pipe.predict_topk([["0-0", "0-1"], ["3-2"]], k=5, min_new=3)
    for items in lists.tolist():
        assert len(set(items)) == 5
        assert len(set(items) & set(COLD)) >= 3
    best = (np.array([[4, 1, 0]]), np.array([[9.0, 8.0, 7.0]]))
    new = (np.array([[4, 3]]), np.array([[9.0, 2.0]]))
    is_new = np.array([False, False, False, True, True])
    codes, scores = with_reserved_places(best, new, is_new)
    assert codes.tolist() == [[4, 1, 3]]
    assert scores.tolist() == [[9, 8, 2]]
    with pytest.raises(ValueError, match="min_new=6 is above 5"):
        fitted.pipe.predict_topk([["0-0"]], k=5, min_new=6)


def test_searches_choose_prompts_and_columns() -> None:
    train = world(60, 1)
    pipe = pipeline(("type", "price.net"), max_epochs=1, validation_fraction=None)
    grid = {"rec__prompts": [("type",), ("type", "price.net")], "rec__cold_items": [None]}
    search = GridSearchCV(pipe, grid, cv=TemporalSessionSplit(2), error_score="raise")
    search.fit(train)
    assert search.best_params_["rec__prompts"] in grid["rec__prompts"]
    columns = {"att__columns": [["type"], ["type", "tags"]]}
    search = GridSearchCV(
        pipe.set_params(rec__prompts=("type",)), columns, cv=TemporalSessionSplit(2)
    )
    assert search.fit(train).best_params_["att__columns"] in columns["att__columns"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"prompts": ("cluster",)}, "attributes among prompts=\\('cluster',\\)"),
        ({"prompt_candidates": False}, "prompt_candidates=True"),
        ({"gate": "none"}, "a gate that lets prompts in"),
        ({"cold_items": "all"}, "cold_items='all' is not known"),
        ({"withhold": 1.0}, "withhold=1.0 must be of at least 0 and below 1"),
        ({"prompts": ("brand",)}, "the sessions know no attribute of that name"),
    ],
)
def test_faults_of_parameters(params, words) -> None:
    pipe = pipeline(("type",)).set_params(**{f"rec__{key}": one for key, one in params.items()})
    with pytest.raises(ValueError, match=words):
        pipe.fit(world(20, 2))


@pytest.mark.parametrize(
    ("gate", "loss"),
    [
        ("elementwise", "full"),
        ("scalar", "sampled"),
        ("frequency", "full"),
        ("frequency", "clusters"),
    ],
)
def test_gates_and_losses(gate, loss) -> None:
    pipe = pipeline(gate=gate, loss=loss, max_epochs=1, validation_fraction=None).fit(world(60, 3))
    assert set(COLD) <= set(pipe[-1].items_)
    assert np.isfinite(pipe.predict_topk([["0-0"]], k=30, return_scores=True)[1]).all()
