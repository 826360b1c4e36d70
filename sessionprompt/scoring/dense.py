"""Scores that exist as a matrix: the exact answers, searched in parts that caches hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..metrics import target_ranks
from . import sizes
from .protocol import Rows, Scores

__all__ = ["DenseScores"]


@dataclass(frozen=True, eq=False)
class DenseScores(Scores):
    """Scores of B prefixes against N candidates, all of them.

    Parameters
    ----------
    values : Tensor of shape (B, N)
    scratch : bool, default=False
        Whether others may be written into them.

    Examples
    --------
    >>> scores = DenseScores(torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]]))
    >>> scores.ranks(torch.tensor([2, 0]))
    tensor([2, 2])
    >>> scores.topk(2)[0]
    tensor([[1, 2],
            [0, 1]])
    """

    values: Tensor
    scratch: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Number of prefixes and of candidates, (B, N)."""
        n_prefixes, n_candidates = self.values.shape
        return n_prefixes, n_candidates

    @property
    def dtype(self) -> torch.dtype:
        """Type of the scores."""
        return self.values.dtype

    @property
    def device(self) -> torch.device:
        """Device of the scores."""
        return self.values.device

    def __getitem__(self, rows: Rows) -> DenseScores:
        """Scores of some of the prefixes."""
        return DenseScores(self.values[rows], self.scratch)

    def of(self, codes: Tensor) -> Tensor:
        """Scores (B, m) of candidates (B, m) of each row."""
        return self.values.gather(1, codes)

    def matrix(self) -> Tensor:
        """All scores, (B, N)."""
        return self.values

    def best(self) -> Tensor:
        """Highest score of each row, (B,)."""
        return torch.cat([values.amax(1) for values in self._parts()])

    def at(self, rows: Tensor, codes: Tensor) -> Tensor:
        """Scores (n,) of pairs of a row (n,) and a candidate (n,)."""
        return self.values[rows, codes]

    def replaced(self, rows: Tensor, codes: Tensor, values: Tensor) -> DenseScores:
        """The same matrix, with other values (n,) at pairs of a row (n,) and a candidate (n,)."""
        if not self.scratch:
            return DenseScores(self.values.index_put((rows, codes), values), scratch=True)
        self.values[rows, codes] = values
        return self

    def logsumexp(self) -> Tensor:
        """Log of the summed exponentials of each row, (B,)."""
        return torch.cat([values.logsumexp(1) for values in self._parts()])

    def count_greater(self, thresholds: Tensor, excluded: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of candidates above a threshold of each row and level with it, (B,) and (B,)."""
        level = thresholds.unsqueeze(1)  # (B, 1)
        greater = torch.empty_like(excluded)  # (B,)
        equal = torch.empty_like(excluded)  # (B,)
        start = 0
        for values in self._parts():
            rows = slice(start, start + len(values))
            not_above = torch.count_nonzero(values <= level[rows], dim=1)  # (rows,)
            greater[rows] = values.shape[1] - not_above
            equal[rows] = torch.count_nonzero(values == level[rows], dim=1)
            start = rows.stop
        counted = excluded >= 0  # (B,)
        left_out = self.of(excluded.clamp(min=0).unsqueeze(1)).squeeze(1)  # (B,)
        greater -= (counted & ~(left_out <= thresholds)).long()
        equal -= (counted & (left_out == thresholds)).long()
        return greater, equal

    def ranks(self, targets: Tensor, ties: str = "pessimistic") -> Tensor:
        """Rank (B,) of the right candidate (B,) of each row, the best being 1."""
        if self.device.type != "cpu":
            return target_ranks(self.values, targets, ties=ties)
        # NumPy compares and counts several times faster
        codes = targets.split(sizes.SEARCH_ROWS)
        parts = [
            target_ranks(values.detach().numpy(), code.numpy(), ties=ties)
            for values, code in zip(self._parts(), codes, strict=True)
        ]
        return torch.cat([torch.from_numpy(ranks) for ranks in parts])

    def topk(self, k: int) -> tuple[Tensor, Tensor]:
        """Codes and scores (B, k) of the best of each row, of equals the lowest code first."""
        found = [_topk(values, k) for values in self._parts()]
        codes, values = zip(*found, strict=True)
        return torch.cat(codes), torch.cat(values)

    def _parts(self) -> Iterator[Tensor]:
        """Some rows at a time on the CPU, all at once elsewhere."""
        if self.device.type == "cpu":
            return iter(self.values.split(sizes.SEARCH_ROWS))
        return iter([self.values])


def _topk(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Codes and values (rows, k) of the highest scores, best first, and of equals the lowest code.

    NaN is no score to recommend by: it comes last, as minus infinity does.
    """
    n_asked = min(k + 1, scores.shape[1])  # one more, to see whether the last one is level with it
    codes, values = _highest(scores, n_asked)  # (rows, n_asked) each
    if n_asked > 1 and (values[:, :-1] > values[:, 1:]).all():
        return codes[:, :k], values[:, :k]
    return _ordered(scores, codes, values, k)


def _ordered(scores: Tensor, codes: Tensor, values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Codes and values (rows, k) of the highest found, where some are level or NaN."""
    if torch.isnan(values[:, 0]).any():
        scores = scores.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        codes, values = _highest(scores, values.shape[1])
    undecided = (values[:, k - 1 : -1] == values[:, k:]).any(dim=1)  # (rows,)
    codes = codes[:, :k]
    values = values[:, :k]
    if undecided.any():
        codes = codes.clone()
        codes[undecided] = _first_of_equals(scores[undecided], codes[undecided], values[undecided])
    return _by_code(codes, values)


def _highest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Codes and values (rows, k) of the highest scores, searched in the slices with the highest.

    No other slice can hold a higher score than the lowest of them. Equals are in any order.
    """
    n_rows, n = scores.shape
    n_slices = n // sizes.SEARCH_SLICE
    n_least = 4 * k
    if n_rows == 1:  # where each operation takes as long as a search
        n_least = 32 * k
    if n_slices < n_least:  # too few to save anything
        values, codes = scores.topk(k, dim=1)
        return codes, values
    whole = n_slices * sizes.SEARCH_SLICE
    slices = scores[:, :whole].unflatten(1, (n_slices, sizes.SEARCH_SLICE))
    highest = slices.amax(dim=2)  # (rows, n_slices)
    chosen = highest.topk(k, dim=1, sorted=False).indices.unsqueeze(2)  # (rows, k, 1)
    inside = torch.arange(sizes.SEARCH_SLICE, device=scores.device)  # (slice,)
    in_slices = (chosen * sizes.SEARCH_SLICE + inside).flatten(1)  # (rows, k * slice)
    rest = torch.arange(whole, n, device=scores.device).expand(n_rows, -1)
    candidates = torch.cat([in_slices, rest], dim=1)  # (rows, candidates)
    values, order = scores.gather(1, candidates).topk(k, dim=1)  # (rows, k)
    return candidates.gather(1, order), values


def _first_of_equals(scores: Tensor, codes: Tensor, values: Tensor) -> Tensor:
    """Codes (rows, k) in which those level with the last are the lowest ones that there are."""
    k = codes.shape[1]
    last = values[:, -1:]  # (rows, 1)
    above = (values > last).sum(dim=1)  # (rows,)
    row, code = (scores == last).nonzero(as_tuple=True)  # (equals,) each, row by row
    n_equal = torch.bincount(row, minlength=len(scores))  # (rows,)
    starts = n_equal.cumsum(0) - n_equal  # (rows,)
    nth = torch.arange(len(row), device=row.device) - starts[row]  # (equals,)
    place = above[row] + nth  # (equals,)
    fits = place < k  # (equals,)
    return codes.index_put((row[fits], place[fits]), code[fits])


def _by_code(codes: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The same with equal values (rows, k) by rising code."""
    codes, order = codes.sort(dim=1)
    values, best = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return codes.gather(1, best), values
