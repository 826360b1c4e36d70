"""Splits by time, cross-validation by time, and the split inside sessions."""

from __future__ import annotations

import warnings
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, check_cv, cross_validate

from sessionprompt.model_selection import (
    TemporalSessionSplit,
    temporal_train_test_split,
    within_session_split,
)
from sessionprompt.sessions import Sessions

laws = settings(max_examples=50, deadline=None)


def sessions_ending_at(times) -> Sessions:
    """One session of two events per time, whose id tells the row."""
    return Sessions.from_lists(
        [[f"i{k % 7}", "x"] for k in range(len(times))], times=np.asarray(times)
    )


distinct_times = st.lists(st.integers(0, 1000), min_size=2, max_size=30, unique=True)
some_times = st.lists(st.integers(0, 5), min_size=2, max_size=30)


class TestTemporalTrainTestSplit:
    @given(some_times, st.floats(0.01, 0.99))
    @laws
    def test_no_test_session_is_older_than_any_of_train(self, times, share):
        X = sessions_ending_at(times)
        train, test = temporal_train_test_split(X, test_size=share)
        assert train.times.max() <= test.times.min()
        assert sorted([*train.ids, *test.ids]) == list(range(len(X)))
        assert abs(len(test) - share * len(X)) <= 1

    @given(distinct_times, st.randoms())
    @laws
    def test_any_row_order_gives_the_same_sets_in_the_order_of_the_rows(self, times, random):
        X = sessions_ending_at(times)
        order = random.sample(range(len(X)), len(X))
        for part, shuffled in zip(
            temporal_train_test_split(X, test_size=0.3),
            temporal_train_test_split(X[order], test_size=0.3),
            strict=True,
        ):
            assert set(part.ids) == set(shuffled.ids)
            assert shuffled.ids.tolist() == [k for k in order if k in set(part.ids)]

    def test_share_is_rounded_and_leaves_both_parts_something(self):
        X = sessions_ending_at(range(100))
        assert [
            len(temporal_train_test_split(X, test_size=s)[1]) for s in (0.07, 0.101, 0.001, 0.999)
        ] == [
            7,
            10,
            1,
            99,
        ]
        assert len(temporal_train_test_split(X)[1]) == 10

    @pytest.mark.parametrize("size", [3, np.int64(3)])
    def test_number_of_sessions(self, size):
        train, test = temporal_train_test_split(sessions_ending_at([5, 1, 4, 2, 3]), test_size=size)
        assert (train.times.tolist(), test.times.tolist()) == ([1, 2], [5, 4, 3])

    def test_later_rows_are_newer_among_equal_ends(self):
        _, test = temporal_train_test_split(sessions_ending_at([7, 3] * 50), test_size=30)
        assert test.ids.tolist() == list(range(40, 100, 2))

    def test_row_order_counts_without_times(self):
        train, test = temporal_train_test_split([["a", "b"], ["c", "d"], ["e", "f"]], test_size=1)
        assert (train.to_lists(), test.to_lists()) == ([["a", "b"], ["c", "d"]], [["e", "f"]])

    @pytest.mark.parametrize(
        "span",
        ["1d", "1 d", "24h", "1440 min", "86400s", timedelta(days=1), np.timedelta64(1, "D")],
    )
    @pytest.mark.parametrize("dated", [True, False])
    def test_span_before_the_newest_end(self, span, dated):
        times = np.array([0, 86399, 86400, 172800, 100000])
        X = sessions_ending_at(times.astype("datetime64[s]") if dated else times)
        _, test = temporal_train_test_split(X, test_size=span)
        assert test.ids.tolist() == [2, 3, 4]

    @pytest.mark.parametrize(
        ("size", "error", "message"),
        [
            (0.0, ValueError, "test_size=0.0 is no share between 0 and 1"),
            (1.0, ValueError, "test_size=1.0 is no share between 0 and 1"),
            (float("nan"), ValueError, "test_size=nan is no share"),
            (0, ValueError, r"test_size=0 is outside 1\.\.3, as X has 4 sessions"),
            (4, ValueError, r"test_size=4 is outside 1\.\.3"),
            (-1, ValueError, r"test_size=-1 is outside 1\.\.3"),
            (True, TypeError, "test_size=True must be a share"),
            (None, TypeError, "test_size=None must be a share"),
            (
                "soon",
                ValueError,
                "test_size='soon' is not understood; write a number and one of s, min, h, d",
            ),
            ("0d", ValueError, "test_size='0d' must be longer than zero"),
            (
                timedelta(0),
                ValueError,
                r"test_size=datetime.timedelta\(0\) must be longer than zero",
            ),
            ("2h", ValueError, "test_size='2h' spans all 4 sessions"),
        ],
    )
    def test_errors(self, size, error, message):
        with pytest.raises(error, match=message):
            temporal_train_test_split(sessions_ending_at([0, 1, 2, 3]), test_size=size)

    def test_spans_need_times_in_a_known_unit(self):
        with pytest.raises(ValueError, match="test_size='1d' needs times, and X has none"):
            temporal_train_test_split([["a", "b"], ["c", "d"]], test_size="1d")
        with pytest.raises(ValueError, match="looks like milliseconds"):
            temporal_train_test_split(sessions_ending_at([1.6e12, 1.7e12]), test_size="1d")

    def test_too_few_sessions(self):
        with pytest.raises(ValueError, match="X has 1 sessions; a split needs at least 2"):
            temporal_train_test_split([["a", "b"]])


