"""Clusterers that learn on: clusters stay, new items join them by all their edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt import Sessions, load
from sessionprompt.clustering import ItemClusterer, PrecomputedClusters
from sessionprompt.graphs import item_graph
from sessionprompt.storage import save

TRIANGLES = [[1, 2, 3, 1], [4, 5, 6, 4], [3, 4]]
KINDS = {1: "x", 2: "x", 3: "x", 4: "y", 5: "y", 6: "y"}
CLUSTERERS = {
    "one": ItemClusterer(random_state=0),
    "two": ItemClusterer((0.2, 1.0), random_state=0),
    "cpm": ItemClusterer(0.5, objective="cpm", random_state=0),
    "loops": ItemClusterer(self_loops="keep", counts="sessions", random_state=0),
    "given": PrecomputedClusters(KINDS),
}
each = pytest.mark.parametrize("clusterer", CLUSTERERS.values(), ids=CLUSTERERS.keys())
new_sessions = st.lists(st.lists(st.integers(1, 12), max_size=6), min_size=1, max_size=6)


def labels_of(clusterer, items):
    return clusterer.labels_[clusterer.vocabulary_.encode(items)].tolist()


def test_a_new_item_joins_by_all_its_edges_in_whatever_order():
    clusterer = ItemClusterer(random_state=0).fit(TRIANGLES)
    here, there = labels_of(clusterer, [1, 6])
    sessions = [[99, 6]] * 50 + [[99, 1]]
    for lists in (sessions, sessions[::-1]):
        clusterer.fit(TRIANGLES).partial_fit(lists)
        assert labels_of(clusterer, [99, 1, 6]) == [there, here, there]
        assert clusterer.attached_.tolist() == [False] * 6 + [True]
        assert clusterer.cluster_sizes_.sum() == 7


def test_later_calls_may_move_a_new_item():
    clusterer = ItemClusterer(random_state=0).fit(TRIANGLES)
    here, there = labels_of(clusterer, [1, 6])
    found = []
    for item, n in ((1, 1), (6, 1), (6, 1), (1, 4)):
        clusterer.partial_fit([[99, item]] * n)
        found += labels_of(clusterer, [99])
    assert found[0] == here
    assert found[2:] == [there, here]


def test_items_without_a_path_join_the_strongest_until_there_is_one():
    clusterer = ItemClusterer(random_state=0).fit([*TRIANGLES, [5, 4, 5, 4]])
    assert labels_of(clusterer.partial_fit([[88, 99]]), [88, 99]) == labels_of(clusterer, [4, 4])
    assert labels_of(clusterer.partial_fit([[99, 1]]), [88, 99]) == labels_of(clusterer, [1, 1])


@each
@settings(max_examples=25, deadline=None)
@given(new_sessions, st.integers(0, 6))
def test_calls_add_up(clusterer, lists, cut):
    fitted = clusterer.fit(TRIANGLES).labels_.tolist()
    whole = clusterer.partial_fit(lists).labels_.tolist()
    strengths = np.hstack(clusterer.cluster_strengths_)
    graph = clusterer.graph_.toarray()
    clusterer.fit(TRIANGLES)
    for part in (lists[:cut], lists[cut:]):
        assert clusterer.partial_fit(part) is clusterer
    assert clusterer.labels_.tolist() == whole
    assert np.hstack(clusterer.cluster_strengths_).tolist() == strengths.tolist()
    assert labels_of(clusterer, [1, 2, 3, 4, 5, 6]) == fitted
    everything = Sessions.from_lists(TRIANGLES + lists, vocabulary=clusterer.vocabulary_)
    parameters = {"self_loops": clusterer.self_loops, "counts": clusterer.counts}
    slow = item_graph(everything.codes, everything.offsets, len(graph), **parameters)
    assert clusterer.graph_.toarray().tolist() == graph.tolist() == slow.toarray().tolist()


@each
def test_saved_in_between(clusterer, tmp_path):
    if isinstance(clusterer, PrecomputedClusters):
        pytest.skip("saving its labels is tested with storage")
    clusterer.fit(TRIANGLES).partial_fit([[99, 1]])
    save(clusterer, tmp_path / "saved")
    loaded = load(tmp_path / "saved")
    assert loaded.attached_.tolist() == clusterer.attached_.tolist()
    for one in (clusterer, loaded):
        one.partial_fit([[99, 6]] * 5)
    assert loaded.labels_.tolist() == clusterer.labels_.tolist()
    assert labels_of(loaded, [99]) == labels_of(loaded, [6])


def test_labels_of_items_rest_on_all_sessions():
    clusterer = ItemClusterer(random_state=0).fit(TRIANGLES)
    here, there = labels_of(clusterer, [1, 6])
    sessions = Sessions.from_lists([[99, 6], [99, 6], [99, 1], [88, 1]])
    assert sessions.vocabulary.ids.tolist() == [1, 6, 88, 99]
    assert clusterer.label_items(sessions).ravel().tolist() == [here, there, here, there]
    assert clusterer.label_events(sessions).ravel()[[4, 0]].tolist() == [here, there]
    bare = Sessions([], [0], sessions.vocabulary)
    assert clusterer.label_items(bare).ravel().tolist() == [here, there, -1, -1]
    clusterer.partial_fit(sessions)
    assert clusterer.label_items(bare).ravel().tolist() == [here, there, here, there]
    assert clusterer.fitted_labels(bare.vocabulary).ravel().tolist() == [here, there, -1, -1]


def test_partial_fit_of_nothing():
    clusterer = ItemClusterer(random_state=0).partial_fit(TRIANGLES)
    labels = clusterer.labels_.tolist()
    for empty in ([], [[], []], [[1]]):
        assert clusterer.partial_fit(empty).labels_.tolist() == labels
    with pytest.raises(ValueError, match="no events"):
        ItemClusterer().partial_fit([])


def test_pairs_count_once_a_session():
    lists = [[1, 2, 1, 2], [2, 1], [2, 3, 3, 3]]
    graph = ItemClusterer(counts="sessions", self_loops="keep").fit(lists).graph_
    assert graph.toarray().tolist() == [[0, 2, 0], [2, 0, 1], [0, 1, 1]]
    assert ItemClusterer().fit(lists).graph_.toarray()[0, 1] == 4
    with pytest.raises(ValueError, match=r"counts='both'.*\['events', 'sessions'\]"):
        ItemClusterer(counts="both").fit(lists)


def test_unseen_items_are_attached_by_what_counts():
    """Beside 1 ten times in one session, beside 4 in two: the counts decide."""
    lists = [[99, 1] * 5, [99, 4], [4, 99]]
    labels = {}
    for counts in ("events", "sessions"):
        clusterer = ItemClusterer(counts=counts, random_state=0).fit(TRIANGLES)
        labels[counts] = labels_of(clusterer.partial_fit(lists), [99])[0] == clusterer.labels_[0]
    assert labels == {"events": True, "sessions": False}
