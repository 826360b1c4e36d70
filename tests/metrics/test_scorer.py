"""The scorer hides the last events from pipelines, and works with scikit-learn's tools."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import Pipeline

from sessionprompt.metrics import SessionScorer, ranking_metrics
from sessionprompt.sessions import Sessions, as_sessions


class Popular(BaseEstimator):
    """Ranks items by how often they were seen in training, or the other way round."""

    def __init__(self, sign=1):
        self.sign = sign

    def fit(self, X, y=None):
        X = as_sessions(X)
        ids, counts = np.unique(X.vocabulary.decode(X.codes), return_counts=True)
        self.places_ = {
            item: place for place, item in enumerate(ids[np.argsort(-self.sign * counts)])
        }
        return self

    def evaluate(
        self, X, *, metrics, slices=None, ties="pessimistic", sample_weight=None, last_events=None
    ):
        self.asked_ = {
            "sample_weight": sample_weight,
            "ties": ties,
            "last_events": last_events,
            "X": X,
        }
        if last_events is None:
            last_events = [session[-1] for session in as_sessions(X)]
        ranks = [self.places_.get(item, np.inf) + 1 for item in last_events]
        return {**ranking_metrics(ranks, metrics, weights=sample_weight), "extra": "not asked for"}


SEEN: list[Sessions] = []


class Recorder(TransformerMixin, BaseEstimator):
    """Passes sessions on unchanged and keeps in SEEN what it transformed."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        SEEN.append(X)
        return X


@pytest.fixture
def world():
    """Sessions that end in an item of their own or in 'z', and two of one event."""
    lists = (
        [["a", "b", f"end{i}"] for i in range(6)]
        + [["a", "c", "z"] for _ in range(6)]
        + [["z"], ["lone"]]
    )
    return Sessions.from_lists(lists, times=np.arange(len(lists)))


@pytest.fixture
def pipe(world):
    pipeline = Pipeline([("rec", Recorder()), ("skip", "passthrough"), ("pop", Popular())]).fit(
        world
    )
    SEEN.clear()
    return pipeline


class TestSessionScorer:
    def test_transformers_never_see_the_last_events(self, pipe, world):
        SessionScorer("mrr@5")(pipe, world)
        (seen,) = SEEN
        assert seen.to_lists() == [session[:-1] for session in world if len(session) > 1]
        assert pipe[-1].asked_["last_events"].tolist() == [s[-1] for s in world if len(s) > 1]

    def test_pipeline_scores_as_its_last_step(self, pipe, world):
        long = world[world.lengths > 1]
        direct = SessionScorer("mrr@5")(pipe[-1], long)
        assert 0 < direct < 1
        assert SessionScorer("mrr@5")(pipe, world) == direct

    def test_one_name_gives_a_float_and_several_the_names_asked_for(self, pipe, world):
        figures = SessionScorer(["mrr@5", "hr@20"])(pipe, world)
        assert list(figures) == ["mrr@5", "hr@20"]
        assert SessionScorer("hr@20")(pipe, world) == figures["hr@20"]
        assert type(SessionScorer("hr@20")(pipe, world)) is float

    def test_lists_of_lists(self, pipe, world):
        assert SessionScorer()(pipe, world.to_lists()) == SessionScorer()(pipe, world)

    def test_weights_follow_the_sessions_that_are_scored(self, pipe, world):
        weights = np.arange(len(world)) + 1.0
        SessionScorer()(pipe, world[::-1], sample_weight=weights)
        assert pipe[-1].asked_["sample_weight"].tolist() == weights[2:].tolist()

    def test_targets_begin_where_the_sessions_say(self, pipe, world):
        marked = Sessions(
            world.codes, world.offsets, world.vocabulary, target_start=np.arange(len(world)) + 1
        )
        SessionScorer()(pipe, marked)
        assert pipe[-1].asked_["X"].target_start.tolist() == list(range(1, len(world) - 1))

    def test_parameters_reach_evaluate(self, pipe, world):
        SessionScorer("mrr@5", ties="midpoint")(pipe, world)
        assert pipe[-1].asked_["ties"] == "midpoint"

    def test_estimator_with_evaluate_gets_whole_sessions(self, pipe, world):
        SessionScorer()(pipe[-1], world[:12], sample_weight=np.ones(12))
        assert pipe[-1].asked_["X"] == world[:12]
        assert pipe[-1].asked_["last_events"] is None

    @pytest.mark.parametrize("train", [True, False])
    def test_cross_validate(self, pipe, world, train):
        scores = cross_validate(
            clone(pipe),
            world,
            cv=KFold(3),
            scoring=SessionScorer(["mrr@5", "recall@5"]),
            return_train_score=train,
            error_score="raise",
        )
        assert np.isfinite(scores["test_mrr@5"]).all()
        assert ("train_recall@5" in scores) is train

    def test_grid_search_with_several_metrics(self, pipe, world):
        search = GridSearchCV(
            clone(pipe),
            {"pop__sign": [-1, 1]},
            cv=KFold(3),
            scoring=SessionScorer(["mrr@5", "recall@5"]),
            refit="mrr@5",
            error_score="raise",
        ).fit(world)
        assert search.best_params_ == {"pop__sign": 1}
        assert "mean_test_recall@5" in search.cv_results_

    def test_search_inside_cross_validation(self, pipe, world):
        search = GridSearchCV(
            clone(pipe), {"pop__sign": [-1, 1]}, cv=KFold(2), scoring=SessionScorer()
        )
        scores = cross_validate(
            search, world, cv=KFold(2), scoring=SessionScorer("hr@3"), error_score="raise"
        )
        assert len(scores["test_score"]) == 2

    def test_pickle_copy_and_equality(self):
        scorer = SessionScorer(["mrr@5"], ties="midpoint")
        assert pickle.loads(pickle.dumps(scorer)) == scorer == clone(scorer, safe=False)
        assert scorer != SessionScorer(["mrr@5"])
        assert scorer != SessionScorer("mrr@5", ties="midpoint")
        assert scorer != "mrr@5"
        assert eval(repr(scorer)) == scorer

    def test_refuses_a_misspelt_metric_at_once(self):
        with pytest.raises(ValueError, match="metric 'mrr5' is not known"):
            SessionScorer(["hr@5", "mrr5"])

    @pytest.mark.parametrize("estimator", [Recorder(), Pipeline([("rec", Recorder())])])
    def test_refuses_what_cannot_be_scored(self, estimator, world):
        with pytest.raises(TypeError, match=f"{type(estimator).__name__} cannot be scored"):
            SessionScorer()(estimator, world)

    def test_refuses_sessions_without_a_target(self, pipe, world):
        with pytest.raises(ValueError, match="none of the 2 sessions of X has two events"):
            SessionScorer()(pipe, world[-2:])
