"""Splits of sessions for training and testing: by time, or inside sessions for parity."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

import numpy as np

from ._checks import check_integer, is_integer, is_number
from .sessions import Sessions, as_sessions, span_seconds

__all__ = ["TemporalSessionSplit", "temporal_train_test_split", "within_session_split"]

FEW = 0.01  # of the sessions: a smaller test part is likely a mistake
LATEST = 1e11  # seconds, in the year 5138: what is larger counts in smaller units


def temporal_train_test_split(
    X: Sessions | list[Any], *, test_size: float | str | timedelta | np.timedelta64 = 0.1
) -> tuple[Sessions, Sessions]:
    """Sessions to train on, and the newest ones for testing.

    A session is as new as its last event; without times, later rows are newer. Both parts keep the
    order of the rows. Of sessions that end at the same moment, later rows are newer.

    Parameters
    ----------
    X : Sessions or list of lists
    test_size : float, int, str, timedelta or timedelta64, default=0.1
        A share of the sessions between 0 and 1, rounded, with at least one session on either side;
        or a number of sessions; or, if X has times, a span such as ``"1d"`` (s, min, h, d): the
        sessions that end within it before the newest end are the test part. Numeric times are then
        taken as seconds.

    Returns
    -------
    (train, test) : tuple of Sessions

    Raises
    ------
    TypeError
        If `test_size` is of another type.
    ValueError
        If a part would be empty, or a span cannot be measured in the times of X.

    Warns
    -----
    UserWarning
        If a span holds less than one in a hundred sessions.

    Examples
    --------
    >>> train, test = temporal_train_test_split([["a", "b"], ["b", "c"], ["c", "a"]], test_size=1)
    >>> test.to_lists()
    [['c', 'a']]
    """
    X = as_sessions(X)
    if len(X) < 2:
        raise ValueError(f"X has {len(X)} sessions; a split needs at least 2.")
    if isinstance(test_size, str | timedelta | np.timedelta64):
        is_test = _ends_within(X, test_size)
    else:
        newest = oldest_first(X)[-_n_newest(len(X), test_size) :]
        is_test = np.zeros(len(X), dtype=bool)
        is_test[newest] = True
    return X[~is_test], X[is_test]


def oldest_first(X: Sessions) -> np.ndarray:
    """Rows of sessions by the times of their ends, those of equal ends as they are, shape (n,).

    Examples
    --------
    >>> oldest_first(Sessions.from_lists([["a"], ["b"], ["c"]], times=[3, 1, 2])).tolist()
    [1, 2, 0]
    """
    if X.times is None:
        return np.arange(len(X))
    return np.argsort(X.times, kind="stable")


def _n_newest(n: int, test_size: Any) -> int:
    """Number of test sessions, of a share or a number."""
    if not is_number(test_size):
        raise TypeError(
            f"test_size={test_size!r} must be a share, a number of sessions or a span of time."
        )
    size = float(test_size)
    if is_integer(test_size):
        if not 1 <= size < n:
            raise ValueError(f"test_size={test_size} is outside 1..{n - 1}, as X has {n} sessions.")
        return int(size)
    if not 0 < size < 1:
        raise ValueError(
            f"test_size={test_size} is no share between 0 and 1; pass an int to count sessions."
        )
    return min(max(1, round(size * n)), n - 1)


def _ends_within(X: Sessions, span: str | timedelta | np.timedelta64) -> np.ndarray:
    """Mask of the sessions that end within `span` before the newest end, shape (n,)."""
    if X.times is None:
        raise ValueError(
            f"test_size={span!r} needs times, and X has none; pass a share or a number."
        )
    seconds = span_seconds("test_size", span)
    newest = np.fmax.reduce(X.times)
    dated = X.times.dtype.kind == "M"
    if not dated and newest > LATEST:
        raise ValueError(
            f"test_size={span!r} takes times as seconds, but {newest} looks like milliseconds; "
            "make sessions of datetimes, or pass a share or a number."
        )
    if dated:
        oldest = newest - np.timedelta64(round(seconds * 1e6), "us")
    else:
        oldest = newest - seconds
    is_test = X.times >= oldest
    if is_test.all():
        raise ValueError(f"test_size={span!r} spans all {len(X)} sessions; pass a shorter span.")
    n_test = np.count_nonzero(is_test)
    if n_test < FEW * len(X):
        warnings.warn(
            f"test_size={span!r} makes a test part of {n_test} of {len(X)} sessions, those that "
            f"end within it before {newest}; if a few late sessions stand alone there, leave them "
            "out, or pass a longer span or a share.",
            stacklevel=3,
        )
    return is_test


class TemporalSessionSplit:
    """Cross-validation in the order of time: every fold tests on newer sessions than it trains on.

    The newest sessions are cut into `n_splits` test parts of equal size, taken from the oldest to
    the newest, each after training on all sessions before it. The rows may come in any order;
    without times, later rows are newer.

    Parameters
    ----------
    n_splits : int, default=3
        Number of folds.
    test_size : int, optional
        Sessions in each test part; by default the number of sessions divided by ``n_splits + 1``.
    max_train_size : int, optional
        At most this many sessions, the newest ones before the test part, to train on.

    Examples
    --------
    >>> splitter = TemporalSessionSplit(2)
    >>> for train, test in splitter.split([["a", "b"], ["b", "c"], ["c", "a"]]):
    ...     print(train, test)
    [0] [1]
    [0 1] [2]
    """

    def __init__(
        self, n_splits: int = 3, *, test_size: int | None = None, max_train_size: int | None = None
    ) -> None:
        self.n_splits = n_splits
        self.test_size = test_size
        self.max_train_size = max_train_size

    def split(
        self, X: Sessions | list[Any], y: object = None, groups: object = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows to train on and rows to test on of each fold, both ascending.

        Parameters
        ----------
        X : Sessions or list of lists
        y, groups : ignored

        Yields
        ------
        (train, test) : tuple of ndarray of int

        Raises
        ------
        TypeError
            If a parameter is no integer.
        ValueError
            If a parameter is below 1, or there are too few sessions for the folds.
        """
        X = as_sessions(X)
        order = oldest_first(X)
        size = self._fold_size(len(X))
        for start in range(len(X) - self.n_splits * size, len(X), size):
            oldest = max(0, start - (self.max_train_size or start))
            yield np.sort(order[oldest:start]), np.sort(order[start : start + size])

    def _fold_size(self, n: int) -> int:
        """Sessions in each test part of n sessions."""
        for name, value in vars(self).items():
            if name == "n_splits" or value is not None:
                check_integer(name, value)
        size = self.test_size or max(1, n // (self.n_splits + 1))
        if n <= self.n_splits * size:
            raise ValueError(
                f"n_splits={self.n_splits} test parts of {size} need at least "
                f"{self.n_splits * size + 1} sessions, but X has {n}; "
                "ask for fewer or smaller ones."
            )
        return size

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """Number of folds.

        Parameters
        ----------
        X, y, groups : ignored

        Returns
        -------
        int
        """
        return self.n_splits

    def get_params(self, deep: bool = True) -> dict[str, int | None]:
        """Parameters by name, as scikit-learn's ``clone`` asks for them.

        Parameters
        ----------
        deep : bool, default=True
            Ignored.

        Returns
        -------
        dict of str to int or None
        """
        return dict(vars(self))

    def set_params(self, **params: int | None) -> Self:
        """Change parameters.

        Parameters
        ----------
        **params
            ``n_splits``, ``test_size``, ``max_train_size``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a name is none of these.
        """
        unknown = sorted(params.keys() - vars(self).keys())
        if unknown:
            known = ", ".join(vars(self))
            raise ValueError(f"{unknown[0]!r} is no parameter of the split; choose among {known}.")
        vars(self).update(params)
        return self

    def get_metadata_routing(self) -> Any:
        """Metadata that `split` asks for, as routers of scikit-learn want to know: none.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRequest
        """
        from sklearn.utils.metadata_routing import MetadataRequest  # slow to import

        return MetadataRequest(owner=type(self).__name__)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TemporalSessionSplit):
            return NotImplemented
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"TemporalSessionSplit({params})"


