"""Stages of a fit: what may reach the selection, what a tail tells, what is served in the end."""

from __future__ import annotations

import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline as SklearnPipeline

from sessionprompt import ItemClusterer, PromptedSessionRecommender, Sessions
from sessionprompt.clustering import PrecomputedClusters
from sessionprompt.model_selection import TemporalSessionSplit, temporal_train_test_split
from sessionprompt.persistence import load, save
from sessionprompt.pipeline import Pipeline
from sessionprompt.presets import PAPER, RELEASED_CODE
from sessionprompt.testing import tiny_world
from sessionprompt.training import fit, stages, validation

WORLD = tiny_world(120)
TRAIN, TAIL = temporal_train_test_split(WORLD)
KINDS = [Pipeline, SklearnPipeline]


def model_of(**params: Any) -> PromptedSessionRecommender:
    small = {"dim": 8, "lr": 0.02, "batch_size": 64, "max_epochs": 3, "random_state": 0}
    return PromptedSessionRecommender("stamp", **{**small, **params})


def pipeline_of(kind: Any = Pipeline, clusterer: Any = None, **params: Any) -> Any:
    if clusterer is None:
        clusterer = ItemClusterer(2.0, random_state=0)
    return kind([("clu", clusterer), ("rec", model_of(**params))])


def measured(model: Any) -> list[dict[str, float]]:
    """History without times."""
    return [{**row, "dur": 0.0} for row in model[-1].history_]


def scores(model: Any, X: Any) -> list[list[float]]:
    return model.predict_topk(X, k=5, return_scores=True)[1].tolist()


# ---------------------------------------------------------------------- the tail teaches nothing
def clusterer_of(way: str) -> Any:
    if way == "leiden":
        return ItemClusterer(2.0, random_state=0)
    ids = WORLD.vocabulary.ids
    return PrecomputedClusters(dict(zip(ids[::2], ids[::2] > "item-09", strict=True)))


@cache
def selected_by_hand(way: str) -> Pipeline:
    return pipeline_of(clusterer=clusterer_of(way), max_epochs=2).fit(TRAIN, X_val=TAIL)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("way", ["leiden", "given"])
def test_the_tail_does_not_reach_the_clusters_of_the_selection(
    kind: Any, refit: bool, way: str
) -> None:
    by_hand = selected_by_hand(way)
    model = pipeline_of(kind, clusterer_of(way), refit=refit, max_epochs=2).fit(WORLD)
    assert measured(model) == measured(by_hand)
    assert model[-1].best_score_ == by_hand[-1].best_score_


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_keeps_tails_out_too(kind: Any) -> None:
    search = GridSearchCV(
        pipeline_of(kind, refit=False, max_epochs=1),
        {"clu__resolution": [0.5, 4.0]},
        cv=TemporalSessionSplit(2),
        error_score="raise",
    )
    found = search.fit(WORLD).best_estimator_
    by_hand = pipeline_of(clusterer=found[0], max_epochs=1).fit(TRAIN, X_val=TAIL)
    assert measured(found) == measured(by_hand)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_served_without_a_refit_was_selected(kind: Any, tmp_path: Any) -> None:
    model = pipeline_of(kind, refit=False, repeats=None).fit(WORLD)
    recommender = model[-1]
    assert model.score(TAIL) == pytest.approx(recommender.best_score_)
    clusterer = model[0]
    if kind is SklearnPipeline:  # it has fitted its own on everything
        clusterer = recommender.annotator_
        assert clusterer is not model[0]
    else:
        assert recommender.annotator_ is None
    occurring = TRAIN.vocabulary.ids[np.unique(TRAIN.codes)]
    assert set(clusterer.vocabulary_.ids) == set(recommender.items_) == set(occurring)
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    strange = [["nobody knows it", WORLD[0][0], "nor this"]]
    assert loaded.score(WORLD) == model.score(WORLD)
    assert loaded.predict(strange, k=5).tolist() == model.predict(strange, k=5).tolist()


def test_a_model_with_a_clusterer_of_its_own_learns_on() -> None:
    model = pipeline_of(SklearnPipeline, refit=False).fit(WORLD)
    recommender = model[-1]
    later = model[0].transform(Sessions.from_lists([["new", *WORLD[0]], ["new", WORLD[1][0]]]))
    recommender.partial_fit(later)
    own = recommender.annotator_
    place = recommender.items_.tolist().index("new")
    known = own.vocabulary_.ids.tolist().index("new")
    assert recommender.encoder_.item_labels[place].tolist() == [own.labels_[known]]


