"""Ranked targets: one row per target of an evaluation, and the report made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..encoding import NextItemTargets, SessionEncoder
from .ranking import check_ranks
from .registry import QUANTITIES, check_reads, metric_names
from .slices import slice_by_cold, slice_by_length, slice_by_popularity, slice_by_repeat
from .values import averages, averages_by_label, metric_values
from .weights import check_weights

__all__ = ["SLICES", "RankedTargets", "Slice", "Ties", "check_labels"]

Ties = Literal["pessimistic", "midpoint", "optimistic"]
Slice = Literal["length", "popularity", "repeat", "cold"]
SLICES = ("length", "popularity", "repeat", "cold")
OF_TARGETS = ("sessions", "positions", "ranks", "counts", "repeated", "top", "excluded", "known")


@dataclass(frozen=True)
class RankedTargets:
    """Targets of an evaluation, one row each: where a target stands and how the model ranked it.

    A row takes 34 bytes, one more where there was a filter, and 8 for each place of a list.

    Attributes
    ----------
    sessions : ndarray of shape (n,)
        Index of the session in the X that was evaluated.
    positions : ndarray of shape (n,)
        Position of the target in its session, so also the length of its prefix.
    ranks : ndarray of shape (n,), float
        1 is best; infinite for targets that the model does not know or a filter leaves out.
    counts : ndarray of shape (n,)
        Training events of the target; 0 if unknown.
    repeated : ndarray of shape (n,), bool
    top : ndarray of shape (n, k) or None
        Codes of the best items, where lists were asked for; -1 where a filter leaves no more.
    n_items : int
    item_counts : ndarray of shape (n_items,) or None
        Training events of each item.
    item_labels : ndarray of shape (n_items, n_columns) or None
        Clusters of each item, where the model knows them.
    excluded : ndarray of shape (n,), bool, or None
        Known targets that a filter leaves out, where there was one.
    known : ndarray of shape (n,), bool, or None
        Targets that the model knows; None stands for those that it has seen in training.
    """

    sessions: np.ndarray
    positions: np.ndarray
    ranks: np.ndarray
    counts: np.ndarray
    repeated: np.ndarray
    top: np.ndarray | None
    n_items: int
    item_counts: np.ndarray | None = None
    item_labels: np.ndarray | None = None
    excluded: np.ndarray | None = None
    known: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        cut: NextItemTargets,
        encoder: SessionEncoder,
        places: np.ndarray,
        ranks: np.ndarray,
        top: np.ndarray | None = None,
        filtered: bool = False,
    ) -> RankedTargets:
        """Ranked targets in the order of the sessions.

        Parameters
        ----------
        cut : NextItemTargets
        encoder : SessionEncoder
        places : ndarray of shape (n,)
            Event of ``cut.inputs`` that each target follows, in any order.
        ranks : ndarray of shape (n,)
        top : ndarray of shape (n, k), optional
        filtered : bool, default=False
            Whether a filter may have left out targets, whose rank is infinite then.
        """
        order = np.argsort(places, kind="stable")
        events = places[order]
        codes = cut.next_items[events]
        session = np.searchsorted(cut.inputs.offsets, events, side="right") - 1
        ranks = ranks[order]
        excluded = None
        if filtered:
            excluded = np.isinf(ranks) & (codes >= 0)
        if top is not None:
            top = top[order]
        return cls(
            sessions=cut.rows[session],
            positions=events - cut.inputs.offsets[session] + 1,
            ranks=ranks,
            counts=np.where(codes < 0, 0, encoder.item_counts[codes]),
            repeated=cut.repeated[events],
            top=top,
            n_items=encoder.n_items,
            item_counts=encoder.item_counts,
            item_labels=known_labels(encoder),
            excluded=excluded,
            known=codes >= 0,
        )

    @classmethod
    def join(cls, parts: Iterator[RankedTargets]) -> RankedTargets | None:
        """Targets of one part after another, of one model; None if there is no part.

        Columns are joined one by one, so that hardly more than one is there twice.

        Parameters
        ----------
        parts : iterator of RankedTargets
            Nothing else should keep them.
        """
        first = next(parts, None)
        if first is None:
            return None
        kept = {name: [getattr(first, name)] for name in OF_TARGETS}
        for part in parts:
            for name, columns in kept.items():
                columns.append(getattr(part, name))
        joined: dict[str, Any] = {}
        for name in OF_TARGETS:
            columns = kept.pop(name)
            if columns[0] is not None:
                joined[name] = np.concatenate(columns)
        return replace(first, **joined)

    def summary(
        self,
        metrics: str | Iterable[str],
        slices: Iterable[str] | None = None,
        sample_weight: Any = None,
    ) -> dict[str, Any]:
        """Metrics over all targets, the numbers of targets and of unknown ones, and slices.

        Parameters
        ----------
        metrics : str or iterable of str
            Names as in :func:`parse_metric`.
        slices : iterable of {"length", "popularity", "repeat", "cold"}, optional
            Groups of targets to report apart; metrics that are a single number are left out there.
        sample_weight : array-like of shape (n_sessions,), optional
            Weight of every target of a session.

        Returns
        -------
        dict
            As of :meth:`PromptedSessionRecommender.evaluate`.

        Raises
        ------
        ValueError
            If a metric or a slice is not known, or reads what is not there.
        """
        names = metric_names(metrics)
        quantities = self._quantities()
        check_reads(names, quantities)
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight, dtype=float)[self.sessions]
        weights = check_weights(sample_weight, len(self.ranks))
        values: Iterable[tuple[str, np.ndarray]] = metric_values(names, quantities)
        if slices:
            values = list(values)
        result: dict[str, Any] = {**averages(values, weights)}
        result["n_targets"] = len(self.ranks)
        n_missed = int(np.isinf(self.ranks).sum())
        if self.excluded is not None:
            result["n_excluded_targets"] = int(self.excluded.sum())
            n_missed -= result["n_excluded_targets"]
        result["n_unknown_targets"] = n_missed
        if slices:
            result["slices"] = averages_by_label(dict(values), self.groups(slices), weights)
        return result

    def _quantities(self) -> dict[str, Any]:
        """Quantities that metrics may read, see :func:`register_metric`; those that are there."""
        quantities = {
            "ranks": check_ranks(self.ranks),
            "target_counts": self.counts,
            "prefix_lengths": self.positions,
            "is_repeat": self.repeated,
            "topk_codes": self.top,
            "n_items": self.n_items,
            "item_counts": self.item_counts,
            "item_labels": self.item_labels,
        }
        return {name: value for name, value in quantities.items() if value is not None}

    def groups(self, slices: Iterable[str]) -> dict[str, np.ndarray]:
        """Labels of the targets, shape (n,), by name of the slice; a ValueError for others.

        Parameters
        ----------
        slices : iterable of {"length", "popularity", "repeat", "cold"}
        """
        if isinstance(slices, str):
            slices = [slices]
        known = self.known
        if known is None:
            known = self.counts > 0
        labels = {
            "length": slice_by_length(self.positions),
            "popularity": slice_by_popularity(self.counts),
            "repeat": slice_by_repeat(self.repeated),
            "cold": slice_by_cold(self.counts, known),
        }
        names = list(slices)
        for name in names:
            if name not in SLICES:
                raise ValueError(
                    f"slices={names!r} names {name!r}; known slices are {list(SLICES)}."
                )
        return {name: labels[name] for name in names}


def known_labels(encoder: SessionEncoder) -> np.ndarray | None:
    """Clusters of an encoder's items; None where it has learned none."""
    if encoder.item_labels.shape[1] == 0:
        return None
    return encoder.item_labels


def check_labels(names: Iterable[str], encoder: SessionEncoder) -> None:
    """Raise if a metric reads clusters of items and the encoder has learned none."""
    known = set(QUANTITIES)
    if known_labels(encoder) is None:
        known.remove("item_labels")
    check_reads(names, known)
