"""Encoder: items, clusters, users and sessions as a model numbers them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .._arrays import counted, looked_up
from .._checks import check_count
from ..clustering import Features
from ..sessions import Sessions
from ..storage import ArrayStore, from_json, to_json
from ..vocabulary import Vocabulary
from .annotations import annotation, attribute_kinds, check_prompts
from .attributes import LearnedAttributes
from .encoded import EncodedSessions, asked_events
from .event_values import event_codes, event_values
from .labels import GrownLabels, item_labels
from .owners import OWNERS, joined_numberings, learned_owners, owner_codes

__all__ = ["SessionEncoder"]


@dataclass(frozen=True)
class SessionEncoder:
    """Identities that a model knows: its items, their clusters, its users and sessions.

    Built by :meth:`learn` from the training sessions, extended by :meth:`grow`, applied by
    :meth:`encode`.

    Attributes
    ----------
    vocabulary : Vocabulary
        The items of the training sessions, coded 0..n_items-1.
    prompts : tuple of str
        The prompt kinds in use.
    item_counts : ndarray of shape (n_items,), int64
        Training events of each item.
    item_labels : ndarray of shape (n_items, n_columns), int64
        Cluster of each item, one column per resolution; no columns without cluster prompts.
    cluster_sizes : tuple of int
        Number of clusters of each column.
    owners : dict of str to Vocabulary
        Known users, known sessions and known values of attributes of events, for the prompts that
        need them.
    moved_clusters : tuple of ndarray
        By column, the number of each cluster of the encoder that this one has grown from.
    numberings : tuple of str
        Tokens of the containers whose sessions, numbered by default, are known.
    attributes : LearnedAttributes
        Of the items, for the prompts that are attributes.
    """

    vocabulary: Vocabulary
    prompts: tuple[str, ...]
    item_counts: np.ndarray
    item_labels: np.ndarray
    cluster_sizes: tuple[int, ...] = ()
    owners: dict[str, Vocabulary] = field(default_factory=dict)
    moved_clusters: tuple[np.ndarray, ...] = ()
    numberings: tuple[str, ...] = ()
    attributes: LearnedAttributes = field(default_factory=LearnedAttributes)

    @classmethod
    def learn(cls, sessions: Sessions, prompts: tuple[str, ...] = ()) -> SessionEncoder:
        """Encoder of the items, clusters and owners of training sessions.

        Parameters
        ----------
        sessions : Sessions
        prompts : tuple of str
            Prompt kinds, as :func:`check_prompts` returns them.

        Returns
        -------
        SessionEncoder

        Raises
        ------
        ValueError
            When a prompt kind has no data: unannotated sessions, or sessions without users.

        Examples
        --------
        >>> encoder = SessionEncoder.learn(Sessions.from_lists([["a", "b"], ["b", "c"]]))
        >>> encoder.encode(Sessions.from_lists([["b", "z"]])).items.tolist()
        [1, -1]
        """
        return cls._learned(sessions, prompts, None)

    @classmethod
    def _learned(
        cls, sessions: Sessions, prompts: tuple[str, ...], numberings: tuple[str, ...] | None
    ) -> SessionEncoder:
        """Encoder of training sessions, after those of some containers that are known by token."""
        if "session" in prompts:
            numberings = joined_numberings(sessions, numberings)
        tokens = numberings or ()
        counts = counted(sessions.codes, len(sessions.vocabulary))
        known = np.flatnonzero(counts)
        labels = np.empty((len(known), 0), np.int64)
        if "cluster" in prompts:
            labels = item_labels(sessions)[known]
        kinds = [kind for kind in OWNERS if kind in prompts]
        owners = {kind: learned_owners(sessions, kind, tokens) for kind in kinds}
        of_events = event_values(sessions, prompts)
        vocabulary = sessions.vocabulary.subset(known)
        of_items = tuple(kind for kind in attribute_kinds(prompts) if kind not in of_events)
        return cls(
            vocabulary=vocabulary,
            prompts=prompts,
            item_counts=counts[known],
            item_labels=labels,
            cluster_sizes=tuple(int(n) for n in labels.max(axis=0) + 1),
            owners=owners | of_events,
            numberings=tokens,
            attributes=LearnedAttributes.learn(sessions, of_items, vocabulary),
        )

    def grow(self, sessions: Sessions, prompts: tuple[str, ...]) -> SessionEncoder:
        """The encoder of everything known so far and of new training sessions.

        Items that the annotator of the sessions knows have its clusters, others keep theirs. If it
        was fitted anew, the clusters known before move to its numbers, see :meth:`rows_of`. Labels
        without an annotator must be those of the former sessions.

        Raises
        ------
        ValueError
            When `prompts` are not those of before, or one has no data.
        """
        self._check_same(prompts)
        new = SessionEncoder._learned(sessions, prompts, self.numberings)
        self._check_columns(new.item_labels)
        vocabulary = self.vocabulary.union(new.vocabulary)
        old_rows = vocabulary.translate(self.vocabulary)
        new_rows = vocabulary.translate(new.vocabulary)
        counts = _added(len(vocabulary), old_rows, self.item_counts)
        counts += _added(len(vocabulary), new_rows, new.item_counts)
        annotator = sessions.annotator
        if "cluster" not in prompts:
            annotator = None
        grown = GrownLabels.of(
            vocabulary,
            (old_rows, self.item_labels, self.cluster_sizes),
            (new_rows, new.item_labels, new.cluster_sizes),
            annotator,
        )
        return SessionEncoder(
            vocabulary=vocabulary,
            prompts=self.prompts,
            item_counts=counts,
            item_labels=grown.labels,
            cluster_sizes=grown.sizes,
            owners={kind: self.owners[kind].union(new.owners[kind]) for kind in self.owners},
            moved_clusters=grown.moved,
            numberings=new.numberings,
            attributes=self.attributes.grown(new.attributes, old_rows, new_rows, len(vocabulary)),
        )

    def _check_same(self, prompts: tuple[str, ...]) -> None:
        """Raise a ValueError unless the prompts are those of before."""
        if prompts != self.prompts:
            raise ValueError(
                f"prompts={prompts} cannot follow a fit with prompts={self.prompts}; keep those, "
                "or start anew with fit and warm_start=False."
            )

    def rows_of(self, other: SessionEncoder) -> dict[str, np.ndarray]:
        """Rows of this encoder's tables for the rows of the one it has grown from, by table."""
        rows: dict[str, np.ndarray] = {"item": self.vocabulary.translate(other.vocabulary)}
        for kind in self.owners:
            rows[kind] = self.owners[kind].translate(other.owners[kind])
        if "cluster" in self.prompts:
            starts = np.cumsum(self.cluster_sizes) - self.cluster_sizes
            pairs = zip(starts, self.moved_clusters, strict=True)
            rows["cluster"] = np.concatenate([start + moved for start, moved in pairs])
        for kind, size in self.attributes.sizes.items():
            rows[kind] = np.arange(size)
        return rows

    def _pack(self, store: ArrayStore) -> dict[str, Any]:
        """Description in terms of JSON; the arrays go to the store."""
        store.put_ids("items", self.vocabulary)
        store.put("item_counts", self.item_counts)
        store.put("item_labels", self.item_labels)
        for kind, owners in self.owners.items():
            store.put_ids(_stored_name(kind), owners)
        sizes = to_json(list(self.cluster_sizes), "cluster_sizes")
        return {
            "prompts": list(self.prompts),
            "cluster_sizes": sizes,
            "numberings": list(self.numberings),
            "attributes": self.attributes._pack(store),
        }

    @classmethod
    def _unpack(cls, packed: dict[str, Any], store: ArrayStore) -> SessionEncoder:
        """The encoder that was packed; a ValueError says which part does not fit."""
        vocabulary = store.take_ids("items")
        prompts = check_prompts(packed["prompts"])
        sizes = _check_sizes(from_json(packed["cluster_sizes"]), prompts)
        labels = store.take("item_labels", "i", len(vocabulary), len(sizes))
        if ((labels < -1) | (labels >= np.array(sizes, dtype=np.int64))).any():
            raise ValueError(
                "arrays.npz: 'item_labels' names clusters that estimator.json does not count."
            )
        counts = store.take("item_counts", "i", len(vocabulary))
        if not len(counts) or counts.min() < 0:
            raise ValueError("arrays.npz: 'item_counts' must be 0 or more, of one item or more.")
        attributes = LearnedAttributes._unpack(
            packed.get("attributes", {}), attribute_kinds(prompts), len(vocabulary), store
        )
        return cls(
            vocabulary=vocabulary,
            prompts=prompts,
            item_counts=counts,
            item_labels=labels,
            cluster_sizes=sizes,
            owners={
                kind: store.take_ids(_stored_name(kind))
                for kind in prompts
                if kind != "cluster" and kind not in attributes.features
            },
            numberings=_check_numberings(packed.get("numberings", [])),
            attributes=attributes,
        )

    @property
    def n_items(self) -> int:
        """Number of known items."""
        return len(self.vocabulary)

    @property
    def prompt_sizes(self) -> dict[str, int]:
        """Rows of the prompt table of each kind; the columns of clusters share one table."""
        sizes = {kind: len(owners) for kind, owners in self.owners.items()}
        sizes["cluster"] = sum(self.cluster_sizes)
        sizes |= self.attributes.sizes
        return {kind: sizes[kind] for kind in self.prompts}

    @cached_property
    def candidate_codes(self) -> dict[str, np.ndarray]:
        """Prompt codes of the known items themselves: only clusters speak of a candidate."""
        if "cluster" not in self.prompts:
            return {}
        return {"cluster": self._label_codes(self.item_labels)}

    def item_prompts(self, kind: str) -> np.ndarray:
        """Prompt codes of the known items, (n_items, n_columns), of a kind that items decide on."""
        if kind == "cluster":
            return self.candidate_codes[kind]
        return self.attributes.codes(kind, np.arange(self.n_items), {})

    def encode(self, sessions: Sessions) -> EncodedSessions:
        """Sessions in this model's codes; unknown items have codes of their own below 0.

        Parameters
        ----------
        sessions : Sessions

        Returns
        -------
        EncodedSessions

        Raises
        ------
        ValueError
            When a prompt kind has no data in `sessions`.
        """
        items = self.item_codes(sessions)
        others = self._unknown_described(sessions)
        prompts = {}
        for kind in self.prompts:
            if kind in self.attributes.features:
                prompts[kind] = self.attributes.codes(kind, items, others)
            else:
                prompts[kind] = self._prompt_codes(sessions, items, kind)
        first_prefix = np.ones(len(sessions), np.int64)
        if sessions.target_start is not None:
            np.maximum(sessions.target_start, 1, out=first_prefix)
        asked = asked_events(sessions)
        return EncodedSessions(items, sessions.offsets, prompts, first_prefix, others, asked)

    def _unknown_described(self, sessions: Sessions) -> dict[str, Features]:
        """What is known of the items of a vocabulary that the model does not know, by kind."""
        if not self.attributes or not sessions.item_attributes:
            return {}
        unknown = np.flatnonzero(self.vocabulary.translate(sessions.vocabulary) < 0)
        if not len(unknown):
            return {}
        others = sessions.vocabulary.subset(unknown)
        return self.attributes.described(sessions.item_attributes, others)

    def item_codes(self, sessions: Sessions) -> np.ndarray:
        """Code of every event's item, shape (n_events,), int64.

        It is below 0 where the model does not know the item: -1, -2 and so on for the different
        ones, each the same in all of `sessions`.
        """
        codes = self.vocabulary.translate(sessions.vocabulary).astype(np.int64)
        unknown = np.flatnonzero(codes < 0)
        codes[unknown] = -1 - np.arange(len(unknown))
        return codes[sessions.codes]

    def known_codes(self, sessions: Sessions) -> np.ndarray:
        """Code of every event's item, (n_events,), int32, of sessions that were learned from.

        It is the column of the sessions where both number the items alike.
        """
        codes = self.vocabulary.translate(sessions.vocabulary)
        if np.array_equal(codes, np.arange(self.n_items)):
            return sessions.codes
        return looked_up(codes, sessions.codes)

    def _prompt_codes(self, sessions: Sessions, items: np.ndarray, kind: str) -> np.ndarray:
        if kind == "cluster":
            return self._cluster_codes(sessions, items)
        if kind not in OWNERS:
            return event_codes(sessions, kind, self.owners[kind])
        codes = owner_codes(sessions, kind, self.owners[kind], self.numberings)
        return np.repeat(codes, sessions.lengths)[:, None]

    def _cluster_codes(self, sessions: Sessions, items: np.ndarray) -> np.ndarray:
        """Clusters of known items as they were learned, of other items as annotated."""
        annotated = self._label_codes(annotation(sessions, "cluster"))
        known = items >= 0
        annotated[known] = self.candidate_codes["cluster"][items[known]]
        return annotated

    def _label_codes(self, labels: np.ndarray) -> np.ndarray:
        """Rows of the common table, apart by column; labels not of the training are blank."""
        self._check_columns(labels)
        sizes = np.array(self.cluster_sizes, dtype=np.int64)
        known = (labels >= 0) & (labels < sizes)
        starts = np.cumsum(sizes) - sizes
        return np.where(known, labels + starts, -1).astype(np.int64)

    def _check_columns(self, labels: np.ndarray) -> None:
        if labels.shape[1] != len(self.cluster_sizes):
            raise ValueError(
                f"X carries {labels.shape[1]} label columns, the model was fitted with "
                f"{len(self.cluster_sizes)}; annotate with the clusterer it was fitted with."
            )


def _stored_name(kind: str) -> str:
    """Name of the ids of a kind in a file; attributes may be called like other parts of it."""
    if kind in OWNERS:
        return kind
    return f"event_{kind}"


def _check_sizes(sizes: Any, prompts: tuple[str, ...]) -> tuple[int, ...]:
    """Numbers of clusters, once they are such numbers, and there if prompts need them."""
    if not isinstance(sizes, list) or bool(sizes) != ("cluster" in prompts):
        raise ValueError(f"cluster_sizes={sizes!r} do not go with prompts={prompts}.")
    for size in sizes:
        check_count("cluster_sizes", size)
    return tuple(sizes)


def _check_numberings(tokens: Any) -> tuple[str, ...]:
    """Tokens of containers as a tuple, once they are such tokens."""
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError(f"numberings={tokens!r} must be a list of strings.")
    return tuple(tokens)


def _added(n: int, rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Counts in their rows of a longer array, which is zero elsewhere; shape (n,)."""
    longer = np.zeros(n, np.int64)
    longer[rows] = counts
    return longer
