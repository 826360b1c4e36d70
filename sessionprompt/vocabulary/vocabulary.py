"""Vocabulary: the two-way map between external ids and codes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .distinct import distinct_values
from .ids import id_array, kind_of_ids

__all__ = ["Vocabulary"]

SHOWN = 4  # ids in the text of a vocabulary


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
        distinct, _ = distinct_values(clean)
        self.ids: NDArray[Any] = _frozen(distinct)
        if len(self.ids) < len(clean):
            raise ValueError(
                f"ids must be distinct, but {len(clean)} of them hold {len(self.ids)} different "
                "ones; use Vocabulary.from_values for values that repeat."
            )

    @classmethod
    def from_values(
        cls, values: ArrayLike | Iterable[Any], name: str = "item"
    ) -> tuple[Vocabulary, NDArray[np.int32]]:
        """Vocabulary of all distinct values, and the code of each value.

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
        """Vocabulary of ids that are known to be distinct and in order."""
        vocabulary = cls.__new__(cls)
        vocabulary.ids = _frozen(ids)
        return vocabulary

    def encode(self, values: ArrayLike | Iterable[Any], name: str = "item") -> NDArray[np.int32]:
        """Code of each value, -1 for values that are not in the vocabulary.

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
        self._check_kind(wanted, name)
        if wanted.dtype == object or self.ids.dtype == object:
            codes = map(self._index.get, wanted.tolist(), repeat(-1))
            return np.fromiter(codes, np.int32, len(wanted))
        return _search(self.ids, wanted)

    def _check_kind(self, wanted: NDArray[Any], name: str) -> None:
        """Raise unless ids that are looked up are of the kind of those known."""
        asked = kind_of_ids(wanted)
        known = kind_of_ids(self.ids)
        if asked != known:
            [value] = wanted[:1].tolist()
            [id_] = self.ids[:1].tolist()
            raise TypeError(
                f"{name!r} holds {asked}s (first {value!r}), but the vocabulary holds "
                f"{known}s (first {id_!r}); convert one of them."
            )

    def decode(self, codes: ArrayLike) -> NDArray[Any]:
        """Id of each code.

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
        for code in (codes.min(), codes.max()):
            if not 0 <= code < len(self):
                raise ValueError(
                    f"code {code} has no id; a vocabulary of {len(self)} ids has codes "
                    "from 0 below that."
                )
        return self.ids[codes]

    def subset(self, codes: ArrayLike) -> Vocabulary:
        """Vocabulary of these codes only, in the order of the codes.

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

    def union(self, other: Vocabulary) -> Vocabulary:
        """Vocabulary of the ids of either.

        Parameters
        ----------
        other : Vocabulary

        Returns
        -------
        Vocabulary

        Raises
        ------
        TypeError
            If the ids are of different kinds.

        Examples
        --------
        >>> Vocabulary(["a", "c"]).union(Vocabulary(["b", "c"]))
        Vocabulary(3 strings: 'a', 'b', 'c')
        """
        if len(other) == 0:
            return self
        if self.ids.dtype == other.ids.dtype:
            return self.from_values(np.concatenate([self.ids, other.ids]))[0]
        # one dtype for both would round large integers
        return self.from_values([*self.ids.tolist(), *other.ids.tolist()])[0]

    def translate(self, other: Vocabulary) -> NDArray[np.int32]:
        """Own code for each code of another vocabulary, -1 where the id is unknown here.

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
        if other is self:
            return np.arange(len(self), dtype=np.int32)
        return self.encode(other.ids)

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
        if len(self) == 0:
            return "Vocabulary(empty)"
        shown = list(map(repr, self.ids[:SHOWN].tolist()))
        if len(self) > SHOWN:
            shown.append("...")
        return f"Vocabulary({len(self)} {kind_of_ids(self.ids)}s: {', '.join(shown)})"


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The same values, read-only; the array given stays as it is."""
    view = array.view()
    view.setflags(write=False)
    return view


def _search(ids: NDArray[Any], values: NDArray[Any]) -> NDArray[np.int32]:
    """Places of numbers among sorted numbers, -1 for those that are not there."""
    if values.dtype != ids.dtype:
        # a float beyond int64 becomes some integer and fails the way back
        with np.errstate(invalid="ignore"):
            cast = values.astype(ids.dtype)
            exact = cast.astype(values.dtype) == values
        return np.where(exact, _search(ids, cast), np.int32(-1))
    codes = np.minimum(np.searchsorted(ids, values), len(ids) - 1)
    return np.where(ids[codes] == values, codes, -1).astype(np.int32)
