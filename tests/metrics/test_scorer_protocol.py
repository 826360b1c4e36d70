"""Scorers and splitters among scikit-learn's tools: parameters, clones, weights that are routed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.utils.metadata_routing import get_routing_for_object

from sessionprompt.baselines import Popularity
from sessionprompt.metrics import SessionScorer, flat_metrics, flat_name
from sessionprompt.model_selection import TemporalSessionSplit
from sessionprompt.testing import tiny_world

WORLD = tiny_world(60)
WEIGHTS = np.arange(60) % 3


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.parametrize(
    "one", [SessionScorer(["mrr@5", "hr@3"], ties="midpoint"), TemporalSessionSplit(2, test_size=5)]
)
def test_clones_and_parameters(one: Any) -> None:
    copied = clone(one)
    assert copied is not one and copied == one and repr(copied) == repr(one)
    assert type(one)(**one.get_params()) == one
    name = next(iter(one.get_params()))
    changed = clone(one).set_params(**{name: one.get_params()[name]})
    assert changed == one
    assert one != "something else"


def test_parameters_are_checked_when_they_are_set() -> None:
    assert SessionScorer().set_params(metrics="hr@3", ties="midpoint").evaluate_params == {
        "ties": "midpoint"
    }
    with pytest.raises(ValueError, match="metric 'nonsense' is not known"):
        SessionScorer().set_params(metrics="nonsense")
    with pytest.raises(ValueError, match="'folds' is no parameter of the split; choose among n_sp"):
        TemporalSessionSplit().set_params(folds=3)


def scores(scorer: SessionScorer, **params: Any) -> list[float]:
    found = cross_validate(
        Popularity(),
        WORLD,
        cv=TemporalSessionSplit(2),
        scoring=scorer,
        error_score="raise",
        **params,
    )
    return found["test_score"].tolist()


@pytest.mark.usefixtures("routing")
def test_weights_are_routed_to_the_scorer() -> None:
    weighted = SessionScorer("mrr@5").set_score_request(sample_weight=True)
    found = scores(weighted, params={"sample_weight": WEIGHTS})
    assert found != scores(SessionScorer("mrr@5"), params={})  # 1.6 refuses None
    expected = []
    for train, test in TemporalSessionSplit(2).split(WORLD):
        model = Popularity().fit(WORLD[train])
        result = model.evaluate(WORLD[test], metrics="mrr@5", sample_weight=WEIGHTS[test])
        expected.append(result["mrr@5"])
    assert found == pytest.approx(expected)
    named = clone(weighted.set_score_request(sample_weight="importance"))
    assert scores(named, params={"importance": WEIGHTS}) == found


@pytest.mark.usefixtures("routing")
def test_weights_that_nobody_asked_for_are_named() -> None:
    with pytest.raises(Exception, match="sample_weight"):
        scores(SessionScorer("mrr@5"), params={"sample_weight": WEIGHTS})


def test_a_split_asks_for_no_metadata() -> None:
    assert not get_routing_for_object(TemporalSessionSplit(2)).split.requests
    assert not TemporalSessionSplit(2).get_metadata_routing().fit.requests


@pytest.mark.usefixtures("routing")
def test_a_search_routes_weights() -> None:
    scorer = SessionScorer("mrr@5").set_score_request(sample_weight=True)
    search = GridSearchCV(Popularity(), {}, cv=TemporalSessionSplit(2), scoring=scorer)
    search.fit(WORLD, sample_weight=WEIGHTS)
    assert search.cv_results_["mean_test_score"] == pytest.approx(
        np.mean(scores(scorer, params={"sample_weight": WEIGHTS}))
    )


def test_flat_names_are_what_loggers_take() -> None:
    result = Popularity().fit(WORLD).evaluate(WORLD, slices=["length", "popularity", "repeat"])
    flat = flat_metrics(result)
    assert flat["mrr_5"] == result["mrr@5"] and flat["n_targets"] == result["n_targets"]
    label, values = next(iter(result["slices"]["length"].items()))
    assert flat[f"slices/length/{flat_name(label)}/mrr_5"] == values["mrr@5"]
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./ ")
    assert set("".join(flat)) <= allowed
    assert all(type(value) is float for value in flat.values())
