"""The count graphs against slow twins, and closed forms of modularity."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sessionprompt import graphs
from sessionprompt.graphs import item_graph, modularity, strengths, top_neighbors, window_graph

N_ITEMS = 6
sessions_of_codes = st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=8), max_size=6)
laws = settings(max_examples=50, deadline=None)


def flat(lists):
    offsets = np.append(0, np.cumsum([len(session) for session in lists], dtype=np.int64))
    return np.array([code for session in lists for code in session], dtype=np.int32), offsets


def slow_item_graph(lists, keep):
    graph = np.zeros((N_ITEMS, N_ITEMS), dtype=np.int64)
    for session in lists:
        for a, b in pairwise(session):
            if a != b:
                graph[a, b] += 1
                graph[b, a] += 1
            elif keep:
                graph[a, a] += 1
    return graph


@laws
@given(sessions_of_codes, st.sampled_from(["drop", "keep"]))
def test_item_graph_counts_adjacent_pairs(lists, self_loops):
    graph = item_graph(*flat(lists), N_ITEMS, self_loops=self_loops)
    assert isinstance(graph, sparse.csr_array)
    assert graph.has_canonical_format
    assert np.issubdtype(graph.dtype, np.integer)
    np.testing.assert_array_equal(graph.toarray(), slow_item_graph(lists, self_loops == "keep"))


@laws
@given(sessions_of_codes, st.sampled_from(["drop", "keep"]))
def test_item_graph_of_sessions_counts_a_pair_once_in_each(lists, self_loops):
    expected = np.zeros((N_ITEMS, N_ITEMS), dtype=int)
    for session in lists:
        expected += slow_item_graph([session], self_loops == "keep") > 0
    graph = item_graph(*flat(lists), N_ITEMS, self_loops=self_loops, counts="sessions")
    assert graph.has_canonical_format
    np.testing.assert_array_equal(graph.toarray(), expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graphs, "BLOCK", 1)
        parts = item_graph(*flat(lists), N_ITEMS, self_loops=self_loops, counts="sessions")
    assert (parts != graph).nnz == 0


@laws
@given(sessions_of_codes, st.integers(1, 9))
def test_window_graph_counts_pairs_in_both_directions(lists, window):
    counts = Counter()
    for session in lists:
        for i, a in enumerate(session):
            for b in session[i + 1 : i + 1 + window]:
                counts[a, b] += 1
                counts[b, a] += 1
    graph = window_graph(*flat(lists), N_ITEMS, window)
    assert graph.has_canonical_format
    edges = graph.tocoo()
    assert counts == dict(zip(zip(*edges.coords, strict=True), edges.data, strict=True))


@laws
@given(sessions_of_codes, st.integers(1, 8))
def test_top_neighbors_are_the_heaviest_ties_by_code(lists, size):
    graph = window_graph(*flat(lists), N_ITEMS, 2)
    indices, weights = top_neighbors(graph, size)
    for row, dense in enumerate(graph.toarray()):
        best = sorted((-w, code) for code, w in enumerate(dense) if w)[:size]
        padding = size - len(best)
        assert indices[row].tolist() == [code for _, code in best] + [-1] * padding
        assert weights[row].tolist() == [-w for w, _ in best] + [0] * padding


def test_a_window_ends_where_the_longest_session_does():
    lists = [[0, 1, 1, 2], [2], []]
    graph = window_graph(*flat(lists), N_ITEMS, 10**15)
    assert (graph != window_graph(*flat(lists), N_ITEMS, 3)).nnz == 0


@laws
@given(sessions_of_codes, st.integers(1, 5), st.integers(1, 3))
def test_counting_in_blocks_changes_nothing(lists, block, window):
    whole = (
        item_graph(*flat(lists), N_ITEMS, self_loops="keep"),
        window_graph(*flat(lists), N_ITEMS, window),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graphs, "BLOCK", block)
        parts = (
            item_graph(*flat(lists), N_ITEMS, self_loops="keep"),
            window_graph(*flat(lists), N_ITEMS, window),
        )
    for one, other in zip(whole, parts, strict=True):
        assert (one != other).nnz == 0 and other.has_canonical_format


@laws
@given(sessions_of_codes, st.integers(1, 5), st.integers(1, 4))
def test_looking_at_edges_in_blocks_changes_nothing(lists, block, size):
    graph = window_graph(*flat(lists), N_ITEMS, 2)
    labels = np.arange(N_ITEMS) % 3
    whole = (*top_neighbors(graph, size), modularity(graph, labels))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graphs, "BLOCK", block)
        parts = (*top_neighbors(graph, size), modularity(graph, labels))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_order_and_repetition_within_a_session():
    graph = item_graph([0, 1, 0, 1], [0, 4], 2).toarray()
    assert graph.tolist() == [[0, 3], [3, 0]]


def test_sessions_do_not_touch_and_empty_ones_do_not_matter():
    assert item_graph([0, 1, 2], [0, 0, 1, 1, 3, 3], 3).nnz == 2
    assert item_graph([], [0], 3).shape == (3, 3)
    assert window_graph([], [0, 0], 3, 4).nnz == 0


def test_loops_count_twice_in_strengths():
    graph = item_graph(*flat([[0, 0, 1], [1, 2], [0, 1]]), 3, self_loops="keep")
    assert graph.toarray().tolist() == [[1, 2, 0], [2, 0, 1], [0, 1, 0]]
    assert strengths(graph).tolist() == [4, 3, 1]


@pytest.mark.parametrize(
    ("labels", "quality"),
    [([0, 0, 0], 0), ([0, 1, 1], 0), ([0, 0, 1], -0.25), ([0, 1, 2], -1.25)],
)
def test_modularity_with_loops(labels, quality):
    graph = item_graph(*flat([[0, 0, 1], [1, 2], [0, 1]]), 3, self_loops="keep")
    assert modularity(graph, labels) == pytest.approx(quality / 8)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.5])
def test_modularity_of_two_triangles(gamma):
    graph = item_graph(*flat([[0, 1, 2, 0], [3, 4, 5, 3], [2, 3]]), 6)
    assert modularity(graph, [0, 0, 0, 1, 1, 1], gamma) == pytest.approx((12 - 7 * gamma) / 14)
    assert modularity(graph, [0] * 6, gamma) == pytest.approx((14 - 14 * gamma) / 14)
    assert modularity(graph, range(6), gamma) == pytest.approx(-17 * gamma / 7 / 14)


def test_modularity_without_edges_is_zero():
    assert modularity(item_graph([0, 1], [0, 1, 2], 2), [0, 1]) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: item_graph([0, 3], [0, 2], 3), "0 to 2, got 0 to 3"),
        (lambda: item_graph([-1, 1], [0, 2], 3), "got -1 to 1"),
        (lambda: item_graph([0], [0, 1], 1, self_loops="maybe"), "'drop', 'keep'"),
        (lambda: item_graph([0], [0, 1], 1, counts="pairs"), "'events', 'sessions'"),
        (lambda: window_graph([0], [0, 1], 1, 0), "window=0"),
        (lambda: window_graph([0], [0, 1], 1, 1.5), r"window=1\.5"),
        (lambda: top_neighbors(item_graph([0], [0, 1], 1), 0), "size=0"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
