"""What completion and type checkers know of the public signatures."""

from __future__ import annotations

import inspect
import re
from typing import Any, get_args, get_type_hints

import pytest

from sessionprompt import (
    ItemClusterer,
    Pipeline,
    PrecomputedClusters,
    PromptedSessionRecommender,
    make_session_pipeline,
)
from sessionprompt._parameters import CHOICES, RecommenderParams
from sessionprompt.base import SessionRecommenderMixin
from sessionprompt.metrics import SLICES, Slice

METHODS = ("predict_topk", "recommend", "evaluate", "ranks", "score")


def test_parameters_that_are_passed_on_are_those_of_the_recommender() -> None:
    """A parameter that is new in the recommender belongs into RecommenderParams as well."""
    hints = get_type_hints(PromptedSessionRecommender.__init__)
    for name in ("backbone", "random_state", "return"):
        hints.pop(name)
    assert get_type_hints(RecommenderParams) == hints


def test_learned_attributes_are_known() -> None:
    """Attributes that are set by name, which type checkers do not see, are declared."""
    documented = inspect.getdoc(PromptedSessionRecommender).partition("\nAttributes\n")[2]  # type: ignore[union-attr]
    lines = re.findall(r"^(\w+_(?:, \w+_)*) : ", documented, re.MULTILINE)
    names = {name for line in lines for name in line.split(", ")}
    assert {"history_", "best_epoch_", "blend_"} <= names
    known = {name for one in PromptedSessionRecommender.__mro__ for name in vars(one)}
    for one in PromptedSessionRecommender.__mro__:
        known |= set(vars(one).get("__annotations__", {}))
    assert names <= known


def test_choices_are_those_that_are_checked() -> None:
    hints = get_type_hints(PromptedSessionRecommender.__init__)
    for name, known in CHOICES.items():
        assert set(get_args(hints[name])) == set(known), name
    assert get_args(Slice) == SLICES


@pytest.mark.parametrize("clusterer", [ItemClusterer, PrecomputedClusters])
def test_choices_of_clusterers_can_be_taken(clusterer: Any) -> None:
    hints = get_type_hints(clusterer.__init__)
    for name in ("attach", "self_loops", "counts"):
        for choice in get_args(hints[name]):
            params = {name: choice}
            if clusterer is PrecomputedClusters:
                params["labels"] = {"a": 0}
            clusterer(**params).fit([["a", "b"]])


def test_pipelines_name_what_recommenders_take() -> None:
    signature = inspect.signature(make_session_pipeline)
    assert {"resolution", "dim", "lr", "repeats", "verbose"} <= set(signature.parameters)
    assert not any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())
    for name in METHODS:
        ours = inspect.signature(getattr(Pipeline, name)).parameters
        theirs = inspect.signature(getattr(SessionRecommenderMixin, name)).parameters
        assert set(ours) == set(theirs) - {"last_events"}, name


def test_steps_of_a_pipeline_are_of_any_type() -> None:
    """Type checkers would take what scikit-learn leaves open for a pipeline."""
    assert get_type_hints(Pipeline.__getitem__)["return"] is Any
