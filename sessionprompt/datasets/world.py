"""World of synthetic sessions: a catalogue of clustered items, and walks through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["World"]


@dataclass(frozen=True)
class World:
    """A catalogue cluster by cluster; an item is known by its place there."""

    items: NDArray[np.int64]  # number of the item at each place
    cluster: NDArray[np.int64]  # cluster of each place
    bounds: NDArray[np.int64]  # cluster c holds the places bounds[c] to bounds[c + 1] - 1
    cumulative: NDArray[np.float64]  # popularity of all places before each place, and of all places

    @classmethod
    def build(cls, rng: np.random.Generator, n_items: int, n_clusters: int, skew: float) -> World:
        """A catalogue in random order."""
        bounds = np.arange(n_clusters + 1) * n_items // n_clusters
        popularity = rng.permutation(np.arange(1.0, n_items + 1)) ** -skew
        return cls(
            items=rng.permutation(n_items),
            cluster=np.repeat(np.arange(n_clusters), np.diff(bounds)),
            bounds=bounds,
            cumulative=np.append(0.0, np.cumsum(popularity)),
        )

    def successors(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Next place in the ring of the cluster."""
        cluster = self.cluster[places]
        return np.where(places + 1 == self.bounds[cluster + 1], self.bounds[cluster], places + 1)

    def draw(
        self, rng: np.random.Generator, clusters: NDArray[np.int64], stay: float
    ) -> NDArray[np.int64]:
        """Places drawn by popularity: in the cluster with probability `stay`, else anywhere."""
        inside = rng.random(len(clusters)) < stay
        low = np.where(inside, self.bounds[clusters], 0)
        high = np.where(inside, self.bounds[clusters + 1], len(self.items))
        below = self.cumulative[low]
        mass = below + rng.random(len(low)) * (self.cumulative[high] - below)
        drawn = np.searchsorted(self.cumulative, mass, side="right") - 1
        return np.clip(drawn, low, high - 1)  # rounding may reach the next cluster

    def walk(
        self,
        rng: np.random.Generator,
        homes: NDArray[np.int64] | None,
        offsets: NDArray[np.int64],
        predictability: float,
        cluster_stay: float,
        repeat_rate: float,
    ) -> NDArray[np.int64]:
        """Item number of each event; all sessions walk at once, position by position."""
        starts = offsets[:-1]
        lengths = np.diff(offsets)
        places = np.empty(offsets[-1], dtype=np.int64)
        places[starts] = self._begin(rng, homes, len(starts), cluster_stay)
        for position in range(1, lengths.max()):
            events = starts[lengths > position] + position
            before = places[events - 1]
            drawn = self.draw(rng, self.cluster[before], cluster_stay)
            advances = rng.random(len(events)) < predictability
            step = np.where(advances, self.successors(before), drawn)
            repeats = rng.random(len(events)) < repeat_rate
            places[events] = np.where(repeats, before, step)
        return self.items[places]

    def _begin(
        self, rng: np.random.Generator, homes: NDArray[np.int64] | None, n: int, cluster_stay: float
    ) -> NDArray[np.int64]:
        """Place of each session's first event."""
        if homes is None:
            return self.draw(rng, np.zeros(n, dtype=np.int64), stay=0.0)
        return self.draw(rng, homes, cluster_stay)

    def clusters(self) -> NDArray[np.int64]:
        """Cluster of each item number."""
        return self.cluster[np.argsort(self.items)]
