"""What a model's scores become once the items of the prefix itself are weighed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from .._checks import is_number
from .habits import HABITS
from .own_items import (
    BONUSES,
    COUNTS,
    KNOTS,
    LENGTHS,
    MOST,
    STEPS,
    OwnItems,
    count_columns,
    knot_columns,
    length_columns,
    step_columns,
)

__all__ = ["LEAST_TRUST", "NAMES", "N_KNOTS", "Blend", "listed", "weights_of"]

LEAST_TRUST = 0.05  # above 0, so that items outside the prefix keep their order
NAMES = (*(f"trust at length {knot}" for knot in KNOTS), "own score", *BONUSES)
N_KNOTS = len(KNOTS)
# ends of the bonuses by steps, by count, by share and by length, before those by habits
ENDS = np.cumsum([len(STEPS), len(COUNTS) + 1, 1, len(LENGTHS)])


@dataclass(frozen=True, eq=False)
class Blend:
    """Weights of the items that a prefix has seen already, learned on held-out sessions.

    With the score s_i of item i, s_max the best of the prefix x, and L its number of events, the
    blended score is

        t(L) s_i + [i in x] (g (s_i - s_max) + r[steps back] + c[times seen] + l[L] + h[i last] f),

    divided by the trust t(L) > 0: items outside the prefix keep their scores. Habits f tell how
    often the prefix has stayed at its last item and gone back to earlier ones, when it could; they
    have weights h for its last item and others for its earlier items. A network that was
    trained on a session is sure of it; how far to trust it, and how likely a return is, shows only
    on sessions that it has not seen.

    Attributes
    ----------
    weights : ndarray of shape (n_weights,)
        As named by :attr:`names`: the trust at lengths 1, 2 and 32 (between them it follows the
        logarithm of the length), g, and the bonuses of an item that was seen so many steps back, so
        many times, in a prefix of such a length, and of such habits.

    Examples
    --------
    >>> neutral = Blend.neutral()
    >>> neutral.to_dict()["trust at length 1"]
    1.0
    """

    weights: np.ndarray

    @classmethod
    def neutral(cls) -> Self:
        """The blend that changes nothing."""
        weights = np.zeros(len(NAMES))
        weights[:N_KNOTS] = 1
        return cls(weights)

    @classmethod
    def from_dict(cls, weights: Mapping[str, float]) -> Self:
        """The blend of a table of weights by name; a ValueError if it is none."""
        return cls(weights_of(weights, NAMES, N_KNOTS, LEAST_TRUST))

    def to_dict(self) -> dict[str, float]:
        """Weights by name."""
        return dict(zip(NAMES, self.weights.tolist(), strict=True))

    def __repr__(self) -> str:
        return listed("Blend of scores and of what the session has seen:", self.to_dict())

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Blend) and np.array_equal(self.weights, other.weights)

    __hash__ = None  # type: ignore[assignment]

    def own_scores(self, own: OwnItems, scores: np.ndarray, best: np.ndarray) -> np.ndarray:
        """New scores of the pairs of prefixes and their own items.

        Parameters
        ----------
        own : OwnItems
        scores : ndarray of shape (n_pairs,)
            Scores of the model.
        best : ndarray of shape (n_rows,)
            Its best score of each prefix.

        Returns
        -------
        ndarray of shape (n_pairs,)
        """
        by_steps, by_count, by_length, by_habit, trust = self._tables
        lengths = own.lengths[own.row]  # (n_pairs,)
        change = self._weight_of("own score") * (scores - best[own.row])  # (n_pairs,)
        change += by_steps[own.steps] + by_count[own.counts] + by_length[lengths]
        change += self._weight_of("share of events") * own.counts / lengths
        habitual = own.habits @ by_habit  # (n_rows, 2), of the last item and of earlier ones
        change += habitual[own.row, (own.steps > 0).astype(int)]
        return scores + change / trust[lengths]

    @cached_property
    def _tables(self) -> tuple[np.ndarray, ...]:
        """Bonuses by steps back, times seen, length and habit, and the trust by length."""
        numbers = np.arange(MOST + 1)
        numbers_from_1 = np.maximum(numbers, 1)
        steps, counts, _, lengths, habits = np.split(self.weights[N_KNOTS + 1 :], ENDS)
        return (
            step_columns(numbers) @ steps,
            count_columns(numbers_from_1) @ counts,
            length_columns(numbers_from_1) @ lengths,
            habits.reshape(2, len(HABITS)).T,
            knot_columns(numbers_from_1) @ self.weights[:N_KNOTS],
        )

    def _weight_of(self, name: str) -> float:
        return float(self.weights[NAMES.index(name)])


def weights_of(
    table: Mapping[str, float], names: Sequence[str], n_trusts: int, least_trust: float
) -> np.ndarray:
    """Weights of a table by name, the first of them trusts; a ValueError if they are none."""
    if not isinstance(table, Mapping) or tuple(table) != tuple(names):
        raise ValueError(f"the weights of a blend must be named {', '.join(names)}.")
    values = list(table.values())
    if not all(is_number(value) and np.isfinite(value) for value in values):
        raise ValueError(f"the weights of a blend must be finite numbers, not {values}.")
    if min(values[:n_trusts]) < least_trust:
        raise ValueError(f"the trust of a blend must be {least_trust} or more, not {values}.")
    return np.array(values, dtype=np.float64)


def listed(title: str, table: Mapping[str, float]) -> str:
    """Title and weights, one a line."""
    width = max(20, *(len(name) for name in table))
    return "\n".join([title, *(f"  {name:{width}} {value:8.3f}" for name, value in table.items())])
