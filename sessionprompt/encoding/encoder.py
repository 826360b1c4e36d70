"""From sessions to aligned integer columns: item codes and prompt codes as the model numbers them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..sessions import Sessions
from ..vocabulary import Vocabulary

__all__ = ["PROMPT_KINDS", "EncodedSessions", "SessionEncoder", "check_prompts"]

PROMPT_KINDS = ("cluster", "user", "session")


def check_prompts(prompts: Any) -> tuple[str, ...]:
    """Return `prompts` as a tuple of known kinds, or say what is known.

    Examples
    --------
    >>> check_prompts(["user", "cluster"])
    ('cluster', 'user')
    """
    kinds = (prompts,) if isinstance(prompts, str) else tuple(prompts or ())
    unknown = [kind for kind in kinds if kind not in PROMPT_KINDS]
    if unknown:
        raise ValueError(
            f"prompts={prompts!r} names {unknown[0]!r}; known prompts are {list(PROMPT_KINDS)}."
        )
    return tuple(kind for kind in PROMPT_KINDS if kind in kinds)


@dataclass(frozen=True)
class EncodedSessions:
    """Integer columns of some sessions, aligned event by event.

    Attributes
    ----------
    items : ndarray of shape (n_events,), int64
        Item codes of the model; -1 marks an item that it does not know.
    offsets : ndarray of shape (n_sessions + 1,), int64
    prompts : dict of str to ndarray of shape (n_events, n_columns), int64
        Prompt codes per kind; -1 is the blank (nothing known). Columns of one kind number one
        common table.
    first_prefix : ndarray of shape (n_sessions,), int64
        Length of the shortest prefix of each session that is asked for; shorter ones are context
        only.
    """

    items: np.ndarray
    offsets: np.ndarray
    prompts: dict[str, np.ndarray]
    first_prefix: np.ndarray

    @classmethod
    def join(cls, parts: Sequence[EncodedSessions]) -> EncodedSessions:
        """Several encoded sessions one after another."""
        lengths = np.concatenate([part.lengths for part in parts])
        return cls(
            items=np.concatenate([part.items for part in parts]),
            offsets=np.append(0, np.cumsum(lengths)),
            prompts={
                kind: np.concatenate([part.prompts[kind] for part in parts])
                for kind in parts[0].prompts
            },
            first_prefix=np.concatenate([part.first_prefix for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Number of events of each session."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class SessionEncoder:
    """What a model learns about identities: its items, their clusters, its users and sessions.

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
        Known users and known sessions, for the prompts that need them.
    """

    vocabulary: Vocabulary
    prompts: tuple[str, ...]
    item_counts: np.ndarray
    item_labels: np.ndarray
    cluster_sizes: tuple[int, ...] = ()
    owners: dict[str, Vocabulary] = field(default_factory=dict)

    @classmethod
    def learn(cls, sessions: Sessions, prompts: tuple[str, ...] = ()) -> SessionEncoder:
        """Read items, clusters and owners off the training sessions.

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
        check_prompt_data(sessions, prompts)
        counts = np.bincount(sessions.codes, minlength=len(sessions.vocabulary))
        known = np.flatnonzero(counts)
        vocabulary = sessions.vocabulary.subset(known)
        labels = (
            _item_labels(sessions, known)
            if "cluster" in prompts
            else np.empty((len(known), 0), np.int64)
        )
        return cls(
            vocabulary=vocabulary,
            prompts=prompts,
            item_counts=counts[known],
            item_labels=labels,
            cluster_sizes=tuple(int(n) for n in labels.max(axis=0) + 1),
            owners={
                kind: Vocabulary.from_values(_owners(sessions, kind), name=kind)[0]
                for kind in prompts
                if kind != "cluster"
            },
        )

    def grow(self, sessions: Sessions, prompts: tuple[str, ...]) -> SessionEncoder:
        """The encoder of everything known so far and of new training sessions.

        Known items keep their clusters; labels must come from the same fitted clusterer.

        Raises
        ------
        ValueError
            When `prompts` are not those of before, or one has no data.
        """
        if prompts != self.prompts:
            raise ValueError(
                f"prompts={prompts} cannot follow a fit with prompts={self.prompts}; keep those, or start anew "
                "with fit and warm_start=False."
            )
        fresh = SessionEncoder.learn(sessions, prompts)
        vocabulary = _union(self.vocabulary, fresh.vocabulary)
        old, new = vocabulary.translate(self.vocabulary), vocabulary.translate(fresh.vocabulary)
        counts = np.zeros(len(vocabulary), np.int64)
        np.add.at(
            counts,
            np.concatenate([old, new]),
            np.concatenate([self.item_counts, fresh.item_counts]),
        )
        labels = np.empty((len(vocabulary), self.item_labels.shape[1]), np.int64)
        # in this order: the known labels stay
        labels[new], labels[old] = fresh.item_labels, self.item_labels
        sizes = tuple(
            max(pair) for pair in zip(self.cluster_sizes, fresh.cluster_sizes, strict=True)
        )
        owners = {kind: _union(self.owners[kind], fresh.owners[kind]) for kind in self.owners}
        return SessionEncoder(vocabulary, self.prompts, counts, labels, sizes, owners)

    def rows_of(self, other: SessionEncoder) -> dict[str, np.ndarray]:
        """Where the rows of another encoder's tables stand in this one's: per table, an index array."""
        rows = {"item": self.vocabulary.translate(other.vocabulary)}
        for kind in self.owners:
            rows[kind] = self.owners[kind].translate(other.owners[kind])
        if "cluster" in self.prompts:
            starts = np.cumsum(self.cluster_sizes) - self.cluster_sizes
            rows["cluster"] = np.concatenate(
                [start + np.arange(n) for start, n in zip(starts, other.cluster_sizes, strict=True)]
            )
        return rows

    @property
    def n_items(self) -> int:
        """Number of known items."""
        return len(self.vocabulary)

    @property
    def prompt_sizes(self) -> dict[str, int]:
        """Rows of the prompt table of each kind; the columns of the cluster prompt share one table."""
        return {
            kind: sum(self.cluster_sizes) if kind == "cluster" else len(self.owners[kind])
            for kind in self.prompts
        }

    @cached_property
    def candidate_codes(self) -> dict[str, np.ndarray]:
        """Prompt codes of the known items themselves: only clusters say something of a candidate."""
        return {"cluster": self._label_codes(self.item_labels)} if "cluster" in self.prompts else {}

    def encode(self, sessions: Sessions) -> EncodedSessions:
        """Translate sessions into this model's codes; what is unknown becomes -1.

        Raises
        ------
        ValueError
            When a prompt kind has no data in `sessions`.
        """
        check_prompt_data(sessions, self.prompts)
        start = (
            np.ones(len(sessions))
            if sessions.target_start is None
            else np.maximum(sessions.target_start, 1)
        )
        items = self.item_codes(sessions)
        prompts = {kind: self._prompt_codes(sessions, items, kind) for kind in self.prompts}
        return EncodedSessions(items, sessions.offsets, prompts, start.astype(np.int64))

    def item_codes(self, sessions: Sessions) -> np.ndarray:
        """This model's code of every event's item, -1 where it does not know it; shape (n_events,), int64."""
        return self.vocabulary.translate(sessions.vocabulary)[sessions.codes].astype(np.int64)

    def _prompt_codes(self, sessions: Sessions, items: np.ndarray, kind: str) -> np.ndarray:
        if kind == "cluster":
            return self._cluster_codes(sessions, items)
        return np.repeat(self._owner_codes(sessions, kind), sessions.lengths)[:, None]

    def _owner_codes(self, sessions: Sessions, kind: str) -> np.ndarray:
        try:
            return self.owners[kind].encode(_owners(sessions, kind), name=kind).astype(np.int64)
        except TypeError:
            if kind == "user":
                raise
            # numbered by default, while the known sessions have names
            return np.full(len(sessions), -1)

    def _cluster_codes(self, sessions: Sessions, items: np.ndarray) -> np.ndarray:
        """Clusters of known items as they were learned, of other items as annotated."""
        annotated = self._label_codes(_labels_of(sessions))
        return np.where(items[:, None] < 0, annotated, self.candidate_codes["cluster"][items])

    def _label_codes(self, labels: np.ndarray) -> np.ndarray:
        """Shift each label column to its own rows of the common table; labels never seen in training are blank."""
        if labels.shape[1] != len(self.cluster_sizes):
            raise ValueError(
                f"X carries {labels.shape[1]} label columns, the model was fitted with {len(self.cluster_sizes)}; "
                "annotate with the clusterer it was fitted with."
            )
        sizes = np.array(self.cluster_sizes, dtype=np.int64)
        known = (labels >= 0) & (labels < sizes)
        return np.where(known, labels + np.cumsum(sizes) - sizes, -1).astype(np.int64)


