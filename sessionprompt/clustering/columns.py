"""Columns of a table of items as features: what is learned of a column, and its values by it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import HashingVectorizer

from ..storage import from_json, to_json
from .features import Features

__all__ = [
    "COLUMN_KINDS",
    "Bins",
    "Categories",
    "Column",
    "VectorizedTexts",
    "Vectors",
    "Words",
    "guessed_kind",
    "is_missing",
    "learned_column",
]

COLUMN_KINDS = ("category", "number", "text", "vector")
SEVERAL = (list, set, frozenset, np.ndarray)  # a tuple may be one value


class Column(ABC):
    """What is learned of a column: the number of its features, and the features of any values."""

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Number of features, which is that of the rows of its prompt table."""

    @abstractmethod
    def features(self, values: Sequence[Any], name: str) -> Features:
        """Features of values, shape (n, n_rows); a missing value has none."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What was learned, in terms of JSON."""


@dataclass(frozen=True)
class Categories(Column):
    """Values that are numbered, one or several of an item; rare ones share the last number.

    Attributes
    ----------
    numbers : dict of hashable to int
        In the order of appearance.
    shares_rare : bool
        Whether values without a number have the last one together.
    """

    numbers: dict[Any, int]
    shares_rare: bool

    @classmethod
    def learn(cls, values: Iterable[Any], name: str, min_support: int) -> Self:
        """Numbers of the values that at least `min_support` items have."""
        counts = Counter(value for listed in _listed(values, name) for value in listed)
        frequent = [value for value, count in counts.items() if count >= min_support]
        numbers = {value: number for number, value in enumerate(frequent)}
        return cls(numbers, len(frequent) < len(counts))

    @property
    def n_rows(self) -> int:
        """Number of features: one a value, and one for all the rare ones."""
        return len(self.numbers) + self.shares_rare

    def features(self, values: Sequence[Any], name: str) -> Features:
        """Ones at the numbers of each item's values; a value that is new is a rare one."""
        rare = -1
        if self.shares_rare:
            rare = len(self.numbers)
        columns: list[int] = []
        bounds = [0]
        for listed in _listed(values, name):
            own = {self.numbers.get(value, rare) for value in listed}
            columns.extend(sorted(own - {-1}))
            bounds.append(len(columns))
        ones = np.ones(len(columns), dtype=np.float32)
        return sparse.csr_array((ones, columns, bounds), shape=(len(bounds) - 1, self.n_rows))

    def to_dict(self) -> dict[str, Any]:
        """Values and whether there are rare ones."""
        return {"values": to_json(list(self.numbers), "columns"), "shares_rare": self.shares_rare}


@dataclass(frozen=True)
class Bins(Column):
    """Numbers in bins between quantiles.

    Attributes
    ----------
    edges : tuple of float
        Rising; a number on an edge belongs to the bin above.
    """

    edges: tuple[float, ...]

    @classmethod
    def learn(cls, values: Sequence[Any], name: str, n_bins: int) -> Self:
        """Edges of bins that hold about equally many of the values."""
        numbers = _numbers(values, name)
        known = numbers[~np.isnan(numbers)]
        inner = np.quantile(known, np.arange(1, n_bins) / n_bins, method="higher")
        edges = np.unique(inner[inner > known.min()])
        return cls(tuple(edges.tolist()))

    @property
    def n_rows(self) -> int:
        """Number of bins."""
        return len(self.edges) + 1

    def features(self, values: Sequence[Any], name: str) -> Features:
        """A one at the bin of each number."""
        numbers = _numbers(values, name)
        known = ~np.isnan(numbers)
        bins = np.searchsorted(self.edges, numbers[known], side="right")
        bounds = np.append(0, np.cumsum(known))
        ones = np.ones(len(bins), dtype=np.float32)
        return sparse.csr_array((ones, bins, bounds), shape=(len(numbers), self.n_rows))

    def to_dict(self) -> dict[str, Any]:
        """Edges."""
        return {"edges": to_json(list(self.edges), "columns")}


