"""Unknown items are told apart; numbers by default say nothing about other containers."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from sessionprompt.encoding import EncodedSessions, NextItemTargets, SessionEncoder, prefix_examples
from sessionprompt.model_selection import within_session_split
from sessionprompt.sessions import Sessions

TRAIN = Sessions.from_lists([["a", "b"], ["b", "c", "a"]])


def test_different_unknown_items_have_different_codes() -> None:
    encoder = SessionEncoder.learn(TRAIN)
    X = Sessions.from_lists([["x", "a", "y", "x"], ["y", "z", "b"]])
    x, a, y, again, y_too, z, b = encoder.encode(X).items.tolist()
    assert (a, b) == (0, 1)
    assert x == again and y == y_too and len({x, y, z}) == 3 and max(x, y, z) < 0
    assert NextItemTargets.of(X, encoder).next_items.tolist() == [0, -1, -1, -1, 1]


def test_a_window_serves_prefixes_until_an_unknown_item_repeats() -> None:
    sessions = EncodedSessions(
        np.array([-1, 0, -2, -1, 1]), np.array([0, 5]), {}, np.array([1], np.int64)
    )
    examples = prefix_examples(sessions, 50, "distinct")
    assert sorted(zip(examples.lengths.tolist(), examples.n_prefixes.tolist(), strict=True)) == [
        (3, 3),
        (4, 1),
        (5, 1),
    ]


# ---------------------------------------------------------------------- sessions by number
def codes_of(encoder: SessionEncoder, sessions: Sessions) -> list[int]:
    """Session prompt of each session."""
    encoded = encoder.encode(sessions)
    return encoded.prompts["session"][encoded.offsets[:-1], 0].tolist()


def test_numbers_are_known_in_their_own_container_only() -> None:
    encoder = SessionEncoder.learn(TRAIN, ("session",))
    assert codes_of(encoder, TRAIN) == [0, 1]
    assert codes_of(encoder, TRAIN[[1]]) == [1]
    assert codes_of(encoder, pickle.loads(pickle.dumps(TRAIN))[[1]]) == [1]
    assert codes_of(encoder, TRAIN.prefixes([1, 0], [2, 1])) == [1, 0]
    assert codes_of(encoder, replace(TRAIN, users=["ann", "bob"])) == [0, 1]
    assert codes_of(encoder, Sessions.from_lists(TRAIN.to_lists())) == [-1, -1]
    assert codes_of(encoder, replace(TRAIN, ids=None)) == [-1, -1]
    assert codes_of(encoder, replace(TRAIN, ids=["s1", "s2"])) == [-1, -1]
    assert codes_of(encoder, Sessions.from_lists(TRAIN.to_lists(), ids=[0, 1])) == [-1, -1]


def test_names_are_known_everywhere() -> None:
    named = Sessions.from_lists(TRAIN.to_lists(), ids=[0, 1])
    encoder = SessionEncoder.learn(named, ("session",))
    assert codes_of(encoder, Sessions.from_lists([["a"], ["b"]], ids=[1, 2])) == [1, -1]
    assert codes_of(encoder, TRAIN) == [-1, -1]


def test_every_container_that_is_learned_adds_its_sessions() -> None:
    other = Sessions.from_lists([["a", "b"], ["b", "c"], ["c"]])
    grown = SessionEncoder.learn(TRAIN, ("session",)).grow(other, ("session",))
    assert grown.prompt_sizes == {"session": 5}
    assert codes_of(grown, TRAIN) == [0, 1]
    assert codes_of(grown, other) == [2, 3, 4]
    again = grown.grow(other[[2]], ("session",))
    assert again.prompt_sizes == {"session": 5} and codes_of(again, other) == [2, 3, 4]


def test_names_and_numbers_do_not_go_together() -> None:
    named = Sessions.from_lists([["a", "b"]], ids=["s1"])
    for first, second in ((TRAIN, named), (named, TRAIN)):
        with pytest.raises(ValueError, match="give ids to all training sessions, or to none"):
            SessionEncoder.learn(first, ("session",)).grow(second, ("session",))


def test_the_parts_of_a_split_session_belong_together() -> None:
    sessions = Sessions.from_lists([["a", "b", "c", "a"]] * 4, times=np.arange(4))
    train, test = within_session_split(sessions)[:2]
    encoder = SessionEncoder.learn(train, ("session",))
    assert codes_of(encoder, test) == [0, 1, 2, 3]
