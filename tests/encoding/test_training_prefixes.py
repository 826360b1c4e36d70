"""Prefixes to train on are those of cut sessions, though no column of events is made for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt import ItemAttributes, ItemClusterer, Sessions
from sessionprompt._arrays import ragged_range
from sessionprompt.encoding import (
    NextItemTargets,
    SessionEncoder,
    prefix_data,
    training_prefixes,
)

laws = settings(max_examples=60, deadline=None)
ITEMS = list("abcdefg")
lists_of_items = st.lists(st.lists(st.sampled_from(ITEMS), max_size=7), min_size=1, max_size=6)
passes = st.sampled_from([True, False, "distinct"])


def read(data):
    """Windows with their columns, and targets, in order."""
    examples = data.examples.take(np.arange(len(data.examples)))
    events = ragged_range(examples.starts, examples.lengths)
    columns = {kind: codes[events] for kind, codes in examples.sessions.prompts.items()}
    columns |= {"items": examples.sessions.items[events], "targets": data.targets}
    columns |= {"lengths": examples.lengths, "n_prefixes": examples.n_prefixes}
    return columns | {"places": examples.places}


def same(sessions, prompts, max_length, one_pass):
    encoder = SessionEncoder.learn(sessions, prompts)
    cut = NextItemTargets.of(sessions, encoder)
    expected = read(prefix_data(cut, encoder, max_length, one_pass)[0])
    found = read(training_prefixes(sessions, encoder, max_length, one_pass))
    assert expected.keys() == found.keys()
    for name, column in expected.items():
        np.testing.assert_array_equal(found[name], column, err_msg=name)
        assert found[name].dtype == column.dtype


@laws
@given(lists_of_items, st.integers(1, 8), passes, st.data())
def test_prefixes_to_train_on_are_those_of_cut_sessions(lists, max_length, one_pass, data):
    sessions = Sessions.from_lists([*lists, ["a"]])
    if not len(sessions.usable_rows):
        assert not len(training_prefixes(sessions, SessionEncoder.learn(sessions), 5, one_pass))
        return
    kind = data.draw(st.sampled_from(["all", "some", "late"]))
    if kind == "some":
        flags = st.lists(st.booleans(), min_size=sessions.n_events, max_size=sessions.n_events)
        mask = np.array(data.draw(flags))
        mask[sessions.last_targets()[1][0]] = True
        sessions = sessions.with_targets(mask)
    if kind == "late":
        starts = st.lists(st.integers(1, 4), min_size=len(sessions), max_size=len(sessions))
        sessions = Sessions(
            sessions.codes,
            sessions.offsets,
            sessions.vocabulary,
            target_start=np.array(data.draw(starts), dtype=np.int32),
        )
    same(sessions, (), max_length, one_pass)


@pytest.fixture(scope="module")
def annotated():
    rng = np.random.default_rng(0)
    lists = [rng.choice(ITEMS, rng.integers(1, 6)).tolist() for _ in range(30)]
    users = rng.choice(["ann", "bob", "eve"], 30)
    events = Sessions.from_lists(lists, users=users).to_events()
    events["device"] = rng.choice(["phone", "desk", None], len(events))
    read_in = {"user": "user", "session": "session", "attributes": ["device"]}
    sessions = Sessions.from_events(events, **read_in)
    table = {"item": ITEMS, "shelf": [None, *"xxyyzz"]}
    sessions = ItemAttributes(table).fit_transform(sessions)
    return ItemClusterer((0.5, 1.0), random_state=0).fit_transform(sessions)


@pytest.mark.parametrize("one_pass", [True, False])
def test_every_kind_of_prompt_is_looked_up(annotated, one_pass):
    same(annotated, ("cluster", "user", "session", "device", "shelf"), 3, one_pass)


def test_a_slice_knows_its_own_items_alone(annotated):
    same(annotated[5:12], ("cluster", "user", "shelf"), 4, True)


def test_columns_as_arrays_are_those_that_are_looked_up(annotated):
    prompts = ("cluster", "user", "device", "shelf")
    encoder = SessionEncoder.learn(annotated, prompts)
    data = training_prefixes(annotated, encoder, 4, True)
    events = np.arange(annotated.n_events - 1)
    columns = [data.next_items, data.examples.sessions.items]
    for column in [*columns, *data.examples.sessions.prompts.values()]:
        np.testing.assert_array_equal(np.asarray(column)[events], column[events])


def test_no_column_of_events_is_made(annotated):
    plain = annotated[2:20]
    data = training_prefixes(plain, SessionEncoder.learn(plain), 4, True)
    assert np.shares_memory(data.examples.sessions.items.codes, plain.codes)
