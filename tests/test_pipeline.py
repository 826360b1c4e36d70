"""Pipelines, and scikit-learn around them: searches, caches, cloning, metadata routing, output."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from joblib import Memory
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline as SklearnPipeline

from sessionprompt import ItemClusterer, PromptedSessionRecommender, Sessions
from sessionprompt.metrics import SessionScorer, register_metric
from sessionprompt.model_selection import TemporalSessionSplit, temporal_train_test_split
from sessionprompt.pipeline import Pipeline, make_session_pipeline
from sessionprompt.testing import tiny_world

WORLD = tiny_world(100)
TRAIN, TEST = temporal_train_test_split(WORLD, test_size=20)
# without repeats, what is measured in training is what the model serves
SMALL = {
    "dim": 4,
    "lr": 0.02,
    "batch_size": 64,
    "max_epochs": 1,
    "backbone_params": {"hidden": 4},
    "repeats": None,
}


def pipeline_of(kind: type[SklearnPipeline] = Pipeline, **params: Any) -> Any:
    steps = make_session_pipeline("gru4rec", resolution=1.0, **SMALL, random_state=0).steps
    return kind(steps).set_params(**params)


def scores_of(model: Any, X: Any = TEST) -> np.ndarray:
    recommender = model.steps[-1][1]
    front = SklearnPipeline(model.steps[:-1]).transform(X) if len(model.steps) > 1 else X
    return recommender.predict_topk(front, k=5, return_scores=True)[1]


@pytest.fixture(scope="module")
def fitted() -> Pipeline:
    return pipeline_of().fit(TRAIN)


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# ---------------------------------------------------------------------- the same model by every way
def test_a_pipeline_is_its_steps_one_after_another(fitted: Pipeline) -> None:
    clusterer = ItemClusterer(random_state=0)
    recommender = PromptedSessionRecommender(**SMALL, random_state=0).fit(
        clusterer.fit_transform(TRAIN)
    )
    expected = recommender.predict_topk(clusterer.transform(TEST), k=5, return_scores=True)
    items, scores = fitted.predict_topk(TEST, k=5, return_scores=True)
    assert scores.tolist() == expected[1].tolist() and items.tolist() == expected[0].tolist()
    assert fitted.predict(TEST, k=5).tolist() == items.tolist()
    plain = pipeline_of(SklearnPipeline).fit(TRAIN)
    assert plain.predict(TEST, k=5).tolist() == items.tolist()
    assert plain.score(TEST) == fitted.score(TEST)


def test_lists_and_sessions_are_alike(fitted: Pipeline) -> None:
    from_lists = pipeline_of().fit(TRAIN.to_lists())
    assert scores_of(from_lists, TEST.to_lists()).tolist() == scores_of(fitted).tolist()
    assert from_lists.evaluate(TEST.to_lists()) == fitted.evaluate(TEST)


def test_shortest_way_to_a_pipeline() -> None:
    pipeline = make_session_pipeline(
        "narm", resolution=(0.5, 2.0), random_state=3, dim=4, gate="scalar"
    )
    assert [name for name, _ in pipeline.steps] == ["clu", "rec"]
    params = pipeline.get_params()
    assert (
        params["clu__resolution"] == (0.5, 2.0)
        and params["rec__gate"] == "scalar"
        and params["rec__dim"] == 4
    )
    assert params["clu__random_state"] == params["rec__random_state"] == 3


def test_steps_that_do_nothing_are_passed_over(fitted: Pipeline) -> None:
    idle = Pipeline([("one", "passthrough"), *fitted.steps[:1], ("two", None), *fitted.steps[1:]])
    assert (
        scores_of(fitted).tolist() == idle.predict_topk(TEST, k=5, return_scores=True)[1].tolist()
    )


def test_a_pipeline_of_one_step() -> None:
    pipeline = Pipeline(
        [("rec", PromptedSessionRecommender(prompts=(), **SMALL, random_state=0))]
    ).fit(TRAIN)
    alone = PromptedSessionRecommender(prompts=(), **SMALL, random_state=0).fit(TRAIN)
    assert pipeline.predict_topk(TEST, k=4).tolist() == alone.predict_topk(TEST, k=4).tolist()
    assert pipeline.evaluate(TEST) == alone.evaluate(TEST)
    assert pipeline.ranks(TEST).ranks.tolist() == alone.ranks(TEST).ranks.tolist()
    assert pipeline.fit(TRAIN, X_val=TEST).score(TEST) == pytest.approx(
        pipeline.steps[-1][1].best_score_
    )
    assert pipeline.partial_fit(TEST).predict(TEST, k=2).shape == (20, 2)


def test_copies(fitted: Pipeline) -> None:
    for copied in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert scores_of(copied).tolist() == scores_of(fitted).tolist()
    fresh = clone(fitted)
    assert type(fresh) is Pipeline and repr(fresh.get_params()) == repr(fitted.get_params())
    with pytest.raises(NotFittedError):
        fresh.predict(TEST)
    assert scores_of(fresh.fit(TRAIN)).tolist() == scores_of(fitted).tolist()
    assert "PromptedSessionRecommender" in fitted._repr_html_()


def test_set_params_reaches_the_steps() -> None:
    pipeline = pipeline_of(rec__dim=6, clu__resolution=2.0)
    assert pipeline.named_steps["rec"].dim == 6 and pipeline.named_steps["clu"].resolution == 2.0
    with pytest.raises(ValueError, match="Invalid parameter"):
        pipeline.set_params(rec__depth=2)


# ---------------------------------------------------------------------- more than scikit-learn's
# own
def test_validation_sessions_teach_the_clusters_nothing() -> None:
    pipeline = pipeline_of(rec__max_epochs=2).fit(TRAIN, X_val=TEST)
    occurring = TRAIN.vocabulary.ids[np.unique(TRAIN.codes)]
    assert set(pipeline.named_steps["clu"].vocabulary_.ids) == set(occurring)
    assert pipeline.named_steps["rec"].best_score_ == pytest.approx(pipeline.score(TEST))
    lists = pipeline_of(rec__max_epochs=2).fit(TRAIN.to_lists(), X_val=TEST.to_lists())
    assert scores_of(lists).tolist() == scores_of(pipeline).tolist()


def test_parameters_of_a_step_reach_its_fit() -> None:
    clusterer, recommender = (
        ItemClusterer(random_state=0),
        PromptedSessionRecommender(**SMALL, random_state=0),
    )
    X_val = clusterer.fit(TRAIN).transform(TEST)
    plain = SklearnPipeline([("clu", clusterer), ("rec", recommender)]).fit(TRAIN, rec__X_val=X_val)
    assert plain.score(TEST) == pytest.approx(plain[-1].best_score_)


def test_partial_fit_keeps_the_clusters(fitted: Pipeline) -> None:
    later = copy.deepcopy(fitted)
    before = fitted.named_steps["clu"]
    assert later.partial_fit([["a new item", TRAIN[0][0]]]) is later
    clusterer = later.named_steps["clu"]
    assert (clusterer.fitted_labels(before.vocabulary_).ravel() == before.labels_).all()
    assert clusterer.vocabulary_.ids[clusterer.attached_].tolist() == ["a new item"]
    assert "a new item" in later.named_steps["rec"].items_
    fresh = pipeline_of().partial_fit(TRAIN)
    assert fresh.named_steps["rec"].n_epochs_ == 1 and fresh.predict(TEST, k=3).shape == (20, 3)


def test_recommending_has_all_its_options(fitted: Pipeline) -> None:
    some = fitted.named_steps["rec"].items_[:6]
    items, scores = fitted.predict_topk(
        TEST, k=2, return_scores=True, exclude_seen=True, candidates=some
    )
    assert items.shape == scores.shape == (20, 2) and set(items.ravel()) <= set(some)
    assert not any(set(row) & set(events) for row, events in zip(items, TEST, strict=True))


def test_score_takes_metric_cutoff_and_weights(fitted: Pipeline) -> None:
    assert (
        fitted.score(TEST, metric="ndcg", k=3) == fitted.evaluate(TEST, metrics="ndcg@3")["ndcg@3"]
    )
    weights = np.arange(20) % 2
    half = fitted.score(TEST[np.flatnonzero(weights)])
    assert fitted.score(TEST, sample_weight=weights) == pytest.approx(half)
    short = Sessions.from_lists([[TEST[0][0]], *TEST.to_lists()])
    assert fitted.score(short, sample_weight=[5, *weights]) == pytest.approx(half)
    assert SessionScorer("mrr@5")(
        pipeline_of(SklearnPipeline).fit(TRAIN), short, None, [5, *weights]
    ) == pytest.approx(half)
    with pytest.raises(ValueError, match="sample_weight has shape"):
        fitted.score(TEST, sample_weight=[1, 2])
    with pytest.raises(TypeError):
        fitted.score(TEST, metrics="recall")


def test_ranks_name_the_rows_of_x(fitted: Pipeline) -> None:
    lists = [[TEST[0][0]], TEST[1], [], TEST[2]]
    assert set(fitted.ranks(lists).sessions.tolist()) == {1, 3}
    assert fitted.ranks(lists, top=4).top.shape[1] == 4
    with pytest.raises(ValueError, match="has two events; there is nothing to predict"):
        fitted.ranks([["a"], []])


# ---------------------------------------------------------------------- scikit-learn's tools
def near_hits(ranks: np.ndarray, k: int) -> np.ndarray:
    """A metric of a user's own, which the scorer takes to other processes."""
    return ranks <= 2 * k


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_grid_search_over_both_steps(n_jobs: int) -> None:
    """In two processes it is slow; tests of start-up and of metrics send there what it sends."""
    register_metric("near_hits", near_hits)
    grid = {"clu__resolution": [0.5, 2.0], "rec__gate": ["add", "none"]}
    search = GridSearchCV(
        pipeline_of(),
        grid,
        cv=TemporalSessionSplit(2),
        scoring=SessionScorer(["mrr@5", "recall@5", "near_hits@5", "recall@10"]),
        refit="mrr@5",
        n_jobs=n_jobs,
        error_score="raise",
    ).fit(TRAIN)
    results = search.cv_results_
    assert (
        np.isfinite(results["mean_test_mrr@5"]).all()
        and np.isfinite(results["mean_test_recall@5"]).all()
    )
    assert results["mean_test_near_hits@5"].tolist() == results["mean_test_recall@10"].tolist()
    assert len(set(results["mean_test_mrr@5"])) > 1
    assert search.best_params_ == results["params"][int(np.argmax(results["mean_test_mrr@5"]))]
    best = pipeline_of(**search.best_params_).fit(TRAIN)
    assert search.predict(TEST).tolist() == best.predict(TEST).tolist()
    assert SessionScorer("mrr@5")(search, TEST) == best.evaluate(TEST, metrics="mrr@5")["mrr@5"]
    train, test = next(TemporalSessionSplit(2).split(TRAIN))
    by_hand = (
        pipeline_of(**results["params"][0])
        .fit(TRAIN[train])
        .evaluate(TRAIN[test], metrics="mrr@5")["mrr@5"]
    )
    assert results["split0_test_mrr@5"][0] == pytest.approx(by_hand)