def within_session_split(X: Sessions | list[Any]) -> tuple[Sessions, Sessions, Sessions]:
    """Split inside every session, as CLIP-SBR's released code does: it leaks, so only for parity.

    The n - 1 targets of a session of n events go to training, validation and test in the order of
    time: the last tenth, rounded down but at least one, to test, as many before them to validation,
    the rest to training (a single target is for training only, of two the second is for test). So a
    session is in all three parts: no session, user or period of the test is new, and figures
    compare only with others of this split. For a fair test use :func:`temporal_train_test_split`.

    Parameters
    ----------
    X : Sessions or list of lists

    Returns
    -------
    (train, valid, test) : tuple of Sessions
        Sessions cut after their last target in the part; ``target_start`` marks the first one, and
        what is before it is context. Ids and users are kept; sessions without a target in a part
        are left out of it.

    Examples
    --------
    >>> train, valid, test = within_session_split([["a", "b", "c", "d"], ["b", "c"]])
    >>> train.to_lists(), valid.to_lists(), test.to_lists()
    ([['a', 'b'], ['b', 'c']], [['a', 'b', 'c']], [['a', 'b', 'c', 'd']])
    >>> valid.target_start, test.target_start
    (array([2], dtype=int32), array([3], dtype=int32))
    """
    X = as_sessions(X)
    n_targets = np.maximum(X.lengths - 1, 0)
    tenth = np.maximum(n_targets // 10, 1)
    n_test = np.where(n_targets >= 2, tenth, 0)
    n_valid = np.where(n_targets >= 3, tenth, 0)
    n_train = n_targets - n_valid - n_test
    train = _with_targets(X, np.ones_like(n_train), n_train)
    valid = _with_targets(X, 1 + n_train, n_valid)
    test = _with_targets(X, 1 + n_train + n_valid, n_test)
    return train, valid, test


def _with_targets(X: Sessions, start: np.ndarray, n_targets: np.ndarray) -> Sessions:
    """Sessions with targets, cut after the last of them; the first is at position `start`."""
    rows = np.flatnonzero(n_targets)
    cut = X.prefixes(rows, (start + n_targets)[rows])
    return replace(cut, target_start=start[rows])