class FirstItemRate(BaseEstimator):
    """Scores best for one value of its parameter, and knows how new its training sessions were."""

    def __init__(self, bonus=0):
        self.bonus = bonus

    def fit(self, X, y=None):
        self.newest_ = X.times.max()
        return self

    def score(self, X, y=None):
        assert X.times.min() > self.newest_
        return self.bonus


class TestTemporalSessionSplit:
    @given(distinct_times, st.integers(1, 5), st.randoms())
    @laws
    def test_folds_go_forward_in_time_whatever_the_row_order(self, times, n_splits, random):
        if len(times) <= n_splits:
            return
        X = sessions_ending_at(times)
        order = np.array(random.sample(range(len(X)), len(X)))
        folds = list(TemporalSessionSplit(n_splits).split(X))
        assert len(folds) == n_splits
        for (train, test), (train_2, test_2) in zip(
            folds, TemporalSessionSplit(n_splits).split(X[order]), strict=True
        ):
            assert X.times[train].max() < X.times[test].min()
            assert (set(train), set(test)) == (set(order[train_2]), set(order[test_2]))
            assert (np.diff(train) > 0).all()
        assert max(times) in X.times[folds[-1][1]]

    @given(
        st.integers(9, 40),
        st.integers(2, 4),
        st.sampled_from([None, 1, 2]),
        st.sampled_from([None, 1, 3, 50]),
    )
    @laws
    def test_equals_time_series_split_on_sorted_rows(self, n, n_splits, test_size, max_train_size):
        params = {"test_size": test_size, "max_train_size": max_train_size}
        ours = TemporalSessionSplit(n_splits, **params).split(sessions_ending_at(range(n)))
        theirs = TimeSeriesSplit(n_splits, **params).split(np.zeros(n))
        for our_fold, their_fold in zip(ours, theirs, strict=True):
            assert [part.tolist() for part in our_fold] == [part.tolist() for part in their_fold]

    def test_lists_go_by_row(self):
        folds = [
            [part.tolist() for part in fold]
            for fold in TemporalSessionSplit(2).split([["a", "b"]] * 3)
        ]
        assert folds == [[[0], [1]], [[0, 1], [2]]]

    def test_in_scikit_learn(self):
        X = sessions_ending_at([9, 3, 5, 1, 7, 8, 2, 6])
        splitter = TemporalSessionSplit(3)
        assert check_cv(splitter).get_n_splits(X) == 3
        search = GridSearchCV(
            FirstItemRate(), {"bonus": [0, 2, 1]}, cv=splitter, error_score="raise"
        ).fit(X)
        assert search.best_params_ == {"bonus": 2}
        assert (
            len(cross_validate(FirstItemRate(), X, cv=splitter, error_score="raise")["test_score"])
            == 3
        )

    def test_repr(self):
        assert repr(TemporalSessionSplit(2, test_size=5)) == (
            "TemporalSessionSplit(n_splits=2, test_size=5, max_train_size=None)"
        )

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"n_splits": 4}, "n_splits=4 test parts of 1 need at least 5 sessions, but X has 4"),
            (
                {"n_splits": 2, "test_size": 2},
                "n_splits=2 test parts of 2 need at least 5 sessions",
            ),
            ({"n_splits": 0}, "n_splits=0 is below 1"),
            ({"test_size": 0}, "test_size=0 is below 1"),
            ({"max_train_size": 0}, "max_train_size=0 is below 1"),
        ],
    )
    def test_errors(self, params, message):
        with pytest.raises(ValueError, match=message):
            list(TemporalSessionSplit(**params).split(sessions_ending_at(range(4))))

    @pytest.mark.parametrize("name", ["n_splits", "test_size", "max_train_size"])
    @pytest.mark.parametrize("value", [1.5, True, "2"])
    def test_counts_must_be_integers(self, name, value):
        with pytest.raises(TypeError, match=f"{name}={value!r} must be an integer"):
            list(TemporalSessionSplit(**{name: value}).split(sessions_ending_at(range(4))))


