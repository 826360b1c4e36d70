"""CORE: a session is a weighted mean of its items, so that both live in one space."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .._checks import check_choice, check_count
from ..batches import SessionBatch
from ._attention import Block, states_of_events
from ._base import Backbone
from ._bounds import check_repeats, shares
from ._layers import Dropout, position_rows, uniform_rows_

__all__ = ["CORE"]


class CORE(Backbone):
    """Weighted mean of the session's items, in the space of the items, scored by cosine.

    ::

        z_t = sum_p alpha_p x_p
        alpha_p = 1 / t                                      "ave"
        alpha = softmax_p(w . out_p + b)                     "trm"
        out = causal transformer blocks(drop(norm(x + pos)))

    The sum runs over the events p up to t. The mask is causal, so an event's logit is the same in
    all prefixes that hold it. The mean is over the vectors x after the session dropout, and in
    training candidates drop elements as well. The temperature is the recommender's. The published
    code starts every parameter at U(-1/sqrt d, 1/sqrt d), norms included; here norms start as the
    identity and positions at that scale, and the other maps keep torch's start.

    Parameters
    ----------
    dim : int
        Size d of the vectors in and out.
    variant : {"trm", "ave"}, default="trm"
    n_layers, n_heads, inner : int, default=2, 2, 256
        Transformer blocks, their heads and the width of their hidden layer.
    dropouts : (float, float), default=(0.5, 0.5)
        On attention weights and on outputs inside the blocks, in training.
    session_dropout, item_dropout : float, default=0.2
        On the elements of inputs and of candidates, in training.
    n_positions : int, default=50
        Longest window; positions count from its oldest event.

    References
    ----------
    Hou et al., CORE: simple and effective session-based recommendation within consistent
    representation space, SIGIR 2022.
    """

    causal = True
    scoring = "cosine"
    start_vectors = staticmethod(uniform_rows_)

    def __init__(
        self,
        dim: int,
        *,
        variant: str = "trm",
        n_layers: int = 2,
        n_heads: int = 2,
        inner: int = 256,
        dropouts: tuple[float, float] = (0.5, 0.5),
        session_dropout: float = 0.2,
        item_dropout: float = 0.2,
        n_positions: int = 50,
    ) -> None:
        super().__init__(dim)
        check_choice("variant", variant, ("trm", "ave"))
        check_repeats(n_layers=n_layers)
        check_count("n_positions", n_positions)
        self.drop_in = Dropout(session_dropout)
        self.drop_candidates = Dropout(item_dropout)
        self.weigh = None
        if variant == "trm":
            self.n_positions = n_positions
            self.weigh = _EventLogits(dim, n_layers, n_heads, inner, dropouts, n_positions)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        """Session embeddings (P, d), not yet of unit length."""
        x = self.drop_in(x)  # (T, d)
        pairs = batch.prefix_pairs  # of a prefix and an event
        logits = x.new_zeros(len(x))  # (T,)
        if self.weigh is not None:
            logits = self.weigh(x, batch)  # (T,)
        weights = pairs.softmax(logits.index_select(0, pairs.columns))  # (pairs,)
        return pairs.sum(weights, x)  # (P, d)

    def candidates(self, table: Tensor) -> Tensor:
        """Candidates with dropped elements, (N, d)."""
        return self.drop_candidates(table)


class _EventLogits(nn.Module):
    """Logit of each event, from the events before it and its position."""

    def __init__(
        self,
        dim: int,
        n_layers: int,
        n_heads: int,
        inner: int,
        dropouts: tuple[float, float],
        n_positions: int,
    ) -> None:
        super().__init__()
        _, on_outputs = shares("dropouts", dropouts, 2)
        self.positions = nn.Parameter(uniform_rows_(torch.empty(n_positions, dim)))
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        self.drop = Dropout(on_outputs)
        self.blocks = nn.ModuleList(Block(dim, n_heads, inner, dropouts) for _ in range(n_layers))
        self.energy = nn.Linear(dim, 1, bias=False)  # a bias would cancel in the softmax

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        """Logits (T,) of the events with vectors `x` (T, d)."""
        placed = x + position_rows(self.positions, batch.position, batch.longest)  # (T, d)
        out = self.drop(self.norm(placed))  # (T, d)
        out = states_of_events(self.blocks, out, batch)  # (T, d)
        return self.energy(out).squeeze(1)  # (T,)
