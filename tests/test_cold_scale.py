"""How cold items stand beside trained ones, which validation sessions tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sessionprompt import ItemAttributes, Pipeline, PromptedSessionRecommender, Sessions, load
from sessionprompt.explaining import explain

GROUPS = 3
OLD = 6  # items of a group that old sessions hold
NEW = 2  # and that come up later, of which the last ones only come up after the training
DEAD = 30  # and that nobody will ever click


def names(group: int, kind: str, n: int) -> list[str]:
    return [f"{group}-{kind}-{number}" for number in range(n)]


def table(n_dead: int) -> dict[str, list]:
    items = []
    for group in range(GROUPS):
        items += names(group, "old", OLD) + names(group, "new", 4 * NEW)
        items += names(group, "dead", n_dead)
    return {"item": items, "group": [item[0] for item in items]}


def world(n: int, share_new: float, seed: int) -> Sessions:
    """Sessions that stay in a group, whose new items come up one after another."""
    rng = np.random.default_rng(seed)
    lists = []
    for number in range(n):
        group = rng.integers(GROUPS)
        old = names(group, "old", OLD)
        new = names(group, "new", 4 * NEW)[4 * NEW * number // n :][:NEW]
        items = [rng.choice(old) for _ in range(5)]
        for place in np.flatnonzero(rng.random(5) < share_new):
            items[place] = rng.choice(new)
        lists.append(items)
    return Sessions.from_lists(lists, times=np.arange(n))


def fitted(train: Sessions, n_dead: int, **params) -> Pipeline:
    settings = {"dim": 8, "max_epochs": 2, "lr": 0.05, "batch_size": 64, "random_state": 0}
    settings["cold_items"] = "attributes"
    recommender = PromptedSessionRecommender(prompts=("group",), **settings | params)
    return Pipeline([("att", ItemAttributes(table(n_dead))), ("rec", recommender)]).fit(train)


@pytest.fixture(scope="module")
def harmful() -> Pipeline:
    return fitted(world(150, 0.05, 0), DEAD)


def recall(model: Pipeline, sessions: Sessions) -> float:
    return model.evaluate(sessions, metrics=["recall@20"])["recall@20"]


def with_scale(model: Pipeline, scale: float) -> Pipeline:
    changed = model[-1].with_items(model[0])
    changed.cold_scale_ = scale
    return Pipeline([("att", model[0]), ("rec", changed)])


def scores_of(model: Pipeline, session: list[list[str]]) -> dict[str, float]:
    items, scores = model.predict_topk(session, k=model[-1].n_items_, return_scores=True)
    return dict(zip(items[0], scores[0], strict=True))


def test_items_that_are_seldom_clicked_stand_back(harmful) -> None:
    test = world(60, 0.0, 1)
    assert harmful[-1].cold_scale_ < 1
    assert recall(harmful, test) > recall(with_scale(harmful, 1.0), test)


def test_items_that_are_clicked_once_they_are_there_stay() -> None:
    model = fitted(world(150, 0.5, 0), 0)
    assert model[-1].cold_scale_ >= 1
    assert set(names(0, "new", 8)[-NEW + 1 :]) <= set(model.predict([["0-old-0"]], k=20)[0])


def test_it_is_the_length_of_cold_vectors_and_of_their_scores(harmful) -> None:
    model = harmful[-1]
    cold = model.encoder_.item_counts == 0
    lengths = np.linalg.norm(model.item_vectors_, axis=1)
    np.testing.assert_allclose(lengths, np.where(cold, model.cold_scale_, 1), rtol=1e-5)
    session = [["0-old-0", "0-old-1"]]
    one = scores_of(harmful, session)
    full = scores_of(with_scale(harmful, 1.0), session)
    assert one["0-dead-0"] == pytest.approx(model.cold_scale_ * full["0-dead-0"], rel=1e-4)
    assert one["0-old-5"] == pytest.approx(full["0-old-5"], rel=1e-4)
    assert explain(harmful, session[0], "0-dead-0").score == pytest.approx(one["0-dead-0"], 1e-4)


def test_it_stays_in_files_new_tables_and_more_training(harmful, tmp_path) -> None:
    scale = harmful[-1].cold_scale_
    harmful.save(tmp_path / "model")
    assert load(tmp_path / "model")[-1].cold_scale_ == scale
    more = harmful.with_items(table(DEAD + 1))
    assert more[-1].cold_scale_ == scale
    assert more.partial_fit(world(30, 0.0, 2))[-1].cold_scale_ == scale
    shown = names(0, "dead", DEAD)
    lists = harmful.predict_topk([["0-old-0"]], k=5, min_new=2)[0]
    assert len(set(lists) & set(shown)) == 2


def test_attributes_of_events_alone_make_no_cold_items() -> None:
    events = {"session": [1, 1, 2, 2], "item": [1, 2, 2, 3], "act": ["a", "b", "a", "b"]}
    sessions = Sessions.from_events(pd.DataFrame(events), session="session", attributes=["act"])
    model = PromptedSessionRecommender(prompts=("act",), cold_items="attributes")
    with pytest.raises(ValueError, match="the sessions know none: put ItemAttributes"):
        model.fit(sessions)


def test_validation_without_new_items_says_nothing_of_them() -> None:
    assert fitted(world(150, 0.0, 0), DEAD)[-1].cold_scale_ == 1


def test_without_validation_there_is_none() -> None:
    assert fitted(world(60, 0.0, 0), DEAD, validation_fraction=None)[-1].cold_scale_ == 1