TABLE = {  # targets of a session -> how many of them in (train, valid, test)
    0: (0, 0, 0),
    1: (1, 0, 0),
    2: (1, 0, 1),
    3: (1, 1, 1),
    4: (2, 1, 1),
    19: (17, 1, 1),
    20: (16, 2, 2),
    29: (25, 2, 2),
    30: (24, 3, 3),
    49: (41, 4, 4),
}


class TestWithinSessionSplit:
    @pytest.mark.parametrize("n_targets", TABLE)
    def test_table(self, n_targets):
        parts = within_session_split([list(range(n_targets + 1)), [0, 1]])
        sizes = []
        for part in parts:
            rows = part.ids == 0
            sizes.append((part.lengths - part.target_start)[rows].sum())
        assert tuple(sizes) == TABLE[n_targets]

    @given(st.lists(st.integers(0, 60), min_size=1, max_size=12))
    @laws
    def test_parts_hold_every_target_once_and_in_order(self, lengths):
        X = Sessions.from_lists(
            [[f"{k}:{p}" for p in range(length)] for k, length in enumerate(lengths)]
        )
        targets: dict[int, list[str]] = {k: [] for k in range(len(X))}
        for part in within_session_split(X):
            for k, events, start in zip(part.ids, part.to_lists(), part.target_start, strict=True):
                assert events == X[int(k)][: len(events)]
                assert start < len(events)
                targets[k] += events[start:]
        assert targets == {k: X[k][1:] for k in range(len(X))}

    def test_ids_and_users_stay(self):
        X = Sessions.from_lists(
            [list("abcd"), list("ab"), list("abc")], users=["u", "v", "w"], ids=[70, 80, 90]
        )
        train, valid, test = within_session_split(X)
        assert [part.ids.tolist() for part in (train, valid, test)] == [
            [70, 80, 90],
            [70],
            [70, 90],
        ]
        assert [part.users.tolist() for part in (valid, test)] == [["u"], ["u", "w"]]
        assert test.vocabulary is X.vocabulary


@pytest.mark.parametrize(("n_late", "said"), [(4, True), (6, False)])
def test_a_span_that_holds_next_to_nothing_is_said(n_late: int, said: bool) -> None:
    times = np.append(np.arange(500 - n_late), 9e6 + np.arange(n_late))
    sessions = Sessions.from_lists([["a", "b"]] * 500, times=times)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, test = temporal_train_test_split(sessions, test_size="1d")
    assert len(test) == n_late
    found = [str(warning.message) for warning in caught]
    assert [f"a test part of {n_late} of 500 sessions" in text for text in found] == [True] * said
