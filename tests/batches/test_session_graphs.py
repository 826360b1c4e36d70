"""Session graphs against slow twins that walk through every session."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt.batches import SessionBatch, SessionGraph
from sessionprompt.encoding import EncodedSessions, last_prefixes

some_sessions = st.lists(
    st.lists(st.integers(-3, 3), min_size=1, max_size=7), min_size=1, max_size=4
)
laws = settings(max_examples=40, deadline=None)


def graph_of(sessions):
    """Graph of sessions as whole windows, and (session, item) of each of its nodes."""
    items = np.concatenate([np.asarray(session, np.int64) for session in sessions])
    offsets = np.append(0, np.cumsum([len(session) for session in sessions]))
    encoded = EncodedSessions(items, offsets, {}, np.ones(len(sessions), np.int64))
    graph = SessionGraph.of(SessionBatch.collate(last_prefixes(encoded, max_length=50)))
    names = list(zip(graph.window.tolist(), graph.batch.items[graph.first].tolist(), strict=True))
    return graph, names


def events_of(sessions):
    """(session, item) of every event."""
    return [(number, item) for number, session in enumerate(sessions) for item in session]


def moves_of(sessions):
    """(node, next node) of every move, in time order."""
    return [((n, a), (n, b)) for n, session in enumerate(sessions) for a, b in pairwise(session)]


@laws
@given(some_sessions)
def test_nodes_are_the_distinct_items_of_each_session(sessions):
    graph, names = graph_of(sessions)
    events = events_of(sessions)
    assert len(names) == len(set(names)) == len(graph)
    assert [names[node] for node in graph.node] == events
    assert [events.index(name) for name in names] == graph.first.tolist()
    assert [len(events) - 1 - events[::-1].index(name) for name in names] == graph.last.tolist()
    assert [events.count(name) for name in names] == graph.visits.tolist()


@laws
@given(some_sessions)
def test_edges_are_the_distinct_moves(sessions):
    graph, names = graph_of(sessions)
    found = [(names[graph.node[event]], names[graph.node[event + 1]]) for event in graph.edges]
    assert found == list(dict.fromkeys(moves_of(sessions)))
    assert graph.moves.tolist() == [
        i for i, (a, b) in enumerate(pairwise(graph.batch.window.tolist())) if a == b
    ]


@laws
@given(some_sessions)
def test_visits_are_counted_and_linked(sessions):
    graph, _ = graph_of(sessions)
    events = events_of(sessions)
    earlier = [[q for q in range(p) if events[q] == events[p]] for p in range(len(events))]
    later = [
        [q for q in range(p + 1, len(events)) if events[q] == events[p]] for p in range(len(events))
    ]
    assert graph.visit.tolist() == list(map(len, earlier))
    assert graph.next_visit.tolist() == [min(places, default=len(events)) for places in later]
    pairs = list(zip(*(column.tolist() for column in graph.revisits), strict=True))
    assert pairs == [(p, q) for p in range(len(events)) for q in earlier[p]]


@laws
@given(some_sessions)
def test_arrivals_keep_the_order_in_time(sessions):
    graph, names = graph_of(sessions)
    moves, windows = graph.arrivals
    found = {}
    for move in moves:
        found.setdefault(names[graph.node[move + 1]], []).append(names[graph.node[move]])
    expected = {}
    for source, target in moves_of(sessions):
        expected.setdefault(target, []).append(source)
    assert found == expected
    assert windows.lengths.tolist() == [len(expected[name]) for name in names if name in expected]
    assert windows.ends.tolist() == torch.cumsum(windows.lengths, 0).sub(1).tolist()


@laws
@given(some_sessions, st.booleans())
def test_shortcuts_lead_forward(sessions, self_loops):
    graph, names = graph_of(sessions)
    expected = {
        ((n, session[p]), (n, session[q]))
        for n, session in enumerate(sessions)
        for p in range(len(session))
        for q in range(p + (not self_loops), len(session))
    }
    found = [(names[u], names[v]) for v, u in zip(*graph.shortcuts(self_loops), strict=True)]
    assert Counter(found) == Counter(expected)


@laws
@given(some_sessions)
def test_relations_tell_the_direction(sessions):
    graph, names = graph_of(sessions)
    moves = set(moves_of(sessions))
    expected = Counter((name, name, 0) for name in names)
    kinds = {(True, False): 1, (False, True): 2, (True, True): 3}
    for a, b in moves | {(b, a) for a, b in moves}:
        if a != b:
            expected[b, a, kinds[(a, b) in moves, (b, a) in moves]] += 1
    pairs, found_kinds = graph.relations
    assert (pairs.rows.diff() >= 0).all()
    triples = zip(*pairs, found_kinds, strict=True)
    found = [(names[i], names[j], int(kind)) for i, j, kind in triples]
    assert Counter(found) == expected
