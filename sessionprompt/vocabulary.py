"""The two-way map between the ids of the outside world and the codes 0..n-1 used inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Vocabulary", "distinct_values", "id_array"]

FEW = 64  # numbers that a dict tells apart faster than a sort


class Vocabulary:
    """Immutable two-way map between external ids and codes.

    Parameters
    ----------
    ids : array-like of shape (n,)
        Distinct ids of one kind: numbers, strings, or any other hashable. They are sorted if they
        can be, otherwise they keep their order. ``1``, ``1.0`` and ``np.int64(1)`` are the same id.

    Attributes
    ----------
    ids : ndarray of shape (n,), int64, float64 or object
        The id of each code, read-only.

    Raises
    ------
    TypeError
        If the ids are of several kinds, booleans, or not hashable.
    ValueError
        If an id is missing (None, NaN) or occurs twice.

    Examples
    --------
    >>> vocabulary = Vocabulary(["tea", "cup", "pot"])
    >>> vocabulary.encode(["pot", "cup", "jam"])
    array([ 1,  0, -1], dtype=int32)
    >>> vocabulary.decode([1, 0])
    array(['pot', 'cup'], dtype=object)
    """

    def __init__(self, ids: ArrayLike | Iterable[Any]) -> None:
        clean = id_array(ids, "ids")
        self.ids: NDArray[Any] = _frozen(distinct_values(clean)[0])
        if len(self.ids) < len(clean):
            raise ValueError(
                f"ids must be distinct, but {len(clean)} of them hold {len(self.ids)} different ones; "
                "use Vocabulary.from_values for values that repeat."
            )

    @classmethod
    def from_values(
        cls, values: ArrayLike | Iterable[Any], name: str = "item"
    ) -> tuple[Vocabulary, NDArray[np.int32]]:
        """Return the vocabulary of all distinct values, and the code of each value.

        Parameters
        ----------
        values : array-like of shape (n_values,)
            Ids, with repetitions.
        name : str
            What the values are called in error messages.

        Returns
        -------
        vocabulary : Vocabulary
        codes : ndarray of shape (n_values,), int32

        Examples
        --------
        >>> vocabulary, codes = Vocabulary.from_values([30, 10, 30])
        >>> vocabulary.ids, codes
        (array([10, 30]), array([1, 0, 1], dtype=int32))
        """
        ids, codes = distinct_values(id_array(values, name))
        return cls._trusted(ids), codes

    @classmethod
    def _trusted(cls, ids: NDArray[Any]) -> Vocabulary:
        vocabulary = cls.__new__(cls)
        vocabulary.ids = _frozen(ids)
        return vocabulary

    def encode(self, values: ArrayLike | Iterable[Any], name: str = "item") -> NDArray[np.int32]:
        """Return the code of each value, -1 for values that are not in the vocabulary.

        Parameters
        ----------
        values : array-like of shape (n_values,)
            Ids of the vocabulary's kind.
        name : str
            What the values are called in error messages.

        Returns
        -------
        ndarray of shape (n_values,), int32

        Raises
        ------
        TypeError
            If the values are of another kind than the vocabulary: all of them would silently be
            unknown.

        Examples
        --------
        >>> Vocabulary([10, 30]).encode([30.0, 20])
        array([ 1, -1], dtype=int32)
        """
        wanted = id_array(values, name)
        if len(wanted) == 0 or len(self) == 0:
            return np.full(len(wanted), -1, dtype=np.int32)
        if _kind_of(wanted) != _kind_of(self.ids):
            [value], [id_] = wanted[:1].tolist(), self.ids[:1].tolist()
            raise TypeError(
                f"{name!r} holds {_kind_of(wanted)}s (first {value!r}), but the vocabulary holds "
                f"{_kind_of(self.ids)}s (first {id_!r}); convert one of them."
            )
        if wanted.dtype == object or self.ids.dtype == object:
            return np.fromiter(
                map(self._index.get, wanted.tolist(), repeat(-1)), np.int32, len(wanted)
            )
        return _search(self.ids, wanted)

    def decode(self, codes: ArrayLike) -> NDArray[Any]:
        """Return the id of each code.

        Parameters
        ----------
        codes : array-like of int, any shape
            Codes in 0..n-1.

        Returns
        -------
        ndarray of the shape of ``codes``, dtype of ``ids``

        Raises
        ------
        ValueError
            If a code is -1 (unknown) or otherwise outside 0..n-1.

        Examples
        --------
        >>> Vocabulary([10, 30]).decode([1, 1])
        array([30, 30])
        """
        codes = np.asarray(codes)
        if codes.size == 0:
            return self.ids[:0].reshape(codes.shape)
        if codes.dtype.kind not in "iu":
            raise TypeError(f"codes must be integers, got {codes.dtype}.")
        bad = codes.min() if codes.min() < 0 else codes.max()
        if not 0 <= bad < len(self):
            raise ValueError(
                f"code {bad} has no id; a vocabulary of {len(self)} ids has codes from 0 below that."
            )
        return self.ids[codes]

    def subset(self, codes: ArrayLike) -> Vocabulary:
        """Return the vocabulary of these codes only, in the order of the codes.

        Parameters
        ----------
        codes : array-like of int
            Codes to keep; repetitions and order do not matter.

        Returns
        -------
        Vocabulary

        Examples
        --------
        >>> Vocabulary([10, 30, 50]).subset([2, 0, 2])
        Vocabulary(2 numbers: 10, 50)
        """
        return self._trusted(self.decode(np.unique(np.asarray(codes))))

    def translate(self, other: Vocabulary) -> NDArray[np.int32]:
        """Return my code for each code of another vocabulary, -1 where I do not know the id.

        Parameters
        ----------
        other : Vocabulary
            The vocabulary to translate from.

        Returns
        -------
        ndarray of shape (len(other),), int32

        Examples
        --------
        >>> Vocabulary(["a", "c"]).translate(Vocabulary(["a", "b", "c"]))
        array([ 0, -1,  1], dtype=int32)
        """
        return np.arange(len(self), dtype=np.int32) if other is self else self.encode(other.ids)

    @cached_property
    def _index(self) -> dict[Any, int]:
        return {id_: code for code, id_ in enumerate(self.ids.tolist())}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, value: object) -> bool:
        return value in self._index

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self is other or np.array_equal(self.ids, other.ids)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return self._trusted, (np.array(self.ids),)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.ids[:4].tolist())) + (", ..." if len(self) > 4 else "")
        return (
            f"Vocabulary({len(self)} {_kind_of(self.ids)}s: {shown})"
            if len(self)
            else "Vocabulary(empty)"
        )


def _row(row: int) -> str:
    return f"row {row}"


def id_array(
    values: ArrayLike | Iterable[Any], name: str = "item", locate: Callable[[int], str] = _row
) -> NDArray[Any]:
    """Return ids as an int64, float64 or object array, refusing missing values and mixed kinds.

    Parameters
    ----------
    values : array-like of shape (n,)
        Ids.
    name : str
        What the ids are called in error messages.
    locate : callable
        Says in words where the i-th value stands, for error messages.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    TypeError
        If the ids are of several kinds, booleans, or not hashable.
    ValueError
        If an id is missing (None, NaN, NaT).

    Examples
    --------
    >>> id_array([1, 2.5])
    array([1. , 2.5])
    """
    if isinstance(values, str | bytes):
        raise TypeError(f"{name!r} must be a list or an array of ids, got {values!r}.")
    if not isinstance(values, np.ndarray) and hasattr(values, "__array__"):
        values = np.asarray(values)
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"{name!r} must have one dimension, got shape {values.shape}.")
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        array = _number_array(values)
    else:
        array = _checked_objects(_as_list(values), name, locate)
    if array.dtype.kind == "f" and (missing := np.isnan(array)).any():
        raise _missing(name, float("nan"), locate(int(missing.argmax())))
    return array


def _as_list(values: Any) -> list[Any]:
    return (
        values.tolist()
        if isinstance(values, np.ndarray) and values.dtype.kind in "bOSU"
        else list(values)
    )


def _checked_objects(values: list[Any], name: str, locate: Callable[[int], str]) -> NDArray[Any]:
    types = set(map(type, values))
    kinds = set(map(_kind, types))
    if (
        len(kinds) > 1
        or kinds & {"null", "boolean"}
        or any(type_.__hash__ is None for type_ in types)
    ):
        raise _first_fault(values, name, locate)
    if "datetime64" in kinds and np.isnat(np.array(values)).any():
        raise _first_fault(values, name, locate)
    if "number" in kinds or not kinds:
        return _number_list(values, types)
    return _object_array(map(str, values) if np.str_ in types else values, len(values))


def _first_fault(values: list[Any], name: str, locate: Callable[[int], str]) -> Exception:
    first = _kind(type(values[0]))
    for row, value in enumerate(values):
        kind = _kind(type(value))
        if kind == "null" or (kind in ("number", "datetime64") and value != value):  # NaN, NaT
            return _missing(name, value, locate(row))
        if kind == "boolean" or type(value).__hash__ is None:
            return TypeError(
                f"{name!r} holds {value!r} in {locate(row)}, and a {kind} is no id; convert it."
            )
        if kind != first:
            break
    return TypeError(
        f"{name!r} mixes kinds: {values[0]!r} in {locate(0)} is a {first}, {value!r} in {locate(row)} "
        f"is a {kind}; convert them to one kind."
    )


def _missing(name: str, value: object, where: str) -> ValueError:
    return ValueError(
        f"{name!r} has a missing value ({value}) in {where}; drop or fill such values first."
    )


def _kind(type_: type) -> str:
    if issubclass(type_, bool | np.bool_):
        return "boolean"
    if issubclass(type_, int | float | np.integer | np.floating):
        return "number"
    if type_.__name__ in {"NoneType", "NAType", "NaTType"}:
        return "null"
    return "string" if issubclass(type_, str) else type_.__name__


def _kind_of(ids: NDArray[Any]) -> str:
    return _kind(type(ids[0]))


def _number_array(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind == "u" and array.max(initial=0) > np.iinfo(np.int64).max:
        return _object_array(array.tolist(), len(array))
    return array.astype(np.int64, copy=False)


def _number_list(values: list[Any], types: set[type]) -> NDArray[Any]:
    if not all(issubclass(type_, int | np.integer) for type_ in types):
        return np.array(values, dtype=np.float64)
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return _object_array(map(int, values), len(values))


def _object_array(values: Iterable[Any], n: int) -> NDArray[Any]:
    return np.fromiter(values, dtype=object, count=n)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.setflags(write=False)
    return view


def distinct_values(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return the distinct values of an id array, sorted if they can be, and the code of each value."""
    if values.dtype == object:
        return _distinct_objects(values.tolist())
    if len(values) < FEW:
        few, codes = _distinct_objects(values.tolist())
        return few.astype(values.dtype), codes
    if values.dtype.kind == "i" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < 4 * len(values) + 1024:
            return _distinct_dense(values, low, high)
    ids, inverse = np.unique(values, return_inverse=True)
    return ids, inverse.astype(np.int32)


def _distinct_objects(values: list[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    ids = list(dict.fromkeys(values))
    try:
        ids.sort()
    except TypeError:
        ids = list(dict.fromkeys(values))  # a failed sort leaves the list half sorted
    index = {id_: code for code, id_ in enumerate(ids)}
    codes = np.fromiter(map(index.__getitem__, values), dtype=np.int32, count=len(values))
    return _object_array(ids, len(ids)), codes


def _distinct_dense(
    values: NDArray[Any], low: int, high: int
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    shifted = values - low
    present = np.zeros(high - low + 1, dtype=bool)
    present[shifted] = True
    code_of = np.cumsum(present, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(present) + low, code_of[shifted]


def _search(ids: NDArray[Any], values: NDArray[Any]) -> NDArray[np.int32]:
    if values.dtype != ids.dtype:
        # a float beyond int64 becomes some integer and fails the way back
        with np.errstate(invalid="ignore"):
            cast = values.astype(ids.dtype)
            exact = cast.astype(values.dtype) == values
        return np.where(exact, _search(ids, cast), np.int32(-1))
    codes = np.minimum(np.searchsorted(ids, values), len(ids) - 1)
    return np.where(ids[codes] == values, codes, -1).astype(np.int32)
