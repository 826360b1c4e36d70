"""Attributes of items from a table, as prompts: a transformer beside the clusterers."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from .._checks import check_choice, check_fitted, check_integer
from ..sessions import Sessions, as_sessions
from ..storage import ArrayStore, fingerprint, pack_params, unpack_params
from ..vocabulary import Vocabulary
from .columns import (
    COLUMN_KINDS,
    Bins,
    Categories,
    Column,
    VectorizedTexts,
    Vectors,
    Words,
    guessed_kind,
    is_missing,
    learned_column,
)
from .features import Features, filled_rows, taken_rows
from .item_table import ItemTable
from .transformer import SessionTransformer

__all__ = ["ItemAttributes"]

RESERVED = ("cluster", "user", "session", "item")  # kinds of prompts that come from elsewhere


class ItemAttributes(SessionTransformer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Attributes of items, such as categories, brands, prices and texts, each a kind of prompt.

    Every column is a kind of its own name for ``prompts=`` of a recommender: an item's prompt is
    the sum of the learned vectors of its values, scaled to length one. The table tells nothing
    about who clicked what, so it may name items that no session holds; these can be recommended,
    see ``cold_items`` of :class:`~sessionprompt.PromptedSessionRecommender`.

    Parameters
    ----------
    items : data frame or dict
        One row for each item: a pandas, polars or pyarrow table, or a dict of columns, in which
        vectors may be a matrix. It may be replaced after `fit`, by ``set_params(items=...)``: what
        was learned of the columns stays, and `transform` reads the new table.
    item : str, default="item"
        Name of the column of item ids.
    columns : iterable of str, or dict of str to kind, optional
        The columns to read; None takes all but the ids. A kind is ``"category"`` (any hashable;
        lists are several values of one item), ``"number"`` (in bins between quantiles), ``"text"``
        (words, by their hashes), ``"vector"`` (of one size; a learned linear map of them is the
        prompt) or a vectorizer of scikit-learn, for texts. Without one, columns of floats and dates
        are numbers, lists of floats vectors, and all others categories. None and NaN are no value.
    min_support : int, default=2
        Values of categories that fewer items of the table have share one prompt, and so do those
        that a later table brings.
    n_bins : int, default=10
        Bins of a column of numbers.
    n_words : int, default=4096
        Hashes of a column of texts.

    Attributes
    ----------
    kinds_ : tuple of str
        The columns, in their order.
    numberings_ : dict of str to str
        Digest of what was learned of each column; models tell by it whether numbers are theirs.
    n_missing_ : int
        Items of the training sessions without a row in the table.

    See Also
    --------
    PrecomputedClusters : one column of categories in the place of clusters.

    References
    ----------
    Volkovs, Yu and Poutanen, "DropoutNet: addressing cold start in recommender systems", NIPS 2017.

    Examples
    --------
    >>> items = {"item": ["tea", "milk", "pen", "ink"], "aisle": ["drink", "drink", "desk", "desk"]}
    >>> attributes = ItemAttributes(items, columns=["aisle"])
    >>> sessions = attributes.fit_transform([["tea", "milk"], ["pen", "tea"]])
    >>> sessions.item_attributes[0].describe(sessions.vocabulary)["aisle"].toarray().tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """

    def __init__(
        self,
        items: Any,
        *,
        item: str = "item",
        columns: Iterable[str] | Mapping[str, Any] | None = None,
        min_support: int = 2,
        n_bins: int = 10,
        n_words: int = 4096,
    ) -> None:
        self.items = items
        self.item = item
        self.columns = columns
        self.min_support = min_support
        self.n_bins = n_bins
        self.n_words = n_words

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the values of the columns, from the table alone.

        Parameters
        ----------
        X : Sessions or list of lists of item ids
            Tells whether the table is of these items.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If the table is none, or a value is not of its column's kind.
        ValueError
            If a column is not there, holds nothing, or has a name that is taken; an item has two
            rows; vectors differ in size or are not finite; no item of X is in the table.
        """
        for name in ("min_support", "n_bins", "n_words"):
            check_integer(name, getattr(self, name))
        if self.items is None:
            raise ValueError(
                "items=None is no table; give one with set_params(items=...). A file holds what "
                "was learned of a table, not the table."
            )
        sessions = as_sessions(X)
        table = ItemTable.read(self.items, self.item)
        kinds = self._column_kinds(table)
        self._learned = {name: self._learn(table, name, kind) for name, kind in kinds.items()}
        self.kinds_ = tuple(kinds)
        self._take(table)
        self._check_filled()
        self._count_missing(sessions)
        return self

    def partial_fit(self, X: Any, y: None = None) -> Self:
        """Nothing to add: what was learned of the columns stays.

        Parameters
        ----------
        X : Sessions or list of lists of item ids
            Fits, where `fit` was not called before.
        y : ignored

        Returns
        -------
        self
        """
        if not hasattr(self, "kinds_"):
            return self.fit(X)
        return self

    def transform(self, X: Any) -> Sessions:
        """Sessions that know the attributes of their items.

        Parameters
        ----------
        X : Sessions or list of lists of item ids

        Returns
        -------
        Sessions
        """
        check_fitted(self, "kinds_")
        return as_sessions(X).with_item_attributes(self)

    @property
    def described_items(self) -> Vocabulary:
        """Items of the table, in the order of their ids."""
        self._read_again()
        return self._items

    def describe(self, vocabulary: Vocabulary) -> dict[str, Features]:
        """Features of the items of a vocabulary, by kind.

        Parameters
        ----------
        vocabulary : Vocabulary

        Returns
        -------
        dict of str to csr_array or ndarray of shape (n_items, n_rows), float32
            Rows are blank for items that the table does not hold.
        """
        check_fitted(self, "kinds_")
        self._read_again()
        places = self._items.translate(vocabulary)
        return {kind: taken_rows(features, places) for kind, features in self._features.items()}

    def digest(self) -> str:
        """Digest of all that is known of the items."""
        self._read_again()
        parts: list[Any] = [repr(self.numberings_), self._items.ids]
        for features in self._features.values():
            if isinstance(features, np.ndarray):
                parts.append(features)
            else:
                parts += [features.indptr, features.indices, features.data]
        return fingerprint(*parts)

    # ------------------------------------------------------------------ reading the table
    def _column_kinds(self, table: ItemTable) -> dict[str, Any]:
        """Kind of each column that is asked for."""
        given: dict[str, Any] = {}
        if isinstance(self.columns, Mapping):
            given = dict(self.columns)
        names = self._names(table)
        for name in names:
            self._check_name(name)
            kind = given.get(name)
            if kind is None:
                given[name] = guessed_kind(table.column(name))
            elif isinstance(kind, str):
                check_choice(f"columns[{name!r}]", kind, COLUMN_KINDS)
            elif not (hasattr(kind, "fit") and hasattr(kind, "transform")):
                raise TypeError(
                    f"columns[{name!r}]={kind!r} must be one of {COLUMN_KINDS} or a vectorizer of "
                    "scikit-learn."
                )
        return {name: given[name] for name in names}

    def _names(self, table: ItemTable) -> list[str]:
        if self.columns is None:
            others = [name for name in table.columns if name != self.item]
            if not others:
                raise ValueError(
                    f"items has no column but {self.item!r}; add at least one of attributes."
                )
            return others
        if isinstance(self.columns, str):
            return [self.columns]
        names = list(dict.fromkeys(self.columns))
        if not names:
            raise ValueError("columns is empty; name at least one, or give None for all of them.")
        return names

    def _check_name(self, name: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"columns names {name!r}; a kind of prompt is called by a string.")
        if name in RESERVED or name == self.item:
            raise ValueError(
                f"columns names {name!r}, which is taken; the names {list(RESERVED)} and that of "
                "the ids are no attributes. Rename the column, or leave it out of columns."
            )

    def _learn(self, table: ItemTable, name: str, kind: Any) -> Column:
        """What is to be known of a column."""
        values = table.column(name)
        if all(is_missing(value) for value in values):
            raise ValueError(
                f"items: column {name!r} holds no value for any of {len(values)} items; leave it "
                "out of columns."
            )
        if kind == "category":
            return Categories.learn(values, name, self.min_support)
        if kind == "number":
            return Bins.learn(values, name, self.n_bins)
        if kind == "text":
            return Words(self.n_words)
        if kind == "vector":
            return Vectors.learn(values, name)
        return VectorizedTexts.learn(values, name, kind)

    def _take(self, table: ItemTable) -> None:
        """Read a table by what was learned."""
        features = {}
        for name, column in self._learned.items():
            rows = column.features(table.column(name), name)
            features[name] = taken_rows(rows, table.order)
        self._items = table.items
        self._features = features
        self._table = self.items
        self.numberings_ = {name: _digest(column, name) for name, column in self._learned.items()}

    def _read_again(self) -> None:
        """Read the table that has been put in the place of the last one, if one has."""
        if self.items is not None and self.items is not self._table:
            self._take(ItemTable.read(self.items, self.item))

    def _check_filled(self) -> None:
        """Raise a ValueError if a column says nothing of any item; warn if it says one thing."""
        for name, features in self._features.items():
            n_filled = int(filled_rows(features).sum())
            constant = n_filled > 0
            if isinstance(features, np.ndarray):
                constant = not n_filled and isinstance(self._learned[name], Vectors)
            elif constant:
                constant = len(np.unique(features.indices)) == 1
            if constant:
                warnings.warn(
                    f"column {name!r} has one value for all of {n_filled or len(self._items):,} "
                    f"items (values that fewer than min_support={self.min_support} items have are "
                    "one); it tells none of them apart.",
                    stacklevel=3,
                )
            elif not n_filled:
                raise ValueError(
                    f"items: column {name!r} holds nothing that could be read for any of "
                    f"{len(self._items)} items, such as lists without values or texts without "
                    "words; leave it out of columns."
                )

    def _count_missing(self, sessions: Sessions) -> None:
        """Count the items of training sessions that the table does not hold; warn of them."""
        occurs = np.flatnonzero(np.bincount(sessions.codes))
        own = self._items.translate(sessions.vocabulary)[occurs]
        self.n_missing_ = int((own < 0).sum())
        if len(own) and self.n_missing_ == len(own):
            raise ValueError(
                f"items has a row for none of the {len(own)} items of X; check that both use the "
                "same ids."
            )
        if self.n_missing_:
            warnings.warn(
                f"items has no row for {self.n_missing_:,} of {len(own):,} items of X; these have "
                "no attributes.",
                stacklevel=3,
            )

    # ------------------------------------------------------------------ storage
    def _pack_params(self) -> dict[str, Any]:
        """Parameters in terms of JSON, without the table; a TypeError if one cannot be stored."""
        params = self.get_params(deep=False)
        if not isinstance(self.columns, str | Mapping) and self.columns is not None:
            params["columns"] = list(self.columns)
        for kind in _given_kinds(self.columns):
            if not isinstance(kind, str):
                raise TypeError(
                    "columns holds a vectorizer, which is code and cannot be stored; use 'text', "
                    "or give its vectors as a column of vectors."
                )
        return pack_params(params, {"items": None})

    def _pack(self, store: ArrayStore) -> dict[str, Any]:
        """Parameters and columns in terms of JSON; items and features go to the store."""
        check_fitted(self, "kinds_")
        params = self._pack_params()
        self._read_again()
        store.put_ids("items", self._items)
        columns = []
        for number, (name, features) in enumerate(self._features.items()):
            store.put_features(f"column_{number}", features)
            columns.append([name, self._learned[name].to_dict()])
        return {"params": params, "fitted": {"columns": columns, "n_missing": self.n_missing_}}

    @classmethod
    def _unpack(cls, packed: dict[str, Any], store: ArrayStore) -> Self:
        """The transformer that was packed; a ValueError says which part does not fit."""
        made = cls(None, **unpack_params(packed["params"], {"items": None}))
        fitted = packed["fitted"]
        made._items = store.take_ids("items")
        made._learned = {name: learned_column(stored) for name, stored in fitted["columns"]}
        made._features = {}
        for number, (name, column) in enumerate(made._learned.items()):
            made._check_name(name)
            made._features[name] = store.take_features(
                f"column_{number}", len(made._items), column.n_rows
            )
        made._table = None
        made.kinds_ = tuple(made._learned)
        made.n_missing_ = int(fitted["n_missing"])
        made.numberings_ = {name: _digest(column, name) for name, column in made._learned.items()}
        return made


def _given_kinds(columns: Any) -> list[Any]:
    """Kinds that are said of columns."""
    if isinstance(columns, Mapping):
        return [kind for kind in columns.values() if kind is not None]
    return []


def _digest(column: Column, name: str) -> str:
    """Digest of what was learned of a column; that of a vectorizer is its size."""
    if isinstance(column, VectorizedTexts):
        return fingerprint(repr(column.vectorizer), str(column.n_rows))
    try:
        return fingerprint(repr(column.to_dict()))
    except TypeError as error:
        raise TypeError(
            f"items: column {name!r} holds values that no file can hold ({error}); convert them to "
            "strings or numbers."
        ) from error
