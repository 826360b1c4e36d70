"""What evaluation ranks: the next items of whole sessions, cut off beforehand, and the metrics over their ranks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._order import repeated
from .encoding import SessionEncoder
from .metrics import (
    coverage,
    metric_names,
    parse_metric,
    ranking_metrics,
    slice_by_length,
    slice_by_popularity,
    slice_by_repeat,
    sliced_metrics,
)
from .sessions import Sessions

__all__ = ["SLICES", "CutSessions", "RankedTargets"]

SLICES = ("length", "popularity", "repeat")


@dataclass(frozen=True)
class CutSessions:
    """Sessions without their last events, and the item that follows each event that is left.

    Attributes
    ----------
    inputs : Sessions
    next_items : ndarray of shape (n_events,)
        Model code of the following item, -1 if the model does not know it.
    repeated : ndarray of shape (n_events,), bool
        Whether the following item occurred in the session before.
    rows : ndarray of shape (n_inputs,)
        Which of the given sessions each input is.
    """

    inputs: Sessions
    next_items: np.ndarray
    repeated: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, X: Sessions, encoder: SessionEncoder, last_events: np.ndarray | None = None) -> CutSessions:
        """Cut the last event off every session that has two, or take sessions that come without it.

        Parameters
        ----------
        X : Sessions
        encoder : SessionEncoder
        last_events : array-like of shape (n_sessions,), optional
            Raw ids of the last items, when X lacks them already.
        """
        if last_events is None:
            rows = np.flatnonzero(X.lengths >= 2)
            start = None if X.target_start is None else X.target_start[rows]
            inputs, last = replace(X.prefixes(rows, X.lengths[rows] - 1), target_start=start), X.offsets[rows + 1] - 1
            own, known = X.codes[last], encoder.item_codes(X)[last]
        else:
            rows = np.flatnonzero(X.lengths >= 1)
            inputs, last_events = X[rows], np.asarray(last_events)[rows]
            own, known = X.vocabulary.encode(last_events), encoder.vocabulary.encode(last_events)
        next_items = _shifted(encoder.item_codes(inputs), inputs.offsets, known)
        return cls(inputs, next_items, _repeated(inputs, own), rows)


def _shifted(codes: np.ndarray, offsets: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The code after each event; after a session's last event, its `last`."""
    following = np.append(codes[1:], -1)[: len(codes)]
    following[offsets[1:] - 1] = last
    return following


def _repeated(inputs: Sessions, last: np.ndarray) -> np.ndarray:
    """Whether the item after each event stands earlier in its session, the event itself included."""
    full = np.insert(inputs.codes, inputs.offsets[1:], last)  # -1 where the container does not hold it
    session = np.repeat(np.arange(len(inputs)), inputs.lengths + 1)
    return np.delete(repeated(full, session), inputs.offsets[:-1] + np.arange(len(inputs)))


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
        cut: CutSessions,
        encoder: SessionEncoder,
        places: np.ndarray,
        ranks: np.ndarray,
        top: np.ndarray | None = None,
    ) -> RankedTargets:
        """Put the ranks of some targets into the order of the sessions.

        Parameters
        ----------
        cut : CutSessions
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
        self, metrics: str | Iterable[str], slices: Iterable[str] | None = None, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Metrics over all targets, their number, the number of unknown ones, and slices if asked for."""
        names = metric_names(metrics)
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=float)[self.sessions]
        ranked = [name for name in names if parse_metric(name)[0] != "coverage"]
        values = ranking_metrics(self.ranks, ranked, weights=weights) if ranked else {}
        for name in set(names) - set(ranked):
            values[name] = coverage(self.top, parse_metric(name)[1], self.n_items)  # type: ignore[arg-type]
        result: dict[str, Any] = {name: values[name] for name in names}
        result["n_targets"] = len(self.ranks)
        result["n_unknown_targets"] = int(np.isinf(self.ranks).sum())
        if slices:
            result["slices"] = sliced_metrics(self.ranks, ranked, self._groups(slices), weights=weights)
        return result

    def _groups(self, slices: Iterable[str]) -> dict[str, np.ndarray]:
        slices = [slices] if isinstance(slices, str) else list(slices)
        unknown = [name for name in slices if name not in SLICES]
        if unknown:
            raise ValueError(f"slices={slices!r} names {unknown[0]!r}; known slices are {list(SLICES)}.")
        made = {
            "length": lambda: slice_by_length(self.positions),
            "popularity": lambda: slice_by_popularity(self.counts),
            "repeat": lambda: slice_by_repeat(self.repeated),
        }
        return {name: made[name]() for name in slices}
