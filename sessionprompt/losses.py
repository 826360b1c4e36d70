"""Criteria of training: softmax cross-entropy over the whole catalogue, or over a sample of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .batches import generator_on
from .scoring import (
    PRECISIONS,
    Candidates,
    EncodedPrefixes,
    TargetAttention,
    linear_cross_entropy,
    scores_against,
)

__all__ = ["PRECISIONS", "FullSoftmax", "SampledSoftmax", "linear_cross_entropy"]

States = Tensor | TargetAttention


class FullSoftmax(nn.Module):
    """Criterion over (states, table) and targets: cross-entropy over the full catalogue.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        See :func:`linear_cross_entropy`.

    Examples
    --------
    >>> states, table = torch.eye(2), torch.eye(2)
    >>> round(FullSoftmax("float32")((states, table), torch.tensor([0, 1])).item(), 4)
    0.3133
    """

    def __init__(self, precision: str = "auto") -> None:
        super().__init__()
        self.precision = precision

    def forward(self, scored: EncodedPrefixes | tuple[States, Tensor], targets: Tensor) -> Tensor:
        """Mean loss of states (B, d) against the candidate table (N, d)."""
        states, table = scored
        return scores_against(states, Candidates(table)).cross_entropy(targets, self.precision)


class SampledSoftmax(nn.Module):
    """Criterion over (states, function that embeds items) and targets: cross-entropy over a sample.

    All rows of a batch share `n_negatives` items, drawn with replacement in proportion to
    popularity^power, and the targets of the batch. A row's normaliser adds to its own target the
    exponentials of all other columns, each divided by the number of times its item is expected
    among them (the logQ correction): n q_j from the draws plus B p_j from the targets. That is an
    unbiased estimate of the full sum. An item that was drawn c times is one column of weight c, and
    a row leaves its own target out.

    Parameters
    ----------
    popularity : Tensor of shape (n_items,)
        How often each item occurs in training; it counts as one at least.
    n_negatives : int
    power : float, default=0.5
        0 draws all items alike, 1 in proportion to popularity.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        See :func:`~sessionprompt.losses.linear_cross_entropy`.

    References
    ----------
    Bengio and Senecal, "Adaptive importance sampling to accelerate training of a neural
    probabilistic language model", IEEE Transactions on Neural Networks 2008. Hidasi and
    Karatzoglou, "Recurrent neural networks with top-k gains for session-based recommendations",
    CIKM 2018 (shared negatives by popularity^power).

    Examples
    --------
    >>> criterion = SampledSoftmax(torch.ones(4), n_negatives=2)
    >>> criterion((torch.eye(4)[:2], lambda items: torch.eye(4)[items]), torch.tensor([0, 1])).ndim
    0
    """

    bounds: Tensor
    drawn: Tensor
    met: Tensor

    def __init__(
        self, popularity: Tensor, n_negatives: int, power: float = 0.5, precision: str = "auto"
    ) -> None:
        super().__init__()
        counts = popularity.double().clamp(min=1)
        chances = counts**power
        shares = chances / chances.sum()
        self.n_negatives = n_negatives
        self.precision = precision
        self.register_buffer("bounds", shares.cumsum(0))
        self.register_buffer("drawn", (n_negatives * chances / chances.sum()).float())
        self.register_buffer("met", (counts / counts.sum()).float())

    def forward(
        self,
        scored: EncodedPrefixes | tuple[States, Callable[[Tensor], Tensor]],
        targets: Tensor,
    ) -> Tensor:
        """Mean loss of states (B, d) against targets and negatives, which the function embeds."""
        if isinstance(scored, tuple):
            scored = EncodedPrefixes(*scored)
        drawn = torch.cat([targets, self.draw()])  # (B + n,)
        items, place, counts = torch.unique(drawn, return_inverse=True, return_counts=True)  # (m,)
        expected = self.drawn[items] + len(targets) * self.met[items]  # (m,)
        log_weights = (counts / expected).log()  # (m,)
        right = place[: len(targets)]  # (B,)
        return scored.against(items).cross_entropy(right, self.precision, log_weights)

    def draw(self) -> Tensor:
        """Item codes of the negatives, shape (n_negatives,)."""
        places = self.bounds.new_empty(self.n_negatives)  # (n_negatives,)
        places.uniform_(generator=generator_on(places.device))
        return torch.searchsorted(self.bounds, places).clamp(max=len(self.bounds) - 1)
