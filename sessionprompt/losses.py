"""Criteria of training: softmax cross-entropy over the catalogue, or over some items of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .batches import generator_on
from .scoring import (
    PRECISIONS,
    BlockCandidates,
    Candidates,
    EncodedPrefixes,
    TargetAttention,
    cluster_cross_entropy,
    linear_cross_entropy,
    scores_against,
)

__all__ = [
    "LOSSES",
    "MOST_OWN",
    "PRECISIONS",
    "ClusterSoftmax",
    "FullSoftmax",
    "SampledSoftmax",
    "linear_cross_entropy",
    "loss_name",
]

States = Tensor | TargetAttention

LOSSES = ("auto", "full", "clusters", "sampled")

WHOLE_TABLE = 16_384
"""Items up to which ``loss="auto"`` is the full softmax."""
WHOLE_TABLE_ON_GPU = 200_000
"""Items up to which ``loss="auto"`` is the full softmax on a GPU, which goes over all in 5 ms."""
MOST_OWN = 2048
"""Items of one cluster that are candidates by themselves at most."""
PER_ROW = 16
"""Items of a cluster that are candidates by themselves for each row that ends in it."""


def loss_name(loss: str, n_negatives: int | None, n_items: int, device: torch.device) -> str:
    """Name of the loss that ``loss="auto"`` stands for, or that of a loss given by name.

    Parameters
    ----------
    loss : {"auto", "full", "clusters", "sampled"}
    n_negatives : int or None
    n_items : int
    device : torch.device
        What trains.

    Examples
    --------
    >>> here = torch.device("cpu")
    >>> loss_name("auto", None, 500, here), loss_name("auto", None, 50_000, here)
    ('full', 'clusters')
    >>> loss_name("auto", 512, 500, here), loss_name("auto", None, 50_000, torch.device("cuda"))
    ('sampled', 'full')
    """
    if loss != "auto":
        return loss
    if n_negatives is not None:
        return "sampled"
    most = WHOLE_TABLE
    if device.type == "cuda":
        most = WHOLE_TABLE_ON_GPU
    if n_items > most:
        return "clusters"
    return "full"


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


class _Negatives(nn.Module):
    """Items drawn with replacement in proportion to popularity^power."""

    bounds: Tensor
    drawn: Tensor

    def __init__(self, popularity: Tensor, n_negatives: int, power: float) -> None:
        super().__init__()
        chances = popularity.double().clamp(min=1) ** power
        shares = chances / chances.sum()
        self.n_negatives = n_negatives
        self.register_buffer("bounds", shares.cumsum(0))
        self.register_buffer("drawn", (n_negatives * shares).float())

    def draw(self) -> Tensor:
        """Item codes of the negatives, in rising order, shape (n_negatives,)."""
        places = self.bounds.new_empty(self.n_negatives)  # (n_negatives,)
        places.uniform_(generator=generator_on(places.device))
        places = places.sort().values  # so that the search reads neighbours, half the time
        return torch.searchsorted(self.bounds, places).clamp(max=len(self.bounds) - 1)


class SampledSoftmax(_Negatives):
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
    n_negatives : int, default=8192
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

    met: Tensor

    def __init__(
        self,
        popularity: Tensor,
        n_negatives: int = 8192,
        power: float = 0.5,
        precision: str = "auto",
    ) -> None:
        super().__init__(popularity, n_negatives, power)
        counts = popularity.double().clamp(min=1)
        self.precision = precision
        self.register_buffer("met", (counts / counts.sum()).float())

    def forward(
        self,
        scored: EncodedPrefixes | tuple[States, Callable[[Tensor], Tensor]],
        targets: Tensor,
    ) -> Tensor:
        """Mean loss of states (B, d) against targets and negatives, which the function embeds."""
        if isinstance(scored, tuple):
            scored = EncodedPrefixes(*scored)
        asked = scored.all_targets(targets)  # (B,), in several processes more
        drawn = torch.cat([asked, self.draw()])  # (B + n,)
        items, place, counts = torch.unique(drawn, return_inverse=True, return_counts=True)  # (m,)
        expected = self.drawn[items] + len(asked) * self.met[items]  # (m,)
        log_weights = (counts / expected).log()  # (m,)
        right = place[: len(targets)]  # (B,)
        return scored.against(items).cross_entropy(right, self.precision, log_weights)


class ClusterSoftmax(_Negatives):
    """Criterion over encoded prefixes and targets: cross-entropy over a cluster and a sample.

    A row's candidates are the items of the cluster of its last item, each with weight 1, and of the
    items that all rows of the batch share, drawn as in :class:`SampledSoftmax`, those that are not
    among them, each with the weight 1 / (number of times it is expected in the sample). The target
    counts once and fully. The weighted sum is an unbiased estimate of the sum over the catalogue;
    its logarithm is too low on average, by half its relative variance (Jensen). What is hard to
    tell from the target is mostly in its cluster, so the variance is far below that of a sample of
    the same size.

    Of a cluster the most frequent items are taken, 16 for each row of the batch that ends in it and
    no more than a bound, and of the others those that are drawn.

    Parameters
    ----------
    popularity : Tensor of shape (n_items,)
        How often each item occurs in training; it counts as one at least.
    clusters : LongTensor of shape (n_items,)
        Cluster of each item; -1 for none: prefixes that end with such an item have the sample only.
    n_negatives : int, default=1024
    power : float, default=0.75
        0 draws all items alike, 1 in proportion to popularity.
    most_own : int, default=2048
        Most items of a cluster that are candidates by themselves.

    References
    ----------
    Bengio and Senecal, "Adaptive importance sampling to accelerate training of a neural
    probabilistic language model", IEEE Transactions on Neural Networks 2008 (the weights).

    Examples
    --------
    >>> criterion = ClusterSoftmax(torch.ones(4), torch.tensor([0, 0, 1, 1]), n_negatives=2)
    >>> vectors = lambda items=slice(None): torch.eye(4)[items]
    >>> prefixes = EncodedPrefixes(torch.eye(4)[:2], vectors, last_items=torch.tensor([0, 3]))
    >>> criterion(prefixes, torch.tensor([1, 0])).ndim
    0
    """

    clusters: Tensor
    ordered: Tensor
    starts: Tensor
    sizes: Tensor
    place: Tensor

    def __init__(
        self,
        popularity: Tensor,
        clusters: Tensor,
        n_negatives: int = 1024,
        power: float = 0.75,
        most_own: int = MOST_OWN,
    ) -> None:
        super().__init__(popularity, n_negatives, power)
        self.most_own = most_own
        by_count = torch.argsort(popularity, descending=True, stable=True)  # (n_items,)
        ordered = by_count[torch.argsort(clusters[by_count], stable=True)]  # (n_items,)
        counts = torch.bincount(clusters + 1)  # (n_clusters + 1,), first the items of none
        starts = counts.cumsum(0) - counts  # (n_clusters + 1,)
        place = torch.empty_like(clusters)  # (n_items,), in its cluster
        place[ordered] = (
            torch.arange(len(clusters), device=clusters.device) - starts[clusters[ordered] + 1]
        )
        buffers = {"clusters": clusters, "ordered": ordered, "place": place}
        buffers |= {"starts": starts[1:], "sizes": counts[1:]}
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer)

    def forward(self, scored: EncodedPrefixes, targets: Tensor) -> Tensor:
        """Mean loss of states (B, d) against targets, clusters of last items, and negatives."""
        if isinstance(scored.states, TargetAttention) or scored.last_items is None:
            raise ValueError(
                "loss='clusters' needs one embedding for each prefix and its last item, and this "
                "backbone's embedding depends on the candidate; set loss='full', or 'sampled'."
            )
        all_last_items = scored.all_last_items(scored.last_items)
        candidates = self.candidates(scored.last_items, targets, all_last_items)
        items = torch.cat([candidates.own, candidates.drawn, targets])  # (m + S + B,)
        table = scored.candidate_vectors(items)  # (m + S + B, d)
        return cluster_cross_entropy(scored.states, table, candidates)

    def candidates(
        self, last_items: Tensor, targets: Tensor, all_last_items: Tensor | None = None
    ) -> BlockCandidates:
        """Item codes of the candidates of a batch, drawn anew; of a share, as for all of it."""
        cluster = self._cluster(last_items)  # (B,)
        rows = self._rows_of(cluster)  # (n_clusters,)
        present = rows.nonzero().squeeze(1)  # (C,)
        block_of = torch.full((len(self.sizes) + 1,), -1, device=cluster.device)  # last for none
        block_of[present] = torch.arange(len(present), device=cluster.device)
        if all_last_items is not None and len(all_last_items) > len(last_items):
            rows = self._rows_of(self._cluster(all_last_items))  # (n_clusters,)
        most = (PER_ROW * rows).clamp(max=self.most_own)  # (n_clusters,)
        sizes = torch.minimum(self.sizes, most)[present]  # (C,)
        inside = self.clusters[targets] == cluster  # (B,)
        own_target = self._place(targets, most).masked_fill(~inside | (cluster < 0), -1)  # (B,)
        drawn, counts = torch.unique_consecutive(self.draw(), return_counts=True)  # (S,)
        drawn_block = block_of[self.clusters[drawn]]  # (S,)
        drawn_block = drawn_block.masked_fill(self._place(drawn, most) < 0, -1)  # (S,)
        by_block = torch.argsort(drawn_block, stable=True)  # (S,)
        return BlockCandidates(
            own=self._items_of(present, sizes),
            sizes=sizes,
            block=block_of[cluster],
            own_target=own_target,
            drawn=drawn[by_block],
            drawn_sizes=torch.bincount(drawn_block + 1, minlength=len(present) + 1),
            drawn_target=_places_in(drawn, by_block, targets),
            log_weights=(counts / self.drawn[drawn]).log()[by_block],
        )

    def _cluster(self, items: Tensor) -> Tensor:
        """Cluster of items (n,), -1 for none and for unknown ones."""
        return self.clusters[items.clamp(min=0)].masked_fill(items < 0, -1)

    def _rows_of(self, cluster: Tensor) -> Tensor:
        """How many rows, of clusters (n,), each cluster has, (n_clusters,)."""
        return torch.bincount(cluster + 1, minlength=len(self.sizes) + 1)[1:]

    def _place(self, items: Tensor, most: Tensor) -> Tensor:
        """Place of items (n,) among the first of their clusters, by falling popularity; else -1."""
        place = self.place[items]  # (n,)
        return place.masked_fill(place >= most[self.clusters[items]], -1)

    def _items_of(self, clusters: Tensor, sizes: Tensor) -> Tensor:
        """Codes of the first items of clusters (C,), so many of each, one after another."""
        ends = sizes.cumsum(0)  # (C,)
        shifts = self.starts[clusters] + sizes - ends  # (C,)
        total = int(sizes.sum())
        shift = torch.repeat_interleave(shifts, sizes, output_size=total)  # (m,)
        return self.ordered[torch.arange(total, device=shift.device) + shift]


def _places_in(rising: Tensor, order: Tensor, targets: Tensor) -> Tensor:
    """Place of targets (B,) among rising codes (S,) once these are put in order; -1 if absent."""
    place = torch.searchsorted(rising, targets).clamp(max=len(rising) - 1)  # (B,)
    absent = rising[place] != targets  # (B,)
    rank = torch.empty_like(order)  # (S,)
    rank[order] = torch.arange(len(order), device=order.device)
    return rank[place].masked_fill(absent, -1)