@pytest.mark.parametrize("kind", [Pipeline, SklearnPipeline])
def test_randomized_search(kind: type[SklearnPipeline]) -> None:
    search = RandomizedSearchCV(
        pipeline_of(kind),
        {"clu__resolution": [0.5, 1.0, 2.0], "rec__lr": [0.001, 0.01, 0.1]},
        n_iter=2,
        cv=TemporalSessionSplit(2),
        scoring=SessionScorer("mrr@5"),
        random_state=0,
        error_score="raise",
    ).fit(TRAIN)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])


def test_cross_validation_of_lists() -> None:
    recommender = PromptedSessionRecommender(prompts=(), **SMALL, random_state=0)
    scores = cross_val_score(
        recommender, TRAIN.to_lists(), cv=TemporalSessionSplit(2), error_score="raise"
    )
    train, test = next(TemporalSessionSplit(2).split(TRAIN))
    assert scores[0] == pytest.approx(clone(recommender).fit(TRAIN[train]).score(TRAIN[test]))
    results = cross_validate(
        pipeline_of(), TRAIN, cv=3, scoring=SessionScorer(["mrr@5", "ndcg@5"]), error_score="raise"
    )
    assert len(results["test_mrr@5"]) == len(results["test_ndcg@5"]) == 3


def test_a_cache_saves_the_clustering(tmp_path: Path, fitted: Pipeline) -> None:
    memory = Memory(tmp_path, verbose=0)
    for _ in range(2):
        cached = pipeline_of().set_params(memory=memory).fit(TRAIN)
        assert scores_of(cached).tolist() == scores_of(fitted).tolist()
    assert cached.score(TEST) == fitted.score(TEST)
    valid = pipeline_of().set_params(memory=str(tmp_path)).fit(TRAIN, X_val=TEST)
    assert scores_of(valid).tolist() == scores_of(pipeline_of().fit(TRAIN, X_val=TEST)).tolist()
    assert cached.partial_fit(TEST).predict(TEST, k=2).shape == (20, 2)


