"""Labels, prompts and vectors while a recommender learns on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline as SklearnPipeline

from sessionprompt import ItemClusterer, Pipeline, PromptedSessionRecommender, Sessions, load
from sessionprompt.encoding import SessionEncoder

SMALL: dict[str, Any] = {"dim": 8, "max_epochs": 1, "validation_fraction": None, "random_state": 0}


def sessions_of(group: str, n: int) -> list[list[str]]:
    rng = np.random.default_rng(0)
    return [[f"{group}{item}" for item in rng.integers(0, 6, 4)] for _ in range(n)]


TRAIN = [*sessions_of("a", 60), *sessions_of("b", 50), *sessions_of("c", 40)]
OTHER = [*sessions_of("c", 90), *sessions_of("a", 60), *sessions_of("b", 30)]
NEW = [["new", f"c{n % 6}", "new"] for n in range(50)] + [["new", "a0"]]


def fitted(kind: type = Pipeline, **params: Any) -> Any:
    steps = [
        ("clu", ItemClusterer(random_state=0)),
        ("rec", PromptedSessionRecommender(**{**SMALL, **params})),
    ]
    return kind(steps).fit(TRAIN)


def labels(model: Any, *items: str) -> list[int]:
    """Clusters by which a model's recommender knows some items."""
    encoder = model[-1].encoder_
    return encoder.item_labels[encoder.vocabulary.encode(list(items)), 0].tolist()


def prompt_rows(model: Any) -> dict[str, np.ndarray]:
    """Vector of the cluster of each known item."""
    table = model[-1].network_.blend.tables["cluster"].detach().cpu().numpy()
    encoder = model[-1].encoder_
    rows = encoder.candidate_codes["cluster"][:, 0]
    return dict(zip(encoder.vocabulary.ids.tolist(), table[rows], strict=True))


@pytest.mark.parametrize("kind", [Pipeline, SklearnPipeline])
def test_a_new_item_has_the_label_of_all_its_edges(kind: type) -> None:
    model = fitted(kind)
    if kind is Pipeline:
        model.partial_fit(NEW)
    else:
        model[-1].partial_fit(model[:-1].transform(NEW))
    assert labels(model, "new") == labels(model, "c0") != labels(model, "a0")


def test_labels_follow_the_edges_of_later_calls(tmp_path: Any) -> None:
    model = fitted()
    model.partial_fit([["new", "a0"], ["new", "a1"]])
    assert labels(model, "new") == labels(model, "a0")
    model.save(tmp_path / "saved")
    for one in (model, load(tmp_path / "saved")):
        for _ in range(3):
            one.partial_fit(NEW[:10])
        assert labels(one, "new", "a0", "b0", "c0") == labels(one, "c0", "a1", "b1", "c1")
        clusterer = one[0]
        known = clusterer.label_items(Sessions([], [0], one[-1].encoder_.vocabulary))
        assert (known == one[-1].encoder_.item_labels).all()


def test_clusters_of_another_fit_take_their_prompts_along() -> None:
    """Fitted on other sessions, the clusterer numbers its clusters by another order of sizes."""
    model = fitted(warm_start=True, lr=1e-9)
    before = prompt_rows(model)
    assert labels(model, "a0", "b0", "c0") == [0, 1, 2]
    grown = [*OTHER, ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d0"], ["d0", "d2"], ["c0", "new"]]
    model.fit(grown)
    own = model[0].labels_[model[0].vocabulary_.encode(["a0", "b0", "c0", "new", "d0"])]
    assert labels(model, "a0", "b0", "c0", "new", "d0") == own.tolist()
    assert sorted(own[:3].tolist()) != own[:3].tolist()
    after = prompt_rows(model)
    for item, vector in before.items():
        np.testing.assert_allclose(after[item], vector, atol=1e-5)
    np.testing.assert_allclose(after["new"], before["c0"], atol=1e-5)


def test_clusters_that_are_gone_keep_their_items() -> None:
    first = Sessions.from_lists(TRAIN)
    then = Sessions.from_lists([*sessions_of("c", 40), *sessions_of("b", 20)])
    old = SessionEncoder.learn(ItemClusterer(random_state=0).fit_transform(first), ("cluster",))
    new = old.grow(ItemClusterer(random_state=0).fit_transform(then), ("cluster",))
    assert new.cluster_sizes == (3,)
    codes = new.vocabulary.encode(["a0", "b0", "c0"])
    assert new.item_labels[codes].ravel().tolist() == [2, 0, 1]
    assert new.rows_of(old)["cluster"].tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("given", "label"), [([0, 2, 2], 2), ([2, 2, 0], 2), ([2, 0, 1], 0), ([-1, -1, 1], 1)]
)
def test_hand_given_labels_of_an_item_are_counted(given: list[int], label: int) -> None:
    lists = [["a", "x"], ["b", "x"], ["c", "x"]]
    of_events = [value for one in zip([0, 1, 2], given, strict=True) for value in one]
    sessions = Sessions.from_lists(lists).with_labels(of_events)
    encoder = SessionEncoder.learn(sessions, ("cluster",))
    assert encoder.item_labels.ravel().tolist() == [0, 1, 2, label]


def test_more_resolutions_than_before_are_refused() -> None:
    sessions = Sessions.from_lists(TRAIN)
    old = SessionEncoder.learn(ItemClusterer(random_state=0).fit_transform(sessions), ("cluster",))
    two = ItemClusterer((0.5, 2.0), random_state=0).fit_transform(sessions)
    with pytest.raises(ValueError, match="X carries 2 label columns, the model was fitted with 1"):
        old.grow(two, ("cluster",))


def test_ids_that_no_float_tells_apart_are_refused() -> None:
    old = SessionEncoder.learn(Sessions.from_lists([[2**53, 2**53 + 1]]))
    with pytest.raises(ValueError, match="mixes floats with the integer 9007199254740993"):
        old.grow(Sessions.from_lists([[0.5]]), ())


def test_a_model_with_clusters_of_its_own_lets_them_learn_on() -> None:
    """Without a second fit, a model keeps the clusterer that was fitted beside its tail."""
    model = fitted(refit=False, validation_fraction=0.1)
    model.partial_fit([["new", "a0"]])
    assert labels(model, "new") == labels(model, "a0")
    model.partial_fit(NEW)
    assert labels(model, "new") == labels(model, "c0")
