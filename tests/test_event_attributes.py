"""Attributes of events: read, cut, joined, written back, and prompts of a model's inputs."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sessionprompt import ItemAttributes, PromptedSessionRecommender, Sessions, load

COLUMNS = {
    "visit": [1, 1, 1, 2, 2, 3],
    "item": ["tea", "cup", "tea", "pot", "cup", "tea"],
    "ts": [0, 5, 9, 3, 7, 8],
    "type": ["view", "view", "buy", None, "buy", "view"],
    "items": [1, 2, 3, 1, 2, 3],
}
NAMES = ["type", "items"]


def read(table=None, **options):
    if table is None:
        table = pd.DataFrame(COLUMNS)
    options = {"attributes": NAMES, **options}
    return Sessions.from_events(table, session="visit", time="ts", **options)


def of_events(sessions, name="type"):
    [attribute] = [one for one in sessions.event_attributes if one.name == name]
    return attribute.column().tolist()


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_they_are_read_in_the_order_of_the_events(library) -> None:
    sessions = read(library(COLUMNS))
    assert sessions.to_lists() == [["pot", "cup"], ["tea"], ["tea", "cup", "tea"]]
    assert of_events(sessions) == [None, "buy", "view", "view", "view", "buy"]
    assert of_events(sessions, "items") == [1, 2, 3, 1, 2, 3]
    assert "type, items" in repr(sessions)


def test_they_follow_whatever_is_cut() -> None:
    sessions = read()
    assert of_events(sessions[[2]]) == ["view", "view", "buy"]
    assert of_events(sessions.prefixes([2, 0], [1, 2])) == ["view", None, "buy"]
    assert of_events(sessions.windows([2], [3], 2)) == ["view", "buy"]
    assert of_events(sessions.filter(min_item_support=3)) == ["view", "view", "buy"]
    assert of_events(sessions.split_last()[0]) == [None, "view", "view"]
    assert pickle.loads(pickle.dumps(sessions)) == sessions
    assert sessions != read(attributes=["type"])
    again = Sessions.from_events(
        sessions.to_events(), session="session", time="time", attributes=NAMES
    )
    assert again == sessions
    other = read(pd.DataFrame({**COLUMNS, "visit": 9, "type": "new"}))
    joined = Sessions.concat([sessions, other])
    assert of_events(joined) == [*of_events(sessions), *["new"] * 6]
    with pytest.raises(ValueError, match="part 1 has \\['type'\\]; read the same"):
        Sessions.concat([sessions, read(attributes=["type"])])


def test_flags_are_numbers() -> None:
    table = pd.DataFrame({**COLUMNS, "type": [True, False, True, False, False, True]})
    assert of_events(read(table)) == [0, 0, 1, 1, 0, 1]


def test_repeated_rows_differ_by_them() -> None:
    twice = pd.DataFrame({"visit": [1, 1], "item": ["a", "a"], "ts": [0, 0], "type": ["x", "y"]})
    assert read(twice, attributes="type", duplicates="drop").n_events == 2
    assert read(twice, attributes=(), duplicates="drop").n_events == 1


@pytest.mark.parametrize(
    ("table", "names", "words"),
    [
        (COLUMNS, ["device"], "column 'device' is not in the events"),
        (COLUMNS, ["item"], "'item', which is taken"),
        (COLUMNS, ["type", "type"], "'type', which is taken"),
        ({**COLUMNS, "type": [None] * 6}, ["type"], "'type' holds no value for any of 6"),
    ],
)
def test_faults_are_named(table, names, words) -> None:
    with pytest.raises(ValueError, match=words):
        read(pd.DataFrame(table), attributes=names)


# ---------------------------------------------------------------------- prompts
@pytest.fixture(scope="module")
def world():
    """Events whose kind says which item comes next: a step up or a step down."""
    rng = np.random.default_rng(0)
    rows = []
    for visit in range(150):
        item = rng.integers(10)
        for step in range(4):
            kind = rng.choice(["up", "down"])
            rows.append((visit, f"item-{item}", 10 * visit + step, kind))
            item = (item + {"up": 1, "down": -1}[kind]) % 10
    return pd.DataFrame(rows, columns=["visit", "item", "ts", "type"])


@pytest.fixture(scope="module")
def model(world):
    sessions = read(world, attributes=["type"])
    model = PromptedSessionRecommender(
        prompts=("type",),
        dim=16,
        max_epochs=10,
        lr=0.03,
        batch_size=64,
        validation_fraction=None,
        random_state=0,
    )
    return model.fit(sessions)


def test_they_tell_what_comes_next(model, world, tmp_path) -> None:
    plain = Sessions.from_lists([["item-4"], ["item-4"]])
    table = pd.DataFrame(
        {"visit": [1, 2], "item": ["item-4"] * 2, "ts": [0, 1], "type": ["up", "down"]}
    )
    sessions = read(table, attributes=["type"])
    lists = model.predict(sessions, k=1)[:, 0].tolist()
    assert lists == ["item-5", "item-3"]
    same = model.predict_topk(plain, k=3, return_scores=True)[1]
    np.testing.assert_allclose(same[0], same[1], rtol=1e-5)
    model.save(tmp_path / "model.zip")
    again = load(tmp_path / "model.zip")
    assert again.predict(sessions, k=1)[:, 0].tolist() == lists
    new = world.assign(type="sideways", visit=world.visit + 1000)
    with pytest.warns(UserWarning, match="all events have the value 'sideways'"):
        again.partial_fit(read(new[:40], attributes=["type"]))
    assert again.encoder_.owners["type"].ids.tolist() == ["down", "sideways", "up"]


def test_items_and_events_may_not_share_a_name(world) -> None:
    table = {"item": [f"item-{n}" for n in range(10)], "type": ["a", "b"] * 5}
    sessions = ItemAttributes(table).fit_transform(read(world, attributes=["type"]))
    with pytest.raises(ValueError, match="an attribute of the events and one of the items"):
        PromptedSessionRecommender(prompts=("type",)).fit(sessions)
