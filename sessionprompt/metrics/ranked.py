"""Ranked targets: one row per target of an evaluation, and the report made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..encoding import NextItemTargets, SessionEncoder
from .metrics import coverage, metric_names, parse_metric, ranking_metrics
from .slices import slice_by_length, slice_by_popularity, slice_by_repeat, sliced_metrics

__all__ = ["SLICES", "RankedTargets"]

SLICES = ("length", "popularity", "repeat")


@dataclass(frozen=True)
class RankedTargets:
    """One row per target: where it stands and how the model ranked it.

    Attributes
    ----------
    sessions : ndarray of shape (n,)
        Index of the session in the X that was evaluated.
    positions : ndarray of shape (n,)
        Position of the target in its session, so also the length of its prefix.
    ranks : ndarray of shape (n,), float
        1 is best; infinite for targets that the model does not know.
    counts : ndarray of shape (n,)
        Training events of the target; 0 if unknown.
    repeated : ndarray of shape (n,), bool
    top : ndarray of shape (n, k) or None
        Codes of the best items, where coverage was asked for.
    n_items : int
    """

    sessions: np.ndarray
    positions: np.ndarray
    ranks: np.ndarray
    counts: np.ndarray
    repeated: np.ndarray
    top: np.ndarray | None
    n_items: int

    @classmethod
    def of(
        cls,
        cut: NextItemTargets,
        encoder: SessionEncoder,
        places: np.ndarray,
        ranks: np.ndarray,
        top: np.ndarray | None = None,
    ) -> RankedTargets:
        """Put the ranks of some targets into the order of the sessions.

        Parameters
        ----------
        cut : NextItemTargets
        encoder : SessionEncoder
        places : ndarray of shape (n,)
            Event of ``cut.inputs`` that each target follows, in any order.
        ranks : ndarray of shape (n,)
        top : ndarray of shape (n, k), optional
        """
        order = np.argsort(places, kind="stable")
        events = places[order]
        known = cut.next_items[events]
        session = np.searchsorted(cut.inputs.offsets, events, side="right") - 1
        return cls(
            sessions=cut.rows[session],
            positions=events - cut.inputs.offsets[session] + 1,
            ranks=ranks[order],
            counts=np.where(known < 0, 0, encoder.item_counts[known]),
            repeated=cut.repeated[events],
            top=None if top is None else top[order],
            n_items=encoder.n_items,
        )

    def summary(
        self,
        metrics: str | Iterable[str],
        slices: Iterable[str] | None = None,
        sample_weight: Any = None,
    ) -> dict[str, Any]:
        """Metrics over all targets, their number, the number of unknown ones, and slices if asked for."""
        names = metric_names(metrics)
        weights = (
            None if sample_weight is None else np.asarray(sample_weight, dtype=float)[self.sessions]
        )
        ranked = [name for name in names if parse_metric(name)[0] != "coverage"]
        values = ranking_metrics(self.ranks, ranked, weights=weights) if ranked else {}
        for name in set(names) - set(ranked):
            values[name] = coverage(self.top, parse_metric(name)[1], self.n_items)  # type: ignore[arg-type]
        result: dict[str, Any] = {name: values[name] for name in names}
        result["n_targets"] = len(self.ranks)
        result["n_unknown_targets"] = int(np.isinf(self.ranks).sum())
        if slices:
            result["slices"] = sliced_metrics(
                self.ranks, ranked, self._groups(slices), weights=weights
            )
        return result

    def _groups(self, slices: Iterable[str]) -> dict[str, np.ndarray]:
        slices = [slices] if isinstance(slices, str) else list(slices)
        unknown = [name for name in slices if name not in SLICES]
        if unknown:
            raise ValueError(
                f"slices={slices!r} names {unknown[0]!r}; known slices are {list(SLICES)}."
            )
        made = {
            "length": lambda: slice_by_length(self.positions),
            "popularity": lambda: slice_by_popularity(self.counts),
            "repeat": lambda: slice_by_repeat(self.repeated),
        }
        return {name: made[name]() for name in slices}
