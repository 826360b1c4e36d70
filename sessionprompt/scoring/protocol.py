"""The one protocol of scores: prefixes against candidates, a matrix that need not exist."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .._checks import check_choice

__all__ = [
    "TIE_SHARES",
    "AroundScores",
    "ReplacedScores",
    "Rows",
    "Scores",
    "ScoresInBlocks",
    "weighted_cross_entropy",
]

Rows = slice | Tensor
"""Some rows: a slice, rising indices or a mask."""

TIE_SHARES = {"pessimistic": 1, "midpoint": 0.5, "optimistic": 0}
"""Share of the other candidates with the target's score that stand before it."""


class Scores(ABC):
    """Scores of B prefixes against N candidates, a matrix (B, N) that need not exist.

    A subclass answers five questions: the scores of some candidates, the log of the summed
    exponentials, how many candidates score higher than a threshold, the best candidates, and all
    of that for some of the rows. Ranks and losses follow from them, and so does everything about
    scores that differ from these in a few candidates of each row. A subclass that can do better
    overrides what follows as well.

    Answers agree with each other to the last digit only inside one of the :meth:`blocks`.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Number of prefixes and of candidates, (B, N)."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """Type of the scores."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Device of the scores."""

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, rows: Rows) -> Scores:
        """Scores of some of the prefixes."""

    @abstractmethod
    def of(self, codes: Tensor) -> Tensor:
        """Scores (B, m) of candidates (B, m) of each row."""

    @abstractmethod
    def logsumexp(self) -> Tensor:
        """Log of the summed exponentials of each row, (B,)."""

    @abstractmethod
    def count_greater(self, thresholds: Tensor, excluded: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of candidates above a threshold of each row and level with it, (B,) and (B,).

        Parameters
        ----------
        thresholds : Tensor of shape (B,)
        excluded : LongTensor of shape (B,)
            A candidate of each row that is not counted; -1 counts all.

        Returns
        -------
        greater : LongTensor of shape (B,)
            NaN counts as greater than everything, and everything as greater than NaN.
        equal : LongTensor of shape (B,)
        """

    @abstractmethod
    def topk(self, k: int) -> tuple[Tensor, Tensor]:
        """Codes (B, k) and scores (B, k) of the best candidates of each row, best first.

        Equal scores come by rising code, so a shorter list is the head of a longer one; NaN comes
        last.
        """

    # ------------------------------------------------------------------ what follows from these
    def blocks(self) -> Iterator[tuple[Rows, Scores]]:
        """Some rows at a time, with their scores, which are valid until the next are asked for."""
        yield slice(0, len(self)), self

    def best(self) -> Tensor:
        """Highest score of each row, (B,)."""
        return self.topk(1)[1].squeeze(1)

    def at(self, rows: Tensor, codes: Tensor) -> Tensor:
        """Scores (n,) of pairs of a row (n,), rising, and a candidate (n,)."""
        place = places_in_rows(rows, len(self))  # (n,)
        width = int(torch.bincount(rows, minlength=1).max())
        table = codes.new_zeros(len(self), width).index_put((rows, place), codes)  # (B, width)
        return self.of(table)[rows, place]

    def replaced(self, rows: Tensor, codes: Tensor, values: Tensor) -> Scores:
        """Scores with other values (n,) at pairs of a row (n,) and a candidate (n,), both rising.

        They may be written into these, which are not to be used afterwards.
        """
        return ReplacedScores(self, rows, codes, values)

    def matrix(self) -> Tensor:
        """All scores, (B, N)."""
        codes = torch.arange(self.shape[1], device=self.device)  # (N,)
        return self.of(codes.expand(self.shape))  # (B, N)

    def losses(self, targets: Tensor) -> Tensor:
        """Cross-entropy (B,) of the softmax, for the right candidate (B,) of each row."""
        return self.logsumexp() - self._target_scores(targets)

    def cross_entropy(
        self, targets: Tensor, precision: str = "auto", log_weights: Tensor | None = None
    ) -> Tensor:
        """Mean cross-entropy of the softmax: a scalar, differentiable once.

        Parameters
        ----------
        targets : LongTensor of shape (B,)
            The right candidate of each row.
        precision : {"auto", "float32", "bfloat16"}, default="auto"
            Of the factors of products, where they may be rounded.
        log_weights : Tensor of shape (N,), optional
            Added to the score of each candidate where it is not the target, such as what corrects
            a sample of candidates.
        """
        if log_weights is None:
            return self.losses(targets).mean()
        return weighted_cross_entropy(self.matrix(), targets, log_weights)

    def ranks(self, targets: Tensor, ties: str = "pessimistic") -> Tensor:
        """Rank (B,) of the right candidate (B,) of each row, the best being 1.

        Ties and broken scores count as in :func:`~sessionprompt.metrics.target_ranks`.
        """
        check_choice("ties", ties, TIE_SHARES)
        greater, equal = self.count_greater(self._target_scores(targets), targets)
        return 1 + greater + TIE_SHARES[ties] * equal

    def _target_scores(self, targets: Tensor) -> Tensor:
        return self.of(targets.unsqueeze(1)).squeeze(1)  # (B,)


class ScoresInBlocks(Scores):
    """Scores that exist block by block: answers are put together from those of the blocks.

    What is kept of a block belongs into a tensor made beforehand: small tensors kept among the
    large ones that come and go would break the heap into pieces that no block fits into again.
    """

    @abstractmethod
    def blocks(self) -> Iterator[tuple[Rows, Scores]]:
        """Some rows at a time, with their scores, which are valid until the next are asked for."""

    def of(self, codes: Tensor) -> Tensor:
        """Scores (B, m) of candidates (B, m) of each row."""
        scores = self._empty(*codes.shape, dtype=self.dtype)
        for rows, part in self.blocks():
            scores[rows] = part.of(codes[rows])
        return scores

    def logsumexp(self) -> Tensor:
        """Log of the summed exponentials of each row, (B,)."""
        sums = self._empty(len(self), dtype=self.dtype)
        for rows, part in self.blocks():
            sums[rows] = part.logsumexp()
        return sums

    def losses(self, targets: Tensor) -> Tensor:
        """Cross-entropy (B,) of the softmax, for the right candidate (B,) of each row."""
        losses = self._empty(len(self), dtype=self.dtype)
        for rows, part in self.blocks():
            losses[rows] = part.losses(targets[rows])
        return losses

    def count_greater(self, thresholds: Tensor, excluded: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of candidates above a threshold of each row and level with it, (B,) and (B,)."""
        greater = self._empty(len(self), dtype=torch.long)
        equal = self._empty(len(self), dtype=torch.long)
        for rows, part in self.blocks():
            greater[rows], equal[rows] = part.count_greater(thresholds[rows], excluded[rows])
        return greater, equal

    def ranks(self, targets: Tensor, ties: str = "pessimistic") -> Tensor:
        """Rank (B,) of the right candidate (B,) of each row, the best being 1."""
        ranks = self._empty(len(self), dtype=torch.double)
        for rows, part in self.blocks():
            ranks[rows] = part.ranks(targets[rows], ties).double()
        return ranks

    def topk(self, k: int) -> tuple[Tensor, Tensor]:
        """Codes (B, k) and scores (B, k) of the best candidates of each row, best first."""
        codes = self._empty(len(self), k, dtype=torch.long)
        values = self._empty(len(self), k, dtype=self.dtype)
        for rows, part in self.blocks():
            codes[rows], values[rows] = part.topk(k)
        return codes, values

    def _empty(self, *shape: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self.device)


class AroundScores:
    """Shape, type and device of scores that wrap others, in front of :class:`Scores`."""

    scores: Scores

    @property
    def shape(self) -> tuple[int, int]:
        """Number of prefixes and of candidates, (B, N)."""
        return self.scores.shape

    @property
    def dtype(self) -> torch.dtype:
        """Type of the scores."""
        return self.scores.dtype

    @property
    def device(self) -> torch.device:
        """Device of the scores."""
        return self.scores.device


@dataclass(frozen=True, eq=False)
class ReplacedScores(AroundScores, Scores):
    """Scores of which a few of each row have other values, whatever makes the rest.

    Ranks and lists are put together from those of the rest, which need not exist.

    Parameters
    ----------
    scores : Scores
    rows, codes : LongTensor of shape (n,)
        Distinct pairs of a row and a candidate, by row, then by candidate.
    values : Tensor of shape (n,)

    Examples
    --------
    >>> from sessionprompt.scoring import DenseScores
    >>> rest = DenseScores(torch.tensor([[0.1, 0.7, 0.2]]))
    >>> scores = ReplacedScores(rest, torch.tensor([0]), torch.tensor([1]), torch.tensor([0.15]))
    >>> scores.ranks(torch.tensor([0]))
    tensor([3])
    >>> scores.topk(2)[0]
    tensor([[2, 1]])
    """

    scores: Scores
    rows: Tensor
    codes: Tensor
    values: Tensor

    def __getitem__(self, rows: Rows) -> ReplacedScores:
        """Scores of some of the prefixes."""
        chosen = torch.arange(len(self), device=self.device)[rows]  # (rows,)
        place = torch.full((len(self),), -1, device=self.device)  # (B,)
        place[chosen] = torch.arange(len(chosen), device=self.device)
        place = place[self.rows]  # (n,)
        kept = place >= 0  # (n,)
        return ReplacedScores(self.scores[rows], place[kept], self.codes[kept], self.values[kept])

    def of(self, codes: Tensor) -> Tensor:
        """Scores (B, m) of candidates (B, m) of each row."""
        scores = self.scores.of(codes)  # (B, m)
        pair = self._pair_of(codes)  # (B, m)
        if not len(self.values):
            return scores
        return torch.where(pair >= 0, self.values[pair], scores)

    def matrix(self) -> Tensor:
        """All scores, (B, N)."""
        return self.scores.matrix().index_put((self.rows, self.codes), self.values)

    def logsumexp(self) -> Tensor:
        """Log of the summed exponentials of each row, (B,)."""
        return self.matrix().logsumexp(1)

    def count_greater(self, thresholds: Tensor, excluded: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of candidates above a threshold of each row and level with it, (B,) and (B,)."""
        greater, equal = self.scores.count_greater(thresholds, excluded)
        counted = self.codes != excluded[self.rows]  # (n,)
        rows = self.rows[counted]
        level = thresholds[rows]  # (counted,)
        new = self.values[counted]
        old = self.scores.at(self.rows, self.codes)[counted]
        above = (~(new <= level)).long() - (~(old <= level)).long()  # (counted,)
        same = (new == level).long() - (old == level).long()  # (counted,)
        return greater.index_add(0, rows, above), equal.index_add(0, rows, same)

    def topk(self, k: int) -> tuple[Tensor, Tensor]:
        """Codes (B, k) and scores (B, k) of the best candidates of each row, best first."""
        n_rows, n = self.shape
        place = places_in_rows(self.rows, n_rows)  # (n_pairs,)
        width = int(torch.bincount(self.rows, minlength=1).max())  # most pairs of a row
        codes, values = self.scores.topk(min(k + width, n))  # (B, asked) each
        replaced = self._pair_of(codes) >= 0  # (B, asked)
        own_codes = codes.new_full((n_rows, width), n)  # (B, width)
        own_values = values.new_full((n_rows, width), -torch.inf)  # (B, width)
        own_codes[self.rows, place] = self.codes
        ordered = self.values.nan_to_num(-torch.inf, torch.inf, -torch.inf)  # NaN comes last
        own_values[self.rows, place] = ordered
        codes = torch.cat([codes.masked_fill(replaced, n), own_codes], dim=1)
        values = torch.cat([values.masked_fill(replaced, -torch.inf), own_values], dim=1)
        codes, order = codes.sort(dim=1)
        values, best = values.gather(1, order).sort(dim=1, descending=True, stable=True)
        return codes.gather(1, best)[:, :k], values[:, :k]

    def _pair_of(self, codes: Tensor) -> Tensor:
        """Pair of each candidate (B, m) of each row, -1 where its score is not replaced."""
        n = self.shape[1]
        keys = self.rows * n + self.codes  # (n_pairs,)
        firsts = torch.arange(len(codes), device=codes.device).unsqueeze(1) * n  # (B, 1)
        asked = firsts + codes  # (B, m)
        if not len(keys):
            return torch.full_like(codes, -1)
        pair = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)  # (B, m)
        return torch.where(keys[pair] == asked, pair, -1)


def places_in_rows(rows: Tensor, n_rows: int) -> Tensor:
    """Place (n,) of each pair among those of its row, for rows (n,) that rise."""
    sizes = torch.bincount(rows, minlength=n_rows)  # (B,)
    firsts = sizes.cumsum(0) - sizes  # (B,)
    return torch.arange(len(rows), device=rows.device) - firsts[rows]


def weighted_cross_entropy(scores: Tensor, targets: Tensor, log_weights: Tensor) -> Tensor:
    """Mean cross-entropy of scores (B, N) to which all but the targets add log-weights (N,)."""
    place = targets.unsqueeze(1)  # (B, 1)
    target_score = scores.gather(1, place)  # (B, 1)
    weighted = scores + log_weights.to(scores.dtype)  # (B, N)
    rest = weighted.scatter(1, place, -torch.inf)  # (B, N)
    rest_logsumexp = rest.logsumexp(1, keepdim=True)  # (B, 1)
    return (torch.logaddexp(target_score, rest_logsumexp) - target_score).mean()