@pytest.mark.parametrize("kind", ["default", "pandas", "polars"])
def test_set_output_changes_nothing(kind: str, fitted: Pipeline) -> None:
    pipeline = pipeline_of()
    pipeline.set_output(transform=kind)
    assert scores_of(pipeline.fit(TRAIN)).tolist() == scores_of(fitted).tolist()
    with sklearn.config_context(transform_output=kind):
        assert isinstance(pipeline[:-1].transform(TEST), Sessions)
        assert pipeline.predict(TEST, k=2).shape == (20, 2)


# ---------------------------------------------------------------------- metadata routing
@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("kind", [Pipeline, SklearnPipeline])
def test_routing_takes_k_and_metric_along(kind: type[SklearnPipeline], fitted: Pipeline) -> None:
    pipeline = pipeline_of(kind).fit(TRAIN)
    assert pipeline.predict(TEST, k=3).tolist() == fitted.predict_topk(TEST, k=3).tolist()
    assert pipeline.score(TEST, metric="recall", k=3) == fitted.score(TEST, metric="recall", k=3)


@pytest.mark.usefixtures("routing")
def test_routing_takes_validation_sessions_along() -> None:
    clusterer, recommender = (
        ItemClusterer(random_state=0),
        PromptedSessionRecommender(**SMALL, random_state=0),
    )
    X_val = clusterer.fit(TRAIN).transform(TEST)
    plain = SklearnPipeline([("clu", clusterer), ("rec", recommender)]).fit(TRAIN, X_val=X_val)
    own = pipeline_of().fit(TRAIN, X_val=TEST)
    assert (
        plain[-1].best_score_
        == own.named_steps["rec"].best_score_
        == pytest.approx(own.score(TEST))
    )


@pytest.mark.usefixtures("routing")
def test_routing_in_a_search() -> None:
    recommender = PromptedSessionRecommender(prompts=(), **SMALL, random_state=0)
    search = GridSearchCV(
        recommender, {"lr": [0.01, 0.02]}, cv=TemporalSessionSplit(2), error_score="raise"
    )
    search.fit(TRAIN, X_val=TEST)
    assert search.best_estimator_.best_score_ == pytest.approx(search.best_estimator_.score(TEST))
    weighted = recommender.set_score_request(sample_weight=True).fit(TRAIN)
    assert weighted.get_metadata_routing().score.requests["sample_weight"] is True
