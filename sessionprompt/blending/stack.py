"""Weights of several models together, and of the items that the session has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from .._arrays import largest_of_rows
from .blend import N_KNOTS, Blend, listed, weights_of
from .learn import HeldOut, likeliest_weights
from .own_items import BONUSES, KNOTS, OwnItems, knot_columns

__all__ = ["StackBlend", "candidates_of_stack", "learn_stack"]

N_BEST = 80  # items of each model outside a prefix, which together stand for all of them
N_BONUSES = len(BONUSES)


@dataclass(frozen=True, eq=False)
class StackBlend:
    """Weights of the scores of several models, and of the items that a prefix has seen already.

    With the scores s_i^m of item i by model m, s_max^m the best of the prefix x, and L its number
    of events, the score is

        sum_m t_m(L) s_i^m + [i in x] (sum_m g_m (s_i^m - s_max^m) + r[steps back] + c[times seen]
        + l[L] + h[i last] f),

    with the habits f of the prefix as in :class:`Blend`.

    Attributes
    ----------
    members : tuple of str
        Names of the models.
    weights : ndarray of shape (n_weights,)
        As named by :attr:`names`: the trust t_m of each model at lengths 1, 2 and 32 (between them
        it follows the logarithm of the length), 0 or more; each g_m; and the bonuses of an item
        that was seen so many steps back, so many times, in a prefix of such a length and of such
        habits.

    Examples
    --------
    >>> blend = StackBlend.of_one(("network", "counts"), 0)
    >>> blend.to_dict()["trust in network at length 1"], blend.to_dict()["own score of counts"]
    (1.0, 0.0)
    """

    members: tuple[str, ...]
    weights: np.ndarray

    @classmethod
    def of_one(cls, members: tuple[str, ...], chosen: int) -> Self:
        """The scores of one model as they are."""
        trust = np.zeros((len(members), N_KNOTS))
        trust[chosen] = 1
        return cls(members, np.append(trust, np.zeros(len(members) + N_BONUSES)))

    @classmethod
    def from_dict(cls, members: tuple[str, ...], weights: Mapping[str, float]) -> Self:
        """The blend of a table of weights by name; a ValueError if it is none of these models."""
        names = names_of(members)
        return cls(members, weights_of(weights, names, len(members) * N_KNOTS, 0))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the weights."""
        return names_of(self.members)

    def to_dict(self) -> dict[str, float]:
        """Weights by name."""
        return dict(zip(self.names, self.weights.tolist(), strict=True))

    def __repr__(self) -> str:
        title = f"Blend of {', '.join(self.members)} and of what the session has seen:"
        return listed(title, self.to_dict())

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, StackBlend) or self.members != other.members:
            return False
        return np.array_equal(self.weights, other.weights)

    __hash__ = None  # type: ignore[assignment]

    def scores(self, own: OwnItems, scores: Sequence[np.ndarray]) -> np.ndarray:
        """Blended scores of some prefixes.

        Parameters
        ----------
        own : OwnItems
        scores : sequence of ndarray of shape (n_rows, n_items)
            Of each model.

        Returns
        -------
        ndarray of shape (n_rows, n_items), float32
        """
        n = len(self.members)
        trust = knot_columns(own.lengths) @ self.weights[: n * N_KNOTS].reshape(n, N_KNOTS).T
        levels = trust.astype(np.float32)  # (n_rows, n_members)
        change = self._bonuses.own_scores(own, np.zeros(len(own)), np.zeros(len(own.lengths)))
        blended = np.zeros_like(scores[0], dtype=np.float32)  # (n_rows, n_items)
        own_weights = self.weights[n * N_KNOTS :][:n]
        for level, weight, values in zip(levels.T, own_weights, scores, strict=True):
            blended += level[:, None] * values
            best = values.max(axis=1)  # (n_rows,)
            change += weight * (values[own.row, own.item] - best[own.row])
        blended[own.row, own.item] += change
        return blended

    @cached_property
    def _bonuses(self) -> Blend:
        """The bonuses as a blend that adds nothing else."""
        weights = Blend.neutral().weights
        weights[-N_BONUSES:] = self.weights[-N_BONUSES:]
        return Blend(weights)


def names_of(members: Sequence[str]) -> tuple[str, ...]:
    """Names of the weights of a blend of some models."""
    trusts = [f"trust in {name} at length {knot}" for name in members for knot in KNOTS]
    return (*trusts, *(f"own score of {name}" for name in members), *BONUSES)


def candidates_of_stack(
    own: OwnItems, scores: Sequence[np.ndarray], targets: np.ndarray
) -> HeldOut:
    """Scores of held-out prefixes for a blend to learn from: own items, and each model's best.

    Prefixes whose target is none of these are left out.

    Parameters
    ----------
    own : OwnItems
    scores : sequence of ndarray of shape (n_rows, n_items)
        Of each model.
    targets : ndarray of shape (n_rows,)
        Code of the item that follows, -1 if it is unknown.
    """
    best = _best_outside(own, scores)  # (n_rows, n_best)
    rows = np.arange(len(targets))
    others = []
    own_scores = []
    target_scores = []
    for values in scores:
        highest = values.max(axis=1)  # (n_rows,)
        chosen = np.take_along_axis(values, np.maximum(best, 0), axis=1) - highest[:, None]
        others.append(np.where(best >= 0, chosen, -np.inf))
        own_scores.append(values[own.row, own.item] - highest[own.row])
        target_scores.append(values[rows, np.maximum(targets, 0)] - highest)
    data = HeldOut(
        own,
        np.stack(own_scores, axis=-1),
        np.stack(others, axis=-1),
        targets,
        np.stack(target_scores, axis=-1),
    )
    among_best = (best == targets[:, None]).any(axis=1) & (targets >= 0)
    return data.take(np.flatnonzero(among_best | (data.own_targets >= 0)))


def _best_outside(own: OwnItems, scores: Sequence[np.ndarray]) -> np.ndarray:
    """Codes of the best items of each model outside the prefixes; -1 for those named before."""
    found = []
    for values in scores:
        outside = values.copy()
        outside[own.row, own.item] = -np.inf
        codes, level = largest_of_rows(outside, min(N_BEST, outside.shape[1]))
        found.append(np.where(level > -np.inf, codes, -1))
    codes = np.sort(np.concatenate(found, axis=1), axis=1)
    repeated = codes[:, 1:] == codes[:, :-1]
    codes[:, 1:][repeated] = -1
    return codes


def learn_stack(members: tuple[str, ...], held_out: HeldOut) -> StackBlend:
    """Blend under which the targets of held-out prefixes are likeliest.

    The likelihood is that of a softmax over the candidates. It never falls below that of the best
    model alone, towards which the weights are drawn.

    Parameters
    ----------
    members : tuple of str
        Names of the models.
    held_out : HeldOut
        As made by :func:`candidates_of_stack`, of one prefix or more.

    Returns
    -------
    StackBlend
    """
    starts = [StackBlend.of_one(members, chosen).weights for chosen in range(len(members))]
    return StackBlend(members, likeliest_weights(held_out, starts, 0))
