"""Weights of a blend: the maximum of the likelihood of targets that the model has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, minimize

from .blend import LEAST_TRUST, N_KNOTS, Blend
from .own_items import BONUSES, OwnItems, knot_columns

__all__ = ["HeldOut", "learn_blend", "likeliest_weights"]

LEAST_DEVIATION = 0.1  # of a column, so that what is rare gets no weight in the tens
PENALTY = 1e-4  # of a weight's square, for a column of variance 1; in small samples 1 / (2 n)


@dataclass(frozen=True)
class HeldOut:
    """Scores of held-out prefixes, counted from the best of each: own items, and the best others.

    Scores of several models have a last axis for these.

    Attributes
    ----------
    own : OwnItems
    own_scores : ndarray of shape (n_pairs,) or (n_pairs, n_models)
    others : ndarray of shape (n_rows, n_best) or (n_rows, n_best, n_models)
        Best items outside the prefix, those of one model best first; minus infinity where there are
        no more.
    targets : ndarray of shape (n_rows,)
        Code of the item that follows, -1 if it is unknown.
    target_scores : ndarray of shape (n_rows,) or (n_rows, n_models)
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
        """The prefixes of one model whose target is an own item, or one of the best others."""
        among_best = (self.targets >= 0) & (self.target_scores >= self.others[:, -1])
        return self.take(np.flatnonzero(among_best | (self.own_targets >= 0)))

    def take(self, rows: np.ndarray) -> HeldOut:
        """Some of the prefixes, in their order; `rows` rise."""
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
    return Blend(likeliest_weights(data, [Blend.neutral().weights], LEAST_TRUST))


def likeliest_weights(
    data: HeldOut, starts: Sequence[np.ndarray], least_trust: float
) -> np.ndarray:
    """Weights under which the targets are likeliest, drawn towards the likeliest of some starts.

    Parameters
    ----------
    data : HeldOut
        Every target is an own item, or one of the best others.
    starts : sequence of ndarray of shape (n_weights,)
        The trust in each model at each knot, the weight of its own score, the bonuses.
    least_trust : float

    Returns
    -------
    ndarray of shape (n_weights,)
    """
    loss = _Loss(data)
    losses = [loss.of(start * loss.scale)[0] for start in starts]
    loss.centre = starts[int(np.argmin(losses))] * loss.scale
    lowest = np.full(len(loss.scale), -np.inf)
    lowest[: loss.n_trusts] = least_trust
    bounds = Bounds(lowest, np.inf)
    found = minimize(loss, loss.centre, jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x / loss.scale


class _Loss:
    """Mean negative log-likelihood with its penalty, and the gradient, in scaled weights.

    Attributes
    ----------
    scale : ndarray of shape (n_weights,)
        Standard deviations of the columns, .1 at least; 1 for the trust and for constant columns.
    centre : ndarray of shape (n_weights,)
        Scaled weights without penalty.
    """

    def __init__(self, data: HeldOut) -> None:
        self.own = data.own
        self.own_targets = data.own_targets
        self.own_scores = _by_model(data.own_scores, 1)  # (n_models, n_pairs)
        self.target_scores = _by_model(data.target_scores, 1)  # (n_models, n_rows)
        self.others = _by_model(data.others, 2)  # (n_models, n_rows, n_best)
        self.absent = np.flatnonzero(self.others[0] == -np.inf)
        if len(self.absent):
            self.others = np.where(self.others == -np.inf, 0, self.others)
        self.knots = knot_columns(data.own.lengths)
        self.n_trusts = len(self.others) * N_KNOTS
        n_models = len(self.own_scores)
        self.columns = np.empty((len(data.own.row), n_models + len(BONUSES)))
        self.columns[:, :n_models] = self.own_scores.T
        data.own.write_columns(self.columns[:, n_models:])
        deviations = np.ones(self.columns.shape[1])
        if len(self.columns):
            deviations = np.array([column.std() for column in self.columns.T])
            deviations[deviations == 0] = 1
            deviations = np.maximum(deviations, LEAST_DEVIATION)
        self.scale = np.append(np.ones(self.n_trusts), deviations)
        self.centre = np.zeros(len(self.scale))
        self.penalty = max(PENALTY, 0.5 / len(data.targets))

    def __call__(self, scaled: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = self.of(scaled)
        away = scaled - self.centre
        loss += self.penalty * float(away @ away)
        return loss, gradient + 2 * self.penalty * away

    def of(self, scaled: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and gradient without the penalty."""
        weights = scaled / self.scale
        row = self.own.row
        trust = self.knots @ weights[: self.n_trusts].reshape(-1, N_KNOTS).T  # (n_rows, n_models)
        logits = self.columns @ weights[self.n_trusts :]  # (n_pairs,)
        for level, scores in zip(trust.T, self.own_scores, strict=True):
            logits += level[row] * scores
        loss, others, owns = self._softmax(trust, logits)
        gradients = []
        for scores, own, target in zip(
            self.others, self.own_scores, self.target_scores, strict=True
        ):
            in_scores = np.einsum("ij,ij->i", others, scores)  # (n_rows,)
            in_scores += np.bincount(row, owns * own, len(trust))
            in_scores -= target
            gradients.append(in_scores @ self.knots)
        owns[self.own_targets[self.own_targets >= 0]] -= 1
        gradient = np.concatenate([*gradients, owns @ self.columns]) / len(trust)
        return loss, gradient / self.scale

    def _softmax(
        self, trust: np.ndarray, logits: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Mean loss, and the probabilities of the others (n_rows, n_best) and the own items."""
        row = self.own.row
        others = self._of_others(trust)
        highest = others.max(axis=1)  # (n_rows,)
        np.maximum.at(highest, row, logits)
        others -= highest[:, None]
        np.exp(others, out=others)
        owns = np.exp(logits - highest[row])
        total = others.sum(axis=1) + np.bincount(row, owns, len(trust))  # (n_rows,)
        target = (trust * self.target_scores.T).sum(axis=1)  # (n_rows,)
        repeated = self.own_targets >= 0
        target[repeated] = logits[self.own_targets[repeated]]
        loss = float((np.log(total) + highest - target).mean())
        others /= total[:, None]
        return loss, others, owns / total[row]

    def _of_others(self, trust: np.ndarray) -> np.ndarray:
        """Blended scores of the items outside the prefixes, (n_rows, n_best)."""
        blended = trust[:, [0]] * self.others[0]
        for level, scores in zip(trust.T[1:], self.others[1:], strict=True):
            blended += level[:, None] * scores
        blended.ravel()[self.absent] = -np.inf
        return blended


def _by_model(scores: np.ndarray, n_axes: int) -> np.ndarray:
    """Scores with the models on the first axis; those of one model may lack an axis for it."""
    if scores.ndim == n_axes:
        return scores[None]
    return np.ascontiguousarray(np.moveaxis(scores, -1, 0))
