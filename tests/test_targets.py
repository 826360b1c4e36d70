"""Events that are targets beside those that are context alone: in all that asks for a next item."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV

from sessionprompt import (
    ItemClusterer,
    Pipeline,
    PromptedSessionRecommender,
    Sessions,
    StackedSessionRecommender,
)
from sessionprompt.baselines import SequentialRules
from sessionprompt.encoding import NextItemTargets, SessionEncoder, prefix_data
from sessionprompt.metrics import SessionScorer
from sessionprompt.model_selection import TemporalSessionSplit

EVENTS = {
    "visit": [1, 1, 1, 1, 2, 2, 3],
    "item": ["a", "b", "c", "d", "b", "a", "c"],
    "ts": [0, 1, 2, 3, 4, 5, 6],
    "action": ["view", "buy", "view", "view", "view", "buy", "buy"],
}
BUYS = {"action": ["buy"]}


def read(table=None, **options):
    if table is None:
        table = EVENTS
    return Sessions.from_events(pd.DataFrame(table), session="visit", time="ts", **options)


def pairs_of(sessions: Sessions) -> list[tuple[tuple[str, ...], str]]:
    """Prefixes that are asked for and their targets, by loops."""
    pairs = []
    for row, items in enumerate(sessions):
        start = sessions.offsets[row]
        first = 1
        if sessions.target_start is not None:
            first = max(1, sessions.target_start[row])
        for place in range(first, len(items)):
            if sessions.is_target is None or sessions.is_target[start + place]:
                pairs.append((tuple(items[:place]), items[place]))
    return sorted(pairs)


def pairs_read(sessions: Sessions, known: Sessions, one_pass, max_length=50):
    """Prefixes and targets as networks read them."""
    encoder = SessionEncoder.learn(known)
    data, _ = prefix_data(NextItemTargets.of(sessions, encoder), encoder, max_length, one_pass)
    examples = data.examples
    ids = [*encoder.vocabulary.ids.tolist(), "?"]
    windows = np.repeat(np.arange(len(examples)), examples.n_prefixes)
    pairs = []
    for window, end, target in zip(windows, examples.ends, data.targets, strict=True):
        codes = examples.sessions.items[examples.starts[window] : end + 1]
        pairs.append((tuple(ids[max(code, -1)] for code in codes), ids[target]))
    return sorted(pairs)


# ---------------------------------------------------------------------- which events they are
def test_by_values_of_attributes_or_by_a_mask() -> None:
    by_values = read(targets=BUYS)
    assert by_values.is_target.tolist() == [False, True, False, False, False, True, True]
    assert by_values.event_attributes == ()
    assert "3 targets" not in repr(by_values) and "2 targets" in repr(by_values)
    kept = read(attributes=["action"])
    assert kept.with_targets(BUYS).is_target.tolist() == by_values.is_target.tolist()
    assert kept.with_targets({"action": "buy"}) == kept.with_targets(BUYS) != kept
    assert kept.with_targets(BUYS).with_targets(None) == kept
    rows = np.arange(7)[::-1]  # a mask has the order of the rows
    table = pd.DataFrame(EVENTS).iloc[rows]
    by_mask = read(table, targets=np.array(table.action == "buy"))
    assert by_mask == by_values
    both = {**EVENTS, "app": [True, False, True, True, True, True, True]}
    assert read(both, targets={"action": ["buy"], "app": [True]}).split_last()[1].tolist() == ["a"]


def test_they_follow_whatever_is_cut() -> None:
    sessions = read(targets=BUYS)
    assert sessions[[1]].is_target.tolist() == [False, True]
    assert sessions.filter(min_item_support=2).is_target.tolist() == [
        False, True, False, False, True, True,
    ]  # fmt: skip
    assert sessions.prefixes([0], [2]).is_target.tolist() == [False, True]
    assert sessions.windows([0], [4], 3).is_target.tolist() == [True, False, False]
    assert pickle.loads(pickle.dumps(sessions)) == sessions
    again = Sessions.from_events(
        sessions.to_events(), session="session", time="time", targets={"is_target": True}
    )
    assert again == sessions
    joined = Sessions.concat([sessions, read()], renumber=True)
    assert joined.is_target.tolist() == [*sessions.is_target.tolist(), *[True] * 7]


def test_sessions_end_before_their_last_target() -> None:
    inputs, last_events, rows = read(targets=BUYS).split_last()
    assert inputs.to_lists() == [["a"], ["b"]]
    assert last_events.tolist() == ["b", "a"]
    assert rows.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("targets", "error", "words"),
    [
        ({"device": ["app"]}, ValueError, r"'device', which is no attribute.*have \['action'\]"),
        ({"action": ["by"]}, ValueError, "no event has such a value; there are 'view', 'buy'"),
        ({}, ValueError, "names no attribute"),
        ([True], ValueError, r"the shape \(1,\) for 7 events"),
        ([0, 1, 0, 0, 0, 0, 0], TypeError, "one True or False for each event, got list of int64"),
        ([True] + [False] * 6, ValueError, "leaves none of 7 events.*no target. Name other"),
    ],
)
def test_faults_are_named(targets, error, words) -> None:
    with pytest.raises(error, match=words):
        read(attributes=["action"]).with_targets(targets)


def test_columns_that_are_not_there_and_values_that_no_event_has() -> None:
    with pytest.raises(ValueError, match="column 'device' is not in the events"):
        read(targets={"device": ["app"]})
    with pytest.warns(UserWarning, match="no event has the action 'by' .1 of 2 values"):
        sessions = read(targets={"action": ["buy", "by"]})
    assert sessions == read(targets=BUYS)
    none = sessions[[2]]
    with pytest.raises(ValueError, match="X has 0 sessions with a target after its first event"):
        network(prompts=()).fit(none)


# ---------------------------------------------------------------------- what is asked for
@pytest.mark.parametrize("one_pass", [True, False, "distinct"])
@pytest.mark.parametrize("longest", [2, 50])
def test_prefixes_and_targets_are_those_of_loops(one_pass, longest) -> None:
    rng = np.random.default_rng(longest)
    for case in range(40):
        lists = [rng.choice(list("abcd"), rng.integers(1, 8)).tolist() for _ in range(1 + case % 5)]
        sessions = Sessions.from_lists(lists)
        starts = None
        if case % 2:
            starts = rng.integers(1, 5, len(lists))
        mask = rng.random(sessions.n_events) < 0.4
        marked = replace(sessions, target_start=starts, is_target=mask)
        wanted = pairs_of(marked)
        assert len(marked.target_events) == len(wanted)
        if wanted:
            found = pairs_read(marked, sessions, one_pass, longest)
            assert found == sorted((prefix[-longest:], target) for prefix, target in wanted)


@pytest.fixture(scope="module")
def log() -> Sessions:
    """Visits around a ring, in which what is bought stands two steps further."""
    rng = np.random.default_rng(0)
    rows = []
    for visit in range(120):
        place = rng.integers(12)
        for step in range(rng.integers(2, 7)):
            action = rng.choice(["view", "view", "buy"])
            place = (place + 1 + (action == "buy")) % 12
            rows.append((visit, f"i{place:02}", 10 * visit + step, action))
    table = pd.DataFrame(rows, columns=["visit", "item", "ts", "action"])
    return read(table, attributes=["action"])


def all_ranks(model, sessions):
    """Session, position and rank of each target."""
    ranked = model.ranks(sessions)
    return np.column_stack([ranked.sessions, ranked.positions, ranked.ranks])


def assert_ranks_of_targets(model, test: Sessions) -> None:
    """Ranks of some targets are those that they have among all."""
    marked = test.with_targets(BUYS)
    of_all = {tuple(row[:2]): row[2] for row in all_ranks(model, test)}
    of_some = all_ranks(model, marked)
    events = marked.target_events
    session = np.searchsorted(marked.offsets, events, side="right") - 1
    places = np.column_stack([session, events - marked.offsets[session]])
    np.testing.assert_array_equal(of_some[:, :2], places)
    np.testing.assert_array_equal(of_some[:, 2], [of_all[tuple(place)] for place in places])


def network(**params) -> PromptedSessionRecommender:
    params = {"dim": 8, "max_epochs": 1, "batch_size": 64, "random_state": 0, **params}
    return PromptedSessionRecommender(**params)


@pytest.fixture(scope="module")
def fitted(log):
    pipeline = Pipeline([("clu", ItemClusterer(random_state=0)), ("rec", network())])
    return pipeline.fit(log[:90].with_targets(BUYS))


def test_networks_rank_some_targets_as_among_all(log, fitted) -> None:
    test = log[80:]
    unknown = Sessions(
        test.codes,
        test.offsets,
        type(test.vocabulary)([f"new-{n}" if n < 3 else f"i{n:02}" for n in range(12)]),
        event_attributes=test.event_attributes,
    )
    assert_ranks_of_targets(fitted, test)
    assert_ranks_of_targets(fitted, unknown)


def test_training_and_validation_ask_for_targets_alone(log, fitted) -> None:
    marked = log[:90].with_targets(BUYS)
    facts = fitted[-1].validation_
    tail = marked[81:]
    assert facts["n_targets"] == len(tail.target_events) < len(log[81:90].target_events)
    assert fitted[-1].n_items_ == 12  # all events are context
    everything = np.ones(marked.n_events, dtype=bool)
    one = network(prompts=()).fit(log[:40])
    same = network(prompts=()).fit(log[:40].with_targets(everything[: log[:40].n_events]))
    other = network(prompts=()).fit(log[:40].with_targets(BUYS))
    scores = [
        model.predict_topk(log[50:60], 12, return_scores=True) for model in (one, same, other)
    ]
    np.testing.assert_array_equal(scores[0][1], scores[1][1])
    assert (scores[0][1] != scores[2][1]).any()


def test_counters_count_all_events_and_rank_targets_alone(log) -> None:
    model = SequentialRules().fit(log[:90].with_targets(BUYS))
    plain = SequentialRules().fit(log[:90])
    assert_ranks_of_targets(model, log[80:])
    np.testing.assert_array_equal(all_ranks(model, log[80:]), all_ranks(plain, log[80:]))


def test_stacks_learn_on_targets_alone(log) -> None:
    stack = StackedSessionRecommender(
        [("one", SequentialRules()), ("two", SequentialRules(steps=3))], random_state=0
    )
    stack.fit(log[:90].with_targets(BUYS))
    assert_ranks_of_targets(stack, log[80:])


def test_evaluation_slices_and_searches_count_targets_alone(log, fitted) -> None:
    test = log[90:].with_targets(BUYS)
    result = fitted.evaluate(test, metrics=["mrr@5"], slices=["length", "cold"])
    n_targets = len(test.target_events)
    assert result["n_targets"] == n_targets
    assert sum(group["n"] for group in result["slices"]["length"].values()) == n_targets
    search = GridSearchCV(
        Pipeline([("rec", SequentialRules())]),
        {"rec__steps": [2, 3]},
        cv=TemporalSessionSplit(2),
        scoring=SessionScorer(["mrr@5"]),
        refit=False,
    )
    search.fit(log.with_targets(BUYS))
    assert np.isfinite(search.cv_results_["mean_test_mrr@5"]).all()


def test_more_sessions_may_have_targets_of_their_own(log) -> None:
    model = network(prompts=(), backbone="srgnn", validation_fraction=None)
    model.fit(log[:40].with_targets(BUYS))
    model.partial_fit(log[40:60].with_targets({"action": ["view"]}))
    assert_ranks_of_targets(model, log[80:90])
