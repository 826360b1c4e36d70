"""What people try first: modules by their dots, and a pipeline asked for what its model has."""

from __future__ import annotations

import pytest

import sessionprompt
from sessionprompt import Pipeline, make_session_pipeline
from sessionprompt.baselines import SessionPopularity
from sessionprompt.datasets import make_sessions


def test_modules_are_there_without_an_import_of_their_own() -> None:
    assert sessionprompt.metrics.SessionScorer.__module__.startswith("sessionprompt.metrics")
    with pytest.raises(AttributeError, match="no attribute 'metric'"):
        getattr(sessionprompt, "metric")  # noqa: B009
    assert not hasattr(sessionprompt, "_no_such_module")


def test_a_pipeline_has_what_its_model_has_learned() -> None:
    sessions = make_sessions(40, n_items=12, n_clusters=3, random_state=0)
    model = make_session_pipeline(dim=8, max_epochs=1, random_state=0)
    assert not hasattr(model, "items_")
    model.fit(sessions)
    recommender = model["rec"]
    assert model.items_ is recommender.items_
    assert model.history_ is recommender.history_
    near = model.similar_items(recommender.items_[:2], k=3)
    assert near.tolist() == recommender.similar_items(recommender.items_[:2], k=3).tolist()


def test_what_a_model_has_not_its_pipeline_has_not() -> None:
    model = Pipeline([("rec", SessionPopularity())]).fit([["a", "b"], ["b", "a"]])
    assert model.items_.tolist() == ["a", "b"]
    with pytest.raises(AttributeError, match="SessionPopularity.*history_"):
        getattr(model, "history_")  # noqa: B009
