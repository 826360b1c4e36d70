"""Repeats in the recommender: where their weights are learned, and what keeps them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sessionprompt import PromptedSessionRecommender, Sessions, load
from sessionprompt.blending import Blend


def world() -> Sessions:
    """Sessions that go back to their first item whenever they can, by a coin."""
    rng = np.random.default_rng(0)
    lists = []
    for _ in range(300):
        first, other = rng.choice(20, size=2, replace=False)
        last = other if rng.random() < 0.2 else rng.integers(20)
        lists.append([first, other, first, other, last])
    return Sessions.from_lists([[f"i{item:02}" for item in items] for items in lists])


WORLD = world()


def model_of(**params: Any) -> PromptedSessionRecommender:
    small = {"prompts": (), "dim": 8, "batch_size": 256, "max_epochs": 1, "random_state": 0}
    return PromptedSessionRecommender("stamp", **{**small, **params})


@pytest.fixture(scope="module")
def returning() -> PromptedSessionRecommender:
    return model_of().fit(WORLD)


def test_weights_are_learned_where_sessions_are_held_out(
    returning: PromptedSessionRecommender,
) -> None:
    assert isinstance(returning.blend_, Blend) and returning.blend_ != Blend.neutral()
    alone = model_of(refit=False).fit(WORLD[:270], X_val=WORLD[270:])
    # learned before the refit, on the same sessions
    assert alone.blend_ == returning.blend_
    assert model_of(repeats=None).fit(WORLD).blend_ is None
    assert model_of(validation_fraction=None).fit(WORLD).blend_ is None


def test_they_help_sessions_that_return(returning: PromptedSessionRecommender) -> None:
    plain = model_of(repeats=None).fit(WORLD)
    newer = Sessions.from_lists([WORLD.to_lists()[row] for row in range(0, 300, 3)])
    assert returning.score(newer) > plain.score(newer) + 0.1
    assert returning.history_[0]["mrr@5"] == plain.history_[0]["mrr@5"]


def test_items_outside_the_session_keep_their_scores(
    returning: PromptedSessionRecommender,
) -> None:
    plain = model_of(repeats=None).fit(WORLD)
    session = [["i01", "i07", "i01"]]
    answers = []
    for model in (plain, returning):
        items, scores = model.predict_topk(session, k=20, return_scores=True)
        answers.append(dict(zip(items[0].tolist(), scores[0].tolist(), strict=True)))
    changed = {item for item in answers[0] if answers[0][item] != answers[1][item]}
    assert changed == {"i01", "i07"}


def test_they_stay_with_the_model(returning: PromptedSessionRecommender, tmp_path: Any) -> None:
    returning.save(tmp_path / "model.zip")
    loaded = load(tmp_path / "model.zip")
    assert loaded.blend_ == returning.blend_
    assert loaded.predict(WORLD, k=20).tolist() == returning.predict(WORLD, k=20).tolist()
    learned_on = loaded.partial_fit(WORLD[:20])
    assert learned_on.blend_ == returning.blend_


def test_another_way_is_not_known() -> None:
    with pytest.raises(ValueError, match="repeats='always' is not known; choose one of"):
        model_of(repeats="always").fit(WORLD)
