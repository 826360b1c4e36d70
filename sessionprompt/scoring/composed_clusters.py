"""The softmax over blocks of candidates and a sample, by torch's products."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .block_candidates import BlockCandidates, BlockRows
from .scratch import scratch

__all__ = ["composed"]

WORTH_A_PRODUCT = 1024
"""Scores that are computed in vain at most, to have one product in place of two."""


def composed(
    rows: BlockRows,
    vectors: list[Tensor],
    chosen: Tensor,
    candidates: BlockCandidates,
    gradients: list[Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss and gradients of x and of the chosen (B, d).

    Vectors of the blocks (m, d) and of what is drawn (S, d) have theirs written to `gradients`.
    """
    own_vectors, drawn_vectors = vectors
    own_grad, drawn_grad = gradients
    target_score = torch.linalg.vecdot(rows.x, chosen).unsqueeze(1)  # (B, 1)
    own = _Own(rows, own_vectors, candidates)
    drawn = _Drawn(rows, drawn_vectors, candidates)
    rest_logsumexp = torch.logaddexp(own.logsumexp, drawn.logsumexp)  # (B, 1)
    total = torch.logaddexp(rest_logsumexp, target_score)  # (B, 1)
    log_scale = total + math.log(len(chosen))  # (B, 1), in the mean over all rows
    missing = (rest_logsumexp - log_scale).exp_().neg_()  # (B, 1), p - 1 of the targets
    x_grad = missing * chosen  # (B, d)
    own.add_gradients(log_scale, x_grad, own_grad)
    drawn.add_gradients(log_scale, x_grad, drawn_grad)
    return (total - target_score).mean(), x_grad, missing * rows.x


class _Span(NamedTuple):
    """Blocks one after another: one product of all their rows and candidates."""

    n_rows: int
    n_columns: int
    n_blocks: int


def _spans(n_rows: list[int], sizes: list[int]) -> list[_Span]:
    """Spans of blocks that have so many rows and candidates."""
    spans = [_Span(0, 0, 0)]
    for rows, size in zip(n_rows, sizes, strict=True):
        last = spans[-1]
        if last.n_rows * size + rows * last.n_columns <= WORTH_A_PRODUCT:
            spans[-1] = _Span(last.n_rows + rows, last.n_columns + size, last.n_blocks + 1)
        else:
            spans.append(_Span(rows, size, 1))
    return [span for span in spans if span.n_blocks]


