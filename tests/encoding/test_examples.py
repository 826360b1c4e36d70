"""Examples ask once for every prefix, in windows of bounded length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt.clustering import ItemClusterer
from sessionprompt.encoding import (
    EncodedSessions,
    Examples,
    NextItemTargets,
    PrefixData,
    SessionEncoder,
    last_prefixes,
    last_windows,
    prefix_data,
    prefix_examples,
)
from sessionprompt.sessions import Sessions

laws = settings(max_examples=50, deadline=None)
layouts = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6)), min_size=1, max_size=6)


def encoded(layout: list[tuple[int, int]]) -> EncodedSessions:
    """Sessions of given (length, first prefix); an item is the number of its event."""
    lengths, first = (np.array(column) for column in zip(*layout, strict=True))
    n = int(lengths.sum())
    prompts = {"cluster": np.column_stack([np.arange(n), np.arange(n) + 100])}
    return EncodedSessions(np.arange(n), np.append(0, np.cumsum(lengths)), prompts, first)


def asked(examples: Examples) -> list[tuple[int, int]]:
    """(first event of the window, last event) of every prefix asked for."""
    windows = zip(examples.starts, examples.lengths, examples.n_prefixes, strict=True)
    return [(int(s), int(s + n - back)) for s, n, count in windows for back in range(count, 0, -1)]


@given(layouts, st.integers(1, 10), st.booleans())
@laws
def test_every_prefix_is_asked_for_once_in_its_own_window(
    layout: list[tuple[int, int]], max_length: int, one_pass: bool
) -> None:
    sessions = encoded(layout)
    examples = prefix_examples(sessions, max_length, one_pass)
    expected = [
        (int(start) + max(0, length - max_length), int(start) + length - 1)
        for start, (n, first) in zip(sessions.offsets, layout, strict=False)
        for length in range(first, n + 1)
    ]
    assert sorted(asked(examples)) == sorted(expected)
    assert (examples.lengths <= max_length).all() and (examples.n_prefixes >= 1).all()
    assert examples.ends.tolist() == [end for _, end in asked(examples)]
    if not one_pass:
        assert (examples.n_prefixes == 1).all()


@given(
    st.lists(st.lists(st.integers(-1, 4), max_size=8), min_size=1, max_size=6), st.integers(1, 6)
)
@laws
def test_windows_of_distinct_items_are_shared(sessions: list[list[int]], max_length: int) -> None:
    offsets = np.append(0, np.cumsum([len(session) for session in sessions]))
    items = np.array([item for session in sessions for item in session], np.int64)
    columns = EncodedSessions(items, offsets, {}, np.ones(len(sessions), np.int64))
    examples = prefix_examples(columns, max_length, "distinct")
    expected = []
    for start, session in zip(offsets, sessions, strict=False):
        shared = [
            n for n in range(1, len(session) + 1) if n <= max_length and len(set(session[:n])) == n
        ]
        expected += [(start, len(shared), len(shared))] if shared else []
        for n in range(len(shared) + 1, len(session) + 1):
            expected.append((start + max(0, n - max_length), min(n, max_length), 1))
    found = zip(examples.starts, examples.lengths, examples.n_prefixes, strict=True)
    assert sorted(found) == sorted(expected)


def test_one_pass_shares_windows() -> None:
    examples = prefix_examples(encoded([(5, 1), (3, 2)]), 4, one_pass=True)
    windows = zip(
        examples.starts.tolist(),
        examples.lengths.tolist(),
        examples.n_prefixes.tolist(),
        strict=True,
    )
    assert list(windows) == [(0, 4, 4), (5, 3, 2), (1, 4, 1)]


@given(layouts, st.integers(1, 10))
@laws
def test_last_prefixes_are_the_newest_events(
    layout: list[tuple[int, int]], max_length: int
) -> None:
    sessions = encoded([(max(n, 1), first) for n, first in layout])
    bounds = zip(sessions.offsets, sessions.offsets[1:], strict=False)
    expected = [(max(int(start), int(end) - max_length), int(end) - 1) for start, end in bounds]
    assert asked(last_prefixes(sessions, max_length)) == expected


@pytest.mark.parametrize("one_pass", [True, False])
def test_sessions_without_a_prefix_ask_for_nothing(one_pass: bool) -> None:
    examples = prefix_examples(encoded([(0, 1), (2, 3), (2, 1)]), 5, one_pass)
    assert sorted(examples.ends.tolist()) == [2, 3]


def test_taking_examples() -> None:
    examples = prefix_examples(encoded([(3, 1), (2, 1), (4, 1)]), 5, True)
    some = examples.take(np.array([2, 0]))
    assert len(some) == 2 and some.starts.tolist() == [5, 0] and some.n_prefixes.tolist() == [4, 3]


def test_taking_encoded_sessions() -> None:
    sessions = encoded([(3, 1), (0, 1), (2, 2)])
    some = sessions.take(np.array([2, 1, 0]))
    assert some.items.tolist() == [3, 4, 0, 1, 2]
    assert some.offsets.tolist() == [0, 2, 2, 5]
    assert some.prompts["cluster"][:, 1].tolist() == [103, 104, 100, 101, 102]
    assert some.first_prefix.tolist() == [2, 1, 1]


# ---------------------------------------------------------------------- prefixes of cut sessions
class Counting:
    """Annotator that keeps the lengths of the sessions it labels; all events are of cluster 0."""

    attach = "session"

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def label_events(self, sessions: Sessions) -> np.ndarray:
        self.lengths += sessions.lengths.tolist()
        return np.zeros((sessions.n_events, 1), dtype=np.int32)


def test_only_windows_with_unknown_items_are_annotated_again() -> None:
    annotator = Counting()
    train = Sessions.from_lists([["a", "b", "c"]]).with_labels(np.zeros(3, int))
    encoder = SessionEncoder.learn(train, ("cluster",))
    X = Sessions.from_lists([["a", "b", "c"], ["a", "new", "b"]]).with_labels(
        np.zeros(6, int), annotator
    )
    cut = NextItemTargets.of(X, encoder)
    assert annotator.lengths == [2, 2]
    data, places = prefix_data(cut, encoder, 5, True)
    assert annotator.lengths == [2, 2, 2]
    assert sorted(places.tolist()) == [0, 1, 2, 3]
    by_place = dict(zip(places.tolist(), data.targets.tolist(), strict=True))
    assert [by_place[place] for place in range(4)] == [1, 2, -1, 1]


def test_no_more_than_windows_are_annotated() -> None:
    annotator = Counting()
    train = Sessions.from_lists([["a", "b"]]).with_labels(np.zeros(2, int))
    encoder = SessionEncoder.learn(train, ("cluster",))
    events = ["a", "b"] * 200
    events[7] = events[300] = "new"
    X = Sessions.from_lists([events]).with_labels(np.zeros(400, int), annotator)
    cut = NextItemTargets.of(X, encoder)
    annotator.lengths.clear()
    data, places = prefix_data(cut, encoder, 5, True)
    assert annotator.lengths == [5] * 10  # each unknown item stands in five windows
    assert sorted(places.tolist()) == list(range(399)) and len(data) == 399
    assert len(data.examples.sessions.items) == 399 + 50


def test_long_sessions_are_read_by_their_newest_events() -> None:
    train = Sessions.from_lists([["a", "b"], ["b", "a"], ["c", "d"], ["d", "c"]])
    clusterer = ItemClusterer(random_state=0).fit(train)
    encoder = SessionEncoder.learn(clusterer.transform(train), ("cluster",))
    lists = [["a", "new", "c", "new", "d", "a"], ["new", "b"], ["a", "b", "c"]]
    X = clusterer.transform(Sessions.from_lists([[*events, "a"] for events in lists]))
    data, places = prefix_data(NextItemTargets.of(X, encoder), encoder, 3, False)
    windows = last_windows(clusterer.transform(Sessions.from_lists(lists)), encoder, 3)
    ends = np.cumsum([len(events) for events in lists]) - 1
    for row, place in enumerate(ends.tolist()):
        k = places.tolist().index(place)
        found = events_of(data.examples, k)
        alone = encoder.encode(clusterer.transform(Sessions.from_lists([lists[row][-3:]])))
        expected = alone.prompts["cluster"].tolist()
        assert found == events_of(windows, row) == expected


def events_of(examples: Examples, row: int) -> list[list[int]]:
    """Clusters of the events of a window."""
    events = slice(examples.starts[row], examples.starts[row] + examples.lengths[row])
    return examples.sessions.prompts["cluster"][events].tolist()


@pytest.mark.parametrize("attach", ["session", "batch"])
def test_prefixes_are_those_of_prefixes_annotated_one_by_one(attach: str) -> None:
    train = Sessions.from_lists([["a", "b"], ["b", "a"], ["c", "d"], ["d", "c"]])
    clusterer = ItemClusterer(random_state=0, attach=attach).fit(train)
    encoder = SessionEncoder.learn(clusterer.transform(train), ("cluster",))
    lists = [["a", "b", "d"], ["new", "c", "a", "b"], ["d", "c", "d"], ["c", "new", "new", "a"]]
    cut = NextItemTargets.of(clusterer.transform(Sessions.from_lists(lists)), encoder)
    data, places = prefix_data(cut, encoder, 10, False)
    examples = data.examples
    prefixes = [events[:n] for events in lists for n in range(1, len(events))]
    for k, place in enumerate(places.tolist()):
        events = slice(examples.starts[k], examples.starts[k] + examples.lengths[k])
        alone = encoder.encode(clusterer.transform(Sessions.from_lists([prefixes[place]])))
        assert examples.sessions.items[events].tolist() == alone.items.tolist()
        found = examples.sessions.prompts["cluster"][events]
        assert found.tolist() == alone.prompts["cluster"].tolist()


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=40), st.integers(1, 5), st.integers(0, 9))
@laws
def test_shuffled_parts_end_in_a_few_clusters_at_a_time(
    last_items: list[int], batch_size: int, seed: int
) -> None:
    clusters = np.array([0, 1, 1, 2, -1])
    items = np.array(last_items)
    n = len(items)
    sessions = EncodedSessions(items, np.arange(n + 1), {}, np.ones(n, np.int64))
    # each cluster for itself
    data = PrefixData(prefix_examples(sessions, 5, True), items, clusters, part_items=1)
    parts = list(data.parts(batch_size, np.random.default_rng(seed)))
    again = list(data.parts(batch_size, np.random.default_rng(seed)))
    assert [part.starts.tolist() for part in parts] == [part.starts.tolist() for part in again]
    assert all(0 < len(part) <= batch_size for part in parts)
    starts = np.concatenate([part.starts for part in parts])
    assert sorted(starts) == list(range(n))
    # a cluster stands in one run of parts, of which only the outer ones hold others as well
    mixed = [part for part in parts if len(set(clusters[np.maximum(items[part.starts], 0)])) > 1]
    assert len(mixed) <= 3
    for part in data.parts(batch_size):
        assert (np.diff(part.starts) == 1).all()  # evaluation keeps the order


@given(st.lists(st.floats(0, 5), min_size=1, max_size=30), st.integers(0, 9), st.booleans())
@laws
def test_shuffled_examples_stand_as_often_as_their_weights_say(
    weights: list[float], seed: int, grouped: bool
) -> None:
    n = len(weights)
    sessions = EncodedSessions(np.arange(n), np.arange(n + 1), {}, np.ones(n, np.int64))
    clusters = np.arange(n) % 3 if grouped else None
    examples = prefix_examples(sessions, 5, True)
    data = PrefixData(examples, np.arange(n), clusters, np.array(weights))
    parts = list(data.parts(4, np.random.default_rng(seed)))
    starts = np.concatenate([part.starts for part in parts] or [np.zeros(0, int)])
    counts = np.bincount(starts, minlength=n)
    assert (np.abs(counts - weights) < 1 + 1e-9).all()
    assert abs(counts.sum() - sum(weights)) < 1 + 1e-9
    assert sum(len(part) for part in data.parts(4)) == n  # in order: each once