@dataclass(frozen=True)
class Words(Column):
    """Words of texts, by their hashes."""

    n_words: int

    @property
    def n_rows(self) -> int:
        """Number of hashes."""
        return self.n_words

    def features(self, values: Sequence[Any], name: str) -> Features:
        """A one at the hash of each word."""
        hashes = HashingVectorizer(
            n_features=self.n_words, alternate_sign=False, norm=None, binary=True
        )
        return _csr(hashes.transform(_texts(values, name)))

    def to_dict(self) -> dict[str, Any]:
        """Number of hashes."""
        return {"n_words": self.n_words}


@dataclass(frozen=True)
class VectorizedTexts(Column):
    """Texts as a vectorizer of scikit-learn sees them."""

    vectorizer: Any
    n_features: int

    @classmethod
    def learn(cls, values: Sequence[Any], name: str, vectorizer: Any) -> Self:
        """Clone of the vectorizer, fitted on the texts."""
        fitted = clone(vectorizer).fit(_texts(values, name))
        return cls(fitted, fitted.transform([""]).shape[1])

    @property
    def n_rows(self) -> int:
        """Number of the vectorizer's features."""
        return self.n_features

    def features(self, values: Sequence[Any], name: str) -> Features:
        """Features that the vectorizer makes."""
        made = self.vectorizer.transform(_texts(values, name))
        if isinstance(made, np.ndarray):
            return made.astype(np.float32)
        return _csr(made)

    def to_dict(self) -> dict[str, Any]:
        """Nothing: it is code."""
        raise TypeError(
            "columns holds a vectorizer, which is code and cannot be stored; use 'text', or give "
            "its vectors as a column of vectors."
        )


@dataclass(frozen=True)
class Vectors(Column):
    """Vectors of one size, less their mean and scaled to length one."""

    mean: NDArray[np.float32]

    @classmethod
    def learn(cls, values: Sequence[Any], name: str) -> Self:
        """Mean of the vectors that are there."""
        matrix, known = _matrix(values, name, None)
        return cls(matrix[known].mean(axis=0, dtype=np.float64).astype(np.float32))

    @property
    def n_rows(self) -> int:
        """Size of the vectors."""
        return len(self.mean)

    def features(self, values: Sequence[Any], name: str) -> Features:
        """Vectors less the mean, each of length one; zero where there is none."""
        matrix, known = _matrix(values, name, self.n_rows)
        centered = np.where(known[:, None], matrix - self.mean, np.float32(0))
        lengths = np.linalg.norm(centered, axis=1, keepdims=True)
        return (centered / np.maximum(lengths, 1e-12)).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Mean."""
        return {"mean": to_json(self.mean.tolist(), "columns")}


def learned_column(stored: dict[str, Any]) -> Column:
    """The column whose `to_dict` was stored; a ValueError if it is none."""
    if "values" in stored:
        values = from_json(stored["values"])
        numbers = {value: number for number, value in enumerate(values)}
        return Categories(numbers, bool(stored["shares_rare"]))
    if "edges" in stored:
        return Bins(tuple(from_json(stored["edges"])))
    if "n_words" in stored:
        return Words(int(stored["n_words"]))
    if "mean" in stored:
        return Vectors(np.array(from_json(stored["mean"]), dtype=np.float32))
    raise ValueError(f"{sorted(stored)} describe no column of attributes.")


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN or NaT."""
    if value is None:
        return True
    if isinstance(value, SEVERAL):
        return False
    try:
        return bool(value != value)
    except TypeError:  # as of pandas.NA
        return True