class _Own:
    """Exponentials of rows against the candidates of their blocks, span by span."""

    def __init__(self, rows: BlockRows, vectors: Tensor, candidates: BlockCandidates) -> None:
        without, *with_block = rows.n_rows
        spans = _spans(with_block, candidates.sizes.tolist())
        self.x = rows.x
        self.n_rows = [without, *(span.n_rows for span in spans)]
        self.n_columns = [0, *(span.n_columns for span in spans)]
        self.vectors = self._columns(vectors)
        n_scores = [span.n_rows * span.n_columns for span in spans]
        kept = scratch("own exponentials", 0, sum(n_scores), vectors.dtype, vectors.device)
        self.exponentials = [  # (rows, columns) each
            scores.view(span.n_rows, span.n_columns)
            for scores, span in zip(kept.split(n_scores), spans, strict=True)
        ]
        for x, some, scores in self._each(self._rows(self.x), self.vectors):
            torch.mm(x, some.T, out=scores)
        self._leave_out_other_blocks(spans, rows, candidates)
        _leave_out(kept, *self._targets(rows, candidates))
        self.highest = self.x.new_full((len(self.x), 1), _hopeless(vectors.dtype))  # (B, 1)
        sums = torch.zeros_like(self.highest)  # (B, 1)
        for highest, some, scores in self._each(self._rows(self.highest), self._rows(sums)):
            _exponentials(scores, highest, some)
        self.logsumexp = self.highest + sums.log()  # (B, 1)

    def _each(self, *parts: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
        """Parts of each span, and its scores or exponentials."""
        return zip(*parts, self.exponentials, strict=True)

    def _leave_out_other_blocks(
        self, spans: list[_Span], rows: BlockRows, candidates: BlockCandidates
    ) -> None:
        """Make scores hopeless that stand beside those of a row's block."""
        blocks = torch.arange(len(candidates.sizes), device=self.x.device)  # (C,)
        total = sum(self.n_columns)
        theirs = torch.repeat_interleave(blocks, candidates.sizes, output_size=total)  # (m,)
        mine = self._rows(rows.block.unsqueeze(1))
        for span, row_block, block, scores in zip(
            spans, mine, self._columns(theirs), self.exponentials, strict=True
        ):
            if span.n_blocks > 1:
                scores.masked_fill_(row_block != block, _hopeless(scores.dtype))

    def _rows(self, x: Tensor) -> tuple[Tensor, ...]:
        """Rows of (B, ...) of each span."""
        return x.split(self.n_rows)[1:]

    def _columns(self, table: Tensor) -> tuple[Tensor, ...]:
        """Candidates of (m, ...) of each span."""
        return table.split(self.n_columns)[1:]

    def _targets(self, rows: BlockRows, candidates: BlockCandidates) -> tuple[Tensor, Tensor]:
        """Where the scores of each row start, (B,), and which of them is the target's, or -1."""
        device = rows.block.device
        n_rows = torch.tensor(self.n_rows, device=device)  # (spans + 1,)
        n_columns = torch.tensor(self.n_columns, device=device)  # (spans + 1,)
        width = torch.repeat_interleave(n_columns, n_rows)  # (B,)
        before = torch.repeat_interleave(n_columns.cumsum(0) - n_columns, n_rows)  # (B,)
        first = F.pad(candidates.sizes.cumsum(0), (1, 0))  # (C + 1,)
        column = first[rows.block] - before + rows.own_target  # (B,)
        return width.cumsum(0) - width, column.masked_fill(rows.own_target < 0, -1)

    def add_gradients(self, log_scale: Tensor, x_grad: Tensor, own_grad: Tensor) -> None:
        """Add the gradient of exp(scores - log_scale) to (B, d); write that of (m, d)."""
        scale = (self.highest - log_scale).exp_()  # (B, 1)
        products = torch.zeros_like(x_grad)  # (B, d)
        for some, product, exponentials in self._each(self.vectors, self._rows(products)):
            torch.mm(exponentials, some, out=product)
        scaled = self._rows(scale * self.x)
        for x, grad, exponentials in self._each(scaled, self._columns(own_grad)):
            torch.mm(exponentials.T, x, out=grad)
        x_grad.addcmul_(scale, products)


class _Drawn:
    """Exponentials of all rows against the candidates that they share."""

    def __init__(self, rows: BlockRows, vectors: Tensor, candidates: BlockCandidates) -> None:
        self.x = rows.x
        self.vectors = vectors  # (S, d)
        shape = len(self.x), len(vectors)
        kept = scratch("drawn exponentials", 0, math.prod(shape), vectors.dtype, vectors.device)
        self.exponentials = kept.view(shape)  # (B, S)
        log_weights = candidates.log_weights.to(vectors.dtype)  # (S,)
        torch.addmm(log_weights, self.x, vectors.T, out=self.exponentials)
        row = rows.n_rows[0]
        column = int(candidates.drawn_sizes[0])
        sizes = candidates.drawn_sizes[1:].tolist()
        for n, size in zip(rows.n_rows[1:], sizes, strict=True):
            inside = self.exponentials[row : row + n, column : column + size]
            inside.fill_(_hopeless(vectors.dtype))
            row += n
            column += size
        starts = torch.arange(len(self.x), device=vectors.device) * len(vectors)  # (B,)
        _leave_out(kept, starts, rows.drawn_target)
        self.highest = self.x.new_empty(len(self.x), 1)  # (B, 1)
        sums = torch.empty_like(self.highest)  # (B, 1)
        _exponentials(self.exponentials, self.highest, sums)
        self.logsumexp = self.highest + sums.log()  # (B, 1)

    def add_gradients(self, log_scale: Tensor, x_grad: Tensor, drawn_grad: Tensor) -> None:
        """Add the gradient of exp(scores - log_scale) to (B, d); write that of (S, d)."""
        scale = (self.highest - log_scale).exp_()  # (B, 1)
        x_grad.addcmul_(scale, self.exponentials @ self.vectors)
        torch.mm(self.exponentials.T, scale * self.x, out=drawn_grad)


def _exponentials(scores: Tensor, highest: Tensor, sums: Tensor) -> None:
    """Replace scores (rows, n) by exp(score - highest); write highest and sums (rows, 1)."""
    torch.amax(scores, 1, keepdim=True, out=highest)
    scores.sub_(highest).exp_()
    torch.sum(scores, 1, keepdim=True, out=sums)


def _leave_out(scores: Tensor, starts: Tensor, columns: Tensor) -> None:
    """Make one score of each row hopeless; rows start at some places (B,); column -1 is none."""
    scores.index_fill_(0, (starts + columns)[columns >= 0], _hopeless(scores.dtype))


def _hopeless(dtype: torch.dtype) -> float:
    """A score that counts for nothing, but finite: it may be that of the only candidate."""
    return torch.finfo(dtype).min / 4