def test_what_is_served_after_a_refit_knows_everything() -> None:
    model = pipeline_of(clusterer=ItemClusterer(2.0), repeats=None).fit(WORLD)
    recommender = model[-1]
    epochs = recommender.best_epoch_
    clusterer = model[0]
    expected = model_of(max_epochs=epochs, validation_fraction=None)
    expected.fit(clusterer.transform(WORLD))
    assert scores(model, WORLD) == scores(expected, clusterer.transform(WORLD))
    assert recommender.annotator_ is None and recommender.n_epochs_ == len(recommender.history_)


def test_a_fit_leaves_the_given_clusterer_and_sessions_alone() -> None:
    clusterer = ItemClusterer(random_state=0).fit(WORLD)
    labels = clusterer.labels_.copy()
    annotated = clusterer.transform(WORLD)
    model_of().fit(annotated)
    assert clusterer.labels_.tolist() == labels.tolist()
    assert annotated.annotator is clusterer


def test_labels_without_a_clusterer_stay() -> None:
    labels = ItemClusterer(random_state=0).fit_transform(WORLD).labels
    model = model_of(refit=False).fit(WORLD.with_labels(labels))
    assert model.annotator_ is None and model.n_epochs_ == 3


def test_a_warm_start_goes_on_in_both_stages() -> None:
    clusterer = ItemClusterer(random_state=0).fit(WORLD)
    model = model_of(warm_start=True).fit(clusterer.transform(WORLD))
    counts = model.encoder_.item_counts.sum()
    first = model.history_[0]["train_loss"]
    model.fit(clusterer.transform(WORLD))
    assert model.history_[0]["train_loss"] < first
    assert model.encoder_.item_counts.sum() == 2 * counts


# ---------------------------------------------------------------------- tails that tell little
def news(n_new: int = 12) -> Sessions:
    """Old sessions that run along a ring, and newest ones of new items alone."""
    old = [[f"old-{(start + step) % 12:02}" for step in range(4)] for start in range(108)]
    new = [[f"new-{(start + step) % 6}" for step in range(3)] for start in range(n_new)]
    return Sessions.from_lists(old + new)


@pytest.mark.parametrize("refit", [False, True])
def test_a_tail_of_unknown_items_chooses_nothing(refit: bool) -> None:
    message = r"0 of 24 targets .* \(0.0%\), too few to choose .* all max_epochs=15 epochs are"
    with pytest.warns(UserWarning, match=message):
        model = model_of(prompts=(), lr=0.05, max_epochs=15, refit=refit).fit(news())
    known = Sessions.from_lists([[f"old-{i:02}", f"old-{i + 1:02}"] for i in range(11)])
    assert model.score(known) > 0.9
    assert model.n_epochs_ == model.best_epoch_ == 15 and np.isnan(model.best_score_)
    assert model.stop_reason_ == "max_epochs"


def test_the_default_serves_what_only_the_newest_hold() -> None:
    with pytest.warns(UserWarning, match="too few to choose"):
        model = model_of(prompts=(), lr=0.05, max_epochs=15).fit(news())
    assert "new-1" in model.items_
    assert model.predict([["new-1"]], k=1).tolist() == [["new-2"]]


def test_a_tail_that_knows_enough_is_no_matter() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model_of(prompts=()).fit(WORLD)
        model_of(prompts=()).fit(WORLD.to_lists(), X_val=TAIL.to_lists())


def test_facts_of_the_tail_are_kept(tmp_path: Path) -> None:
    old = [["a", "b", "c", "d"]] * 18
    tail = [["a", "b", "new"], ["b"]]
    model = model_of(prompts=(), max_epochs=1).fit(Sessions.from_lists(old + tail))
    expected = {
        "n_sessions": 2,
        "n_targets": 2,
        "n_known_targets": 1,
        "mean_prefix_length": 1.5,
        "train_mean_prefix_length": 2.0,
    }
    assert model.validation_ == expected
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").validation_ == expected
    assert model.partial_fit([["a", "b"]]).validation_ == expected
    assert model_of(prompts=(), validation_fraction=None).fit(old).validation_ is None


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ([["a", "x", "y"], ["y", "z", "a"]], r"1 of 4 targets .* \(25.0%\): the epoch and"),
        ([["a", "b"], ["c", "d"]], "after 1.0 events on average, those .* after 5.0: "),
    ],
)
def test_a_tail_that_tells_little_is_said(tail: list[list[str]], message: str) -> None:
    long = [list("abcdabcdab")] * 18
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model_of(prompts=(), max_epochs=1).fit(Sessions.from_lists(long + tail))
    texts = [str(one.message) for one in caught if "validation sessions" in str(one.message)]
    assert any(re.search(message, text) for text in texts)


