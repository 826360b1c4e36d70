"""Weights of a blend: the maximum of the likelihood of targets that the model has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, minimize

from .blend import LEAST_TRUST, N_KNOTS, NAMES, Blend
from .own_items import OwnItems, knot_columns

__all__ = ["HeldOut", "learn_blend"]

PENALTY = 1e-4  # of a weight's square, for a column of variance 1; in small samples 1 / (2 n)


@dataclass(frozen=True)
class HeldOut:
    """Scores of held-out prefixes, counted from the best of each: own items, and the best others.

    Attributes
    ----------
    own : OwnItems
    own_scores : ndarray of shape (n_pairs,)
    others : ndarray of shape (n_rows, n_best)
        Best items outside the prefix, best first; minus infinity where there are no more.
    targets : ndarray of shape (n_rows,)
        Code of the item that follows, -1 if it is unknown.
    target_scores : ndarray of shape (n_rows,)
    """

    own: OwnItems
    own_scores: np.ndarray
    others: np.ndarray
    targets: np.ndarray
    target_scores: np.ndarray

    @classmethod
    def join(cls, parts: Sequence[HeldOut]) -> HeldOut:
        """Several of them, one after another."""
        return cls(
            OwnItems.join([part.own for part in parts]),
            np.concatenate([part.own_scores for part in parts]),
            np.concatenate([part.others for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.target_scores for part in parts]),
        )

    @property
    def own_targets(self) -> np.ndarray:
        """Pair of each target, -1 if it is outside the prefix, shape (n_rows,)."""
        hits = np.flatnonzero(self.own.item == self.targets[self.own.row])
        pairs = np.full(len(self.targets), -1)
        pairs[self.own.row[hits]] = hits
        return pairs

    def usable(self) -> HeldOut:
        """The prefixes whose target is an own item, or one of the best others."""
        among_best = (self.targets >= 0) & (self.target_scores >= self.others[:, -1])
        rows = np.flatnonzero(among_best | (self.own_targets >= 0))
        chosen = np.zeros(len(self.targets), dtype=bool)
        chosen[rows] = True
        return HeldOut(
            self.own.take(rows),
            self.own_scores[chosen[self.own.row]],
            self.others[rows],
            self.targets[rows],
            self.target_scores[rows],
        )


def learn_blend(held_out: HeldOut) -> Blend | None:
    """Blend under which the targets of held-out prefixes are likeliest, or None without targets.

    The likelihood is that of a softmax over a prefix's own items and the best others; targets
    beyond these are left out. It never falls below that of the scores alone. The weights are drawn
    towards the blend that changes nothing, as a prior of standard deviation 1 would in units of
    their columns, so what was never observed stays nothing.

    Parameters
    ----------
    held_out : HeldOut

    Returns
    -------
    Blend or None
    """
    data = held_out.usable()
    if not len(data.targets):
        return None
    loss = _Loss(data)
    start = Blend.neutral().weights * loss.scale
    lowest = np.full(len(NAMES), -np.inf)
    lowest[:N_KNOTS] = LEAST_TRUST
    bounds = Bounds(lowest, np.inf)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return Blend(found.x / loss.scale)


class _Loss:
    """Mean negative log-likelihood with its penalty, and the gradient, in scaled weights.

    Attributes
    ----------
    scale : ndarray of shape (n_weights,)
        Standard deviations of the columns, 1 for the trust and for constant columns.
    """

    def __init__(self, data: HeldOut) -> None:
        self.data = data
        self.own_targets = data.own_targets
        self.knots = knot_columns(data.own.lengths)
        self.columns = np.column_stack([data.own_scores, data.own.columns])
        deviations = self.columns.std(axis=0)
        deviations[deviations == 0] = 1
        self.scale = np.append(np.ones(N_KNOTS), deviations)
        self.neutral = Blend.neutral().weights * self.scale
        self.penalty = max(PENALTY, 0.5 / len(data.targets))
        self.finite = np.where(data.others > -np.inf, data.others, 0)

    def __call__(self, scaled: np.ndarray) -> tuple[float, np.ndarray]:
        weights = scaled / self.scale
        own = self.data.own
        trust = self.knots @ weights[:N_KNOTS]  # (n_rows,)
        logits = trust[own.row] * self.data.own_scores + self.columns @ weights[N_KNOTS:]
        loss, others, owns = self._softmax(trust, logits)
        in_scores = (others * self.finite).sum(axis=1)  # (n_rows,)
        in_scores += np.bincount(own.row, owns * self.data.own_scores, len(trust))
        in_scores -= self.data.target_scores
        owns[self.own_targets[self.own_targets >= 0]] -= 1
        gradient = np.append(in_scores @ self.knots, owns @ self.columns) / len(trust)
        away = scaled - self.neutral
        loss += self.penalty * (away @ away)
        return loss, gradient / self.scale + 2 * self.penalty * away

    def _softmax(
        self, trust: np.ndarray, logits: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Mean loss, and the probabilities of the others (n_rows, n_best) and the own items."""
        row = self.data.own.row
        highest = trust * self.data.others[:, 0]  # (n_rows,)
        np.maximum.at(highest, row, logits)
        others = np.exp(trust[:, None] * self.data.others - highest[:, None])
        owns = np.exp(logits - highest[row])
        total = others.sum(axis=1) + np.bincount(row, owns, len(trust))  # (n_rows,)
        target = trust * self.data.target_scores  # (n_rows,)
        repeated = self.own_targets >= 0
        target[repeated] = logits[self.own_targets[repeated]]
        loss = float((np.log(total) + highest - target).mean())
        return loss, others / total[:, None], owns / total[row]
