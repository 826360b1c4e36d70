"""Attributes of items as a model has learned them, and of items that it does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..clustering import Features, filled_rows, in_columns, stacked, taken_rows
from ..sessions import Sessions
from ..storage import ArrayStore
from ..vocabulary import Vocabulary
from .annotations import describer_of

__all__ = ["LearnedAttributes"]


@dataclass(frozen=True)
class LearnedAttributes:
    """Features of a model's items by kind, in the values that its training sessions taught.

    A value that no training item has says nothing: its row of the prompt table is as it was drawn.
    So features leave it out.

    Attributes
    ----------
    features : dict of str to csr_array or ndarray of shape (n_items, n_rows)
    taught : dict of str to ndarray of shape (n_rows,), bool
        Values that training items have.
    numberings : dict of str to str
        Digest of the numbers of the values, which must stay the same.
    """

    features: dict[str, Features] = field(default_factory=dict)
    taught: dict[str, np.ndarray] = field(default_factory=dict)
    numberings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def learn(
        cls, sessions: Sessions, kinds: tuple[str, ...], vocabulary: Vocabulary
    ) -> LearnedAttributes:
        """Attributes of the items of training sessions.

        Parameters
        ----------
        sessions : Sessions
        kinds : tuple of str
            Kinds of prompts that are attributes.
        vocabulary : Vocabulary
            The items that occur.

        Raises
        ------
        ValueError
            If the sessions do not know a kind.
        """
        features = {}
        numberings = {}
        for kind in kinds:
            describer = describer_of(sessions, kind)
            features[kind] = describer.describe(vocabulary)[kind]
            numberings[kind] = describer.numberings_[kind]
        taught = {kind: _columns_in_use(one) for kind, one in features.items()}
        return cls(features, taught, numberings)

    def __bool__(self) -> bool:
        return bool(self.features)

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of the prompt table of each kind."""
        return {kind: len(taught) for kind, taught in self.taught.items()}

    @cached_property
    def filled(self) -> dict[str, np.ndarray]:
        """Items that have a value of each kind, (n_items,) each."""
        return {kind: filled_rows(features) for kind, features in self.features.items()}

    def grown(
        self,
        new: LearnedAttributes,
        old_rows: np.ndarray,
        new_rows: np.ndarray,
        n_items: int,
    ) -> LearnedAttributes:
        """Attributes of the items known so far and of those of new sessions, which count.

        Parameters
        ----------
        new : LearnedAttributes
        old_rows, new_rows : ndarray of int
            Codes of both among the `n_items` of all.
        n_items : int

        Raises
        ------
        ValueError
            If the numbers of values are not those of before.
        """
        features = {}
        taught = {}
        for kind, one in self.features.items():
            self._check_numbering(kind, new.numberings[kind])
            places = np.full(n_items, -1, dtype=np.int64)
            places[old_rows] = np.arange(len(old_rows))
            places[new_rows] = len(old_rows) + np.arange(len(new_rows))
            features[kind] = taken_rows(stacked(one, new.features[kind]), places)
            taught[kind] = self.taught[kind] | new.taught[kind]
        return LearnedAttributes(features, taught, self.numberings)

    def taken(self, codes: np.ndarray) -> LearnedAttributes:
        """Attributes of some of the items; values stay taught."""
        features = {kind: taken_rows(one, codes) for kind, one in self.features.items()}
        return LearnedAttributes(features, self.taught, self.numberings)

    def described(self, describers: Sequence[Any], vocabulary: Vocabulary) -> dict[str, Features]:
        """What attribute tables know of some items, in the values that were taught; by kind.

        Parameters
        ----------
        describers : sequence of ItemAttributes
            A kind that they do not know is left out.
        vocabulary : Vocabulary
        """
        known: dict[str, Any] = {}
        for describer in describers:
            kinds = [kind for kind in self.features if kind in describer.kinds_]
            if not kinds:
                continue
            features = describer.describe(vocabulary)
            for kind in kinds:
                self._check_numbering(kind, describer.numberings_[kind])
                known[kind] = in_columns(features[kind], self.taught[kind])
        return known

    def codes(self, kind: str, items: np.ndarray, others: Mapping[str, Features]) -> np.ndarray:
        """Row of features of each event: its item's code, and more for unknown items.

        Parameters
        ----------
        kind : str
        items : ndarray of shape (n_events,)
            Codes, -1, -2 and so on for unknown items.
        others : mapping of str to features
            Of the unknown items, in this order; they follow those of the known ones.

        Returns
        -------
        ndarray of shape (n_events, 1), int64
            -1 where nothing is known.
        """
        filled = self.filled[kind]
        n_items = len(filled)
        if kind in others:
            filled = np.append(filled, filled_rows(others[kind]))
        rows = np.where(items < 0, n_items - 1 - items, items)
        rows[rows >= len(filled)] = -1
        return np.where(filled[rows], rows, -1)[:, None]

    def _check_numbering(self, kind: str, digest: str) -> None:
        """Raise a ValueError unless values have the numbers that the model knows them by."""
        if self.numberings[kind] != digest:
            raise ValueError(
                f"the values of {kind!r} are numbered by another fit of ItemAttributes than the "
                "model was fitted with; keep the fitted one and give it the new table, "
                "set_params(items=...), or fit both anew."
            )

    def _pack(self, store: ArrayStore) -> dict[str, str]:
        """Kinds with their numberings in terms of JSON; arrays go to the store."""
        for number, (kind, features) in enumerate(self.features.items()):
            store.put_features(f"attribute_{number}", features)
            store.put(f"attribute_{number}_taught", self.taught[kind])
        return self.numberings

    @classmethod
    def _unpack(
        cls, numberings: Any, kinds: tuple[str, ...], n_items: int, store: ArrayStore
    ) -> LearnedAttributes:
        """The attributes that were packed; a ValueError says which part does not fit."""
        if not isinstance(numberings, dict) or not set(numberings) <= set(kinds):
            raise ValueError(f"attributes={numberings!r} do not go with prompts={kinds}.")
        features = {}
        taught = {}
        for number, kind in enumerate(numberings):
            taught[kind] = store.take(f"attribute_{number}_taught", "b", None)
            n_rows = len(taught[kind])
            features[kind] = store.take_features(f"attribute_{number}", n_items, n_rows)
        return cls(features, taught, dict(numberings))


def _columns_in_use(features: Features) -> np.ndarray:
    """Mark the columns in which an item has a value, shape (n_rows,)."""
    if isinstance(features, np.ndarray):
        return np.any(features != 0, axis=0)
    used = np.zeros(features.shape[1], dtype=bool)
    used[features.indices] = True
    return used
