"""The container: its arrays, immutability, equality, and use by scikit-learn."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold, KFold, cross_validate, train_test_split
from sklearn.utils import _safe_indexing, check_consistent_length, indexable

from sessionprompt.sessions import Sessions
from sessionprompt.vocabulary import Vocabulary


def with_all(n_events: int = 2, **changes: Any) -> Sessions:
    fields = {
        "codes": np.zeros(n_events, int),
        "offsets": [0, n_events],
        "vocabulary": Vocabulary(["a"]),
    }
    return Sessions(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"codes": [0, 1]},
            ValueError,
            "codes must be at least 0 and below 1, the size of the vocabulary",
        ),
        ({"codes": [0, -1]}, ValueError, "codes must be at least 0"),
        ({"codes": [0.0, 0.0]}, TypeError, "codes must be integers, got float64"),
        ({"codes": [[0, 0]]}, ValueError, "one dimension"),
        ({"offsets": [0, 1]}, ValueError, "offsets must rise from 0 to the number of events, 2"),
        ({"offsets": [0, 2, 1, 2]}, ValueError, "offsets must rise"),
        ({"offsets": []}, ValueError, "one dimension"),
        ({"users": ["u", "v"]}, ValueError, r"users has shape \(2,\), but must have 1 values"),
        ({"users": [None]}, ValueError, "'users' has a missing value"),
        ({"ids": [1, 2]}, ValueError, r"ids has shape \(2,\), but must have 1"),
        ({"event_times": [1]}, ValueError, r"event_times has shape \(1,\), but must have 2"),
        ({"event_times": [1, np.nan]}, ValueError, r"event_times\[1\] is missing"),
        (
            {"event_times": ["x", "y"]},
            TypeError,
            "event_times must be an array of numbers or datetime64",
        ),
        (
            {"labels": [[1]]},
            ValueError,
            r"labels has shape \(1, 1\), but must have one row for each of 2 events",
        ),
        ({"labels": [0.5, 1]}, TypeError, "labels must be integers"),
        ({"target_start": [0]}, ValueError, "target_start must be at least 1"),
        ({"target_start": [1, 1]}, ValueError, "target_start has shape"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        with_all(**changes)


def test_dtypes_of_the_container(five: Sessions) -> None:
    assert (five.codes.dtype, five.offsets.dtype, five.labels.dtype) == (
        np.int32,
        np.int64,
        np.int32,
    )
    assert (five.target_start.dtype, five.users.dtype, five.ids.dtype) == (
        np.int32,
        object,
        np.int64,
    )
    assert with_all(labels=[3, 4]).labels.tolist() == [[3], [4]]


@pytest.mark.parametrize(
    "copy", [lambda s: s, lambda s: pickle.loads(pickle.dumps(s)), lambda s: s[:]]
)
def test_sessions_are_immutable(five: Sessions, copy: Any) -> None:
    sessions = copy(five)
    for name in ("codes", "offsets", "users", "event_times", "labels", "ids", "target_start"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(sessions, name)[:] = 0
        with pytest.raises(AttributeError):
            setattr(sessions, name, None)


def test_the_arrays_given_stay_writable() -> None:
    codes = np.zeros(2, dtype=np.int32)
    with_all(codes=codes)
    codes[0] = 3
    assert codes.tolist() == [3, 0]


def test_equality_compares_ids_and_not_codes(five: Sessions) -> None:
    assert five == pickle.loads(pickle.dumps(five)) == five[:]
    assert (
        five != five[::-1]
        and five != five.to_lists()
        and five != five.with_labels(np.zeros(10, int))
    )
    wide = Sessions.from_lists([["b"]], vocabulary=Vocabulary(["a", "b"]))
    assert wide == Sessions.from_lists([["b"]]) != Sessions.from_lists([["a"]])
    assert Sessions.from_lists([["a"]], times=[1]) != Sessions.from_lists([["a"]])
    dated = Sessions.from_lists([["a"]], times=np.array(["2020"], dtype="datetime64[D]"))
    assert dated != Sessions.from_lists([["a"]], times=[1])
    with pytest.raises(TypeError, match="unhashable"):
        hash(five)


def test_sessions_make_no_array(five: Sessions) -> None:
    with pytest.raises(TypeError, match=r"use .codes and .offsets, or .to_lists\(\)"):
        np.asarray(five)


def test_repr_counts(five: Sessions) -> None:
    expected = "Sessions(5 sessions, 10 events, 4 items; users, event_times, 2 label columns)"
    assert repr(five) == expected


# ---- scikit-learn ----


class LongestSession(BaseEstimator):
    """Learns the items; scores by the share of sessions that are lists of known items."""

    def fit(self, X: Sessions, y: Any = None) -> LongestSession:
        assert isinstance(X, Sessions)
        self.items_ = {item for session in X for item in session}
        return self

    def score(self, X: Sessions, y: Any = None) -> float:
        assert isinstance(X, Sessions)
        return float(np.mean([set(session) <= self.items_ for session in X]))


def test_scikit_learn_indexes_sessions(five: Sessions) -> None:
    check_consistent_length(five, np.arange(5))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_consistent_length(five, np.arange(4))
    assert indexable(five)[0] is five
    for key in ([3, 0], np.array([3, 0]), np.array([True, False, False, True, False]), slice(1, 3)):
        assert _safe_indexing(five, key) == five[key]
    assert _safe_indexing(five, 3) == ["d", "a"]
    train, test = train_test_split(five, test_size=2, shuffle=False)
    assert (train, test) == (five[:3], five[3:])


def test_cross_validation_hands_out_sessions() -> None:
    sessions = Sessions.from_lists(
        [[i % 3, i % 2] for i in range(12)], users=[i // 2 for i in range(12)]
    )
    for cv, groups in ((KFold(3), None), (GroupKFold(2), sessions.users)):
        scores = cross_validate(
            LongestSession(), sessions, cv=cv, groups=groups, error_score="raise"
        )
        assert scores["test_score"].tolist() == [1.0] * cv.get_n_splits()
