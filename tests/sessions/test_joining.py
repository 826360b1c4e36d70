"""Sessions of several containers in one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionprompt.sessions import Sessions

LISTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=4), max_size=5)


@settings(max_examples=60, deadline=None)
@given(st.lists(LISTS, min_size=1, max_size=4))
def test_joining_lists_is_joining_containers(parts: list[list[list[str]]]) -> None:
    joined = Sessions.concat([Sessions.from_lists(part) for part in parts])
    assert joined == Sessions.from_lists([session for part in parts for session in part])
    assert joined == Sessions.concat(parts)


@pytest.mark.parametrize("cut", [0, 2, 5])
def test_what_was_cut_is_joined_again(five: Sessions, cut: int) -> None:
    joined = Sessions.concat([five[:cut], five[cut:]])
    assert joined == five and joined.vocabulary is five.vocabulary


def test_targets_start_at_the_second_event_unless_said(five: Sessions) -> None:
    other = replace(five, ids=five.ids + 100, target_start=None)
    assert Sessions.concat([five, other]).target_start.tolist() == [2, 1, 1, 1, 3, 1, 1, 1, 1, 1]


def test_ids() -> None:
    part = Sessions.from_lists([["a"], ["b"]])
    assert Sessions.concat([part, part]).ids.tolist() == [0, 1, 2, 3]
    assert Sessions.concat([part[1:], part]).ids.tolist() == [0, 1, 2]
    assert Sessions.concat([part[1:], part[:1]]).ids.tolist() == [1, 0]
    named = replace(part, ids=[5, 6])
    with pytest.raises(ValueError, match="parts 0 and 1 .* the id 6; pass renumber=True"):
        Sessions.concat([named[1:], named])
    assert Sessions.concat([named[1:], named], renumber=True).ids.tolist() == [0, 1, 2]
    ann = replace(part, users=["ann", "ann"], ids=[5, 6])
    bob = replace(ann, users=["bob", "bob"])
    assert Sessions.concat([ann, bob]).ids.tolist() == [5, 6, 5, 6]


ONE = Sessions.from_lists([["a"]], users=["ann"], times=[1])


class Annotator:
    """Labels everything alike."""

    def label_events(self, sessions: Sessions) -> Any:
        return np.zeros((sessions.n_events, 1), np.int32)


@pytest.mark.parametrize(
    ("other", "error", "words"),
    [
        (replace(ONE, users=None), ValueError, "part 1 has no users, but others have"),
        (replace(ONE, event_times=None), ValueError, "part 1 has no event_times"),
        (replace(ONE, event_times=np.array(["2020-01-01"], "M8[us]")), TypeError, "as datetimes"),
        (replace(ONE, users=[5]), TypeError, "'users' mixes kinds"),
        (Sessions.from_lists([[1]], users=["a"], times=[1]), TypeError, "'item' mixes kinds"),
        (ONE.with_labels([0]), ValueError, "part 0 has no labels"),
        (5, TypeError, "part 1 must be a list of sessions"),
    ],
)
def test_what_does_not_fit_is_refused(other: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        Sessions.concat([ONE, other])


def test_labels_of_one_annotator_stay() -> None:
    annotator = Annotator()
    left = ONE.with_labels([0], annotator)
    right = replace(ONE, ids=[7]).with_labels([0], annotator)
    joined = Sessions.concat([left, right])
    assert joined.labels.tolist() == [[0], [0]] and joined.annotator is annotator
    with pytest.raises(ValueError, match="then label them"):
        Sessions.concat([left, replace(ONE, ids=[7]).with_labels([0], Annotator())])


@pytest.mark.parametrize("parts", [[], ONE])
def test_no_list_of_parts(parts: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="pass"):
        Sessions.concat(parts)


def test_large_ids_stay_apart() -> None:
    with pytest.raises(ValueError, match="mixes floats with the integer 9007199254740993"):
        Sessions.concat([[[2**53, 2**53 + 1]], [[0.5]]])