def guessed_kind(values: Sequence[Any]) -> str:
    """Kind of a column by its values: floats and dates are numbers, lists of floats vectors.

    Everything else is categories, whole numbers and strings too.
    """
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return "vector"
    known = [value for value in values if not is_missing(value)]
    filled = [value for value in known if not isinstance(value, SEVERAL) or len(value)]
    if not filled:
        return "category"
    first = filled[0]
    if isinstance(first, SEVERAL):
        if isinstance(next(iter(first)), float | np.floating):
            return "vector"
        return "category"
    if all(isinstance(value, float | np.floating | date | np.datetime64) for value in filled):
        return "number"
    return "category"


def _listed(values: Iterable[Any], name: str) -> Iterable[list[Any]]:
    """Values of each item in a list, which is empty where none is known."""
    for row, value in enumerate(values):
        if isinstance(value, SEVERAL):
            listed = [one for one in value if not is_missing(one)]
        elif is_missing(value):
            listed = []
        else:
            listed = [value]
        for one in listed:
            if one.__hash__ is None:
                raise TypeError(
                    f"row {row} of {name!r} holds {one!r}, which is neither a value nor a list of "
                    "values; give values that can be hashed."
                )
        yield listed


def _numbers(values: Sequence[Any], name: str) -> NDArray[np.float64]:
    """Numbers, NaN where one is missing."""
    numbers = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        if is_missing(value):
            continue
        try:
            numbers[row] = _number(value)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"row {row} of {name!r} is {value!r}, which is no number; say "
                f"columns={{{name!r}: 'category'}}, or convert the column."
            ) from error
    return numbers


def _number(value: Any) -> float:
    """A number, that of a date in seconds since 1970; without a zone it counts as UTC."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC).timestamp()
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, date | np.datetime64):
        seconds: Any = np.datetime64(value).astype("datetime64[s]")
        return float(seconds.astype(np.int64))
    return float(value)


def _texts(values: Sequence[Any], name: str) -> list[str]:
    """Texts, empty where one is missing."""
    texts = []
    for row, value in enumerate(values):
        if is_missing(value):
            texts.append("")
        elif isinstance(value, str):
            texts.append(value)
        else:
            raise TypeError(f"row {row} of {name!r} is {value!r}, which is no text; convert it.")
    return texts


def _matrix(
    values: Sequence[Any], name: str, size: int | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Vectors as rows, zero where one is missing, and which are there."""
    known = np.array([not is_missing(value) for value in values], dtype=bool)
    rows = np.flatnonzero(known).tolist()
    vectors = [_vector(value, name, row) for row, value in enumerate(values) if known[row]]
    if size is None:
        size = len(vectors[0])
    for row, vector in zip(rows, vectors, strict=True):
        if len(vector) != size or not size:
            raise ValueError(
                f"row {row} of {name!r} is a vector of {len(vector)} numbers, others have {size}; "
                "give all of them one size, 1 or more."
            )
    matrix = np.zeros((len(values), size), dtype=np.float32)
    matrix[known] = np.reshape(vectors, (len(vectors), size))
    broken = ~np.isfinite(matrix).all(axis=1)
    if broken.any():
        raise ValueError(
            f"row {int(broken.argmax())} of {name!r} is a vector with a number that is not finite "
            f"({int(broken.sum())} such rows); give None for an item without a vector."
        )
    return matrix, known


def _vector(value: Any, name: str, row: int) -> NDArray[np.float32]:
    """A vector of numbers; a TypeError if a value is none."""
    try:
        vector = np.asarray(value)
        if vector.ndim == 1 and vector.dtype.kind in "biufO":
            return vector.astype(np.float32)
    except (TypeError, ValueError):
        pass  # numbers of differing depth, or none
    raise TypeError(
        f"row {row} of {name!r} is {value!r}, which is no vector; give a list of numbers, or say "
        f"columns={{{name!r}: 'category'}}."
    )


def _csr(matrix: Any) -> sparse.csr_array:
    """Sparse features of any form as csr_array in single precision."""
    return sparse.csr_array(matrix, dtype=np.float32)