def check_prompt_data(sessions: Sessions, prompts: tuple[str, ...]) -> None:
    """Raise when `sessions` lack the annotation that a prompt kind reads."""
    if "cluster" in prompts and sessions.labels is None:
        raise ValueError(
            "prompts=('cluster',) needs sessions annotated with clusters: put ItemClusterer() before the recommender "
            "in a Pipeline, pass X through its transform, or ask for the plain backbone with prompts=()."
        )
    if "user" in prompts and sessions.users is None:
        raise ValueError(
            "prompts=('user',) needs sessions with users: name the column with Sessions.from_events(..., user=...) "
            "or pass Sessions.from_lists(..., users=...)."
        )


def _union(one: Vocabulary, other: Vocabulary) -> Vocabulary:
    return Vocabulary.from_values(np.concatenate([one.ids, other.ids]))[0]


def _owners(sessions: Sessions, kind: str) -> np.ndarray:
    return sessions.users if kind == "user" else sessions.ids  # type: ignore[return-value]


def _labels_of(sessions: Sessions) -> np.ndarray:
    check_prompt_data(sessions, ("cluster",))
    return sessions.labels  # type: ignore[return-value]


def _item_labels(sessions: Sessions, known: np.ndarray) -> np.ndarray:
    """Cluster of each known item: training labels do not vary within an item, so any event of it will do."""
    of_events = _labels_of(sessions)
    labels = np.empty((len(sessions.vocabulary), of_events.shape[1]), np.int64)
    labels[sessions.codes] = of_events
    return labels[known]
