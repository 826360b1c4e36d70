"""Distances of targets in the item graph, beside a search step by step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sessionprompt.graphs as graphs
from sessionprompt import Sessions
from sessionprompt.graphs import FARTHER, item_graph, target_distances

LISTS = st.lists(st.lists(st.integers(0, 7), max_size=6), min_size=1, max_size=8)


def slow_distances(train: list[list[int]], test: list[list[int]], window: int) -> list[int]:
    """Breadth-first search from the items of each prefix."""
    neighbors: dict[int, set[int]] = {item: set() for row in train for item in row}
    for row in train:
        for one, other in pairwise(row):
            if one != other:
                neighbors[one].add(other)
                neighbors[other].add(one)
    found = []
    for row in test:
        for place in range(1, len(row)):
            if row[place] not in neighbors:
                found.append(-1)
                continue
            reached = {item for item in row[max(0, place - window) : place] if item in neighbors}
            distance = 0
            while row[place] not in reached and distance < FARTHER:
                reached = reached | {other for item in reached for other in neighbors[item]}
                distance += 1
            found.append(distance)
    return found


@settings(max_examples=40, deadline=None)
@given(LISTS, LISTS, st.integers(1, 6))
def test_distances_are_those_of_a_search(
    train: list[list[int]], test: list[list[int]], window: int
) -> None:
    learned = Sessions.from_lists(train)
    asked = Sessions.from_lists(test)
    graph = item_graph(learned.codes, learned.offsets, len(learned.vocabulary))
    codes = learned.vocabulary.translate(asked.vocabulary)[asked.codes]
    distances = target_distances(graph, codes, asked.offsets, window)
    assert distances.tolist() == slow_distances(train, test, window)


def test_pairs_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 40, 200)
    offsets = np.arange(0, 201, 4)
    graph = item_graph(codes[:60], offsets[:16], 40)
    whole = target_distances(graph, codes, offsets)
    monkeypatch.setattr(graphs, "PAIRS_AT_ONCE", 7)
    np.testing.assert_array_equal(target_distances(graph, codes, offsets), whole)
    with pytest.raises(ValueError, match="max_length=0 must be an integer of at least 1"):
        target_distances(graph, codes, offsets, 0)