def test_published_protocols_keep_what_was_selected() -> None:
    assert PAPER["refit"] is False and RELEASED_CODE["refit"] is False


# ---------------------------------------------------------------------- samples of the tail
@pytest.mark.parametrize("backbone", ["gru4rec", "stamp"])
def test_validation_measures_a_sample(backbone: str) -> None:
    params = {"prompts": (), "max_epochs": 2, "refit": False, "dim": 4, "random_state": 0}
    X_val = WORLD[:60]
    n = int((X_val.lengths - 1).sum())
    fits = [
        PromptedSessionRecommender(backbone, validation_size=size, **params).fit(WORLD, X_val=X_val)
        for size in (None, n, 40, 40, 1)
    ]
    sizes = [{row["n_valid"] for row in model.history_} for model in fits]
    assert sizes[0] == sizes[1] == {n} and sizes[2] == sizes[3]
    assert 30 < sizes[2].pop() <= 40
    assert len(sizes[4]) == 1 and sizes[4].pop() < 10
    metric = [[row["mrr@5"] for row in model.history_] for model in fits]
    assert metric[0] == metric[1] != metric[2] == metric[3]
    losses = [[row["train_loss"] for row in model.history_] for model in fits]
    assert losses == [losses[0]] * 5


def test_the_default_bounds_large_tails() -> None:
    assert PromptedSessionRecommender().validation_size == 20_000


def test_a_metric_that_stays_0_chooses_nothing() -> None:
    X_val = Sessions.from_lists([["old-00", "old-06"], ["old-03", "old-09"]])
    with pytest.warns(UserWarning, match="mrr@1 was 0 after each of 8 epochs, so it chose none"):
        model = model_of(
            prompts=(), lr=0.05, max_epochs=8, patience=1, monitor="mrr@1", refit=False
        ).fit(news(0), X_val=X_val)
    assert model.best_epoch_ == model.n_epochs_ == 8 and model.best_score_ == 0
    assert model.score(news(0)) > 0.9


# ---------------------------------------------------------------------- how many epochs by default
def test_logs_of_many_targets_take_fewer_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"prompts": (), "max_epochs": "auto", "validation_fraction": None}
    few = model_of(**params).fit(WORLD)
    monkeypatch.setattr(stages, "MANY_PREFIXES", int((WORLD.lengths - 1).sum()) - 1)
    many = model_of(**params).fit(WORLD)
    assert (few.n_epochs_, many.n_epochs_) == (5, 3)
    assert model_of(**params).partial_fit(WORLD).n_epochs_ == 1


@pytest.mark.parametrize("epochs", ["many", 0, None, 2.5])
def test_what_max_epochs_must_be(epochs: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="max_epochs"):
        model_of(prompts=(), max_epochs=epochs).fit(WORLD)


def test_of_very_many_validation_sessions_some_are_labelled_and_encoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(validation, "MOST_EVENTS", 12)
    some = validation.some_of(TAIL, 2, 0)
    assert 0 < len(some.codes) <= 12 < len(TAIL.codes)
    assert validation.some_of(TAIL, 2, 0).to_lists() == some.to_lists()
    assert all(session in TAIL.to_lists() for session in some.to_lists())
    assert validation.some_of(TAIL, None, 0) is TAIL
    encoded = []
    examples = fit._examples
    monkeypatch.setattr(
        fit, "_examples", lambda part, *rest: encoded.append(part) or examples(part, *rest)
    )
    model = model_of(prompts=(), max_epochs=1, validation_size=2).fit(TRAIN, X_val=TAIL)
    assert [len(part.codes) <= 12 for part in encoded] == [True]
    assert model.validation_["n_sessions"] == len(TAIL)
