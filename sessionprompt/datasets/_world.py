"""The world that synthetic sessions come from: a catalogue of clustered items, and walks through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class World:
    """A catalogue laid out cluster by cluster; inside the world an item is known by its place there."""

    items: NDArray[np.int64]  # number of the item at each place
    cluster: NDArray[np.int64]  # cluster of each place
    bounds: NDArray[np.int64]  # cluster c holds the places bounds[c] to bounds[c + 1] - 1
    cumulative: NDArray[np.float64]  # popularity of all places before each place, and of all places

    @classmethod
    def build(cls, rng: np.random.Generator, n_items: int, n_clusters: int, skew: float) -> World:
        """Lay out a catalogue at random."""
        bounds = np.arange(n_clusters + 1) * n_items // n_clusters
        popularity = rng.permutation(np.arange(1.0, n_items + 1)) ** -skew
        return cls(
            items=rng.permutation(n_items),
            cluster=np.repeat(np.arange(n_clusters), np.diff(bounds)),
            bounds=bounds,
            cumulative=np.append(0.0, np.cumsum(popularity)),
        )

    def successors(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the next place in the ring of the cluster."""
        cluster = self.cluster[places]
        return np.where(places + 1 == self.bounds[cluster + 1], self.bounds[cluster], places + 1)

    def draw(
        self, rng: np.random.Generator, clusters: NDArray[np.int64], stay: float
    ) -> NDArray[np.int64]:
        """Draw a place by popularity for each cluster: in it with probability `stay`, else anywhere."""
        inside = rng.random(len(clusters)) < stay
        low = np.where(inside, self.bounds[clusters], 0)
        high = np.where(inside, self.bounds[clusters + 1], len(self.items))
        mass = self.cumulative[low] + rng.random(len(low)) * (
            self.cumulative[high] - self.cumulative[low]
        )
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
        """Return the item number of each event, walking all sessions at once, position by position."""
        starts, lengths = offsets[:-1], np.diff(offsets)
        places = np.empty(offsets[-1], dtype=np.int64)
        places[starts] = self._begin(rng, homes, len(starts), cluster_stay)
        for position in range(1, lengths.max()):
            events = starts[lengths > position] + position
            before = places[events - 1]
            drawn = self.draw(rng, self.cluster[before], cluster_stay)
            step = np.where(
                rng.random(len(events)) < predictability, self.successors(before), drawn
            )
            places[events] = np.where(rng.random(len(events)) < repeat_rate, before, step)
        return self.items[places]

    def _begin(
        self, rng: np.random.Generator, homes: NDArray[np.int64] | None, n: int, cluster_stay: float
    ) -> NDArray[np.int64]:
        if homes is None:
            return self.draw(rng, np.zeros(n, dtype=np.int64), stay=0.0)
        return self.draw(rng, homes, cluster_stay)

    def clusters(self) -> NDArray[np.int64]:
        """Return the cluster of each item number."""
        return self.cluster[np.argsort(self.items)]
