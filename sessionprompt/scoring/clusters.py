"""The softmax loss over candidates of each row: a block that its cluster shares, and a sample.

A row b has the candidates of its own block, each with weight 1, and the drawn ones that are not in
the block, each with a weight of its own. With the target t, which counts once and fully, the loss
is ``logsumexp(s_bt, s_bi of the block, s_bj + log w_j of the drawn) - s_bt``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..kernels import candidate_loss, compiles, in_threads, parts, with_tensors
from .scratch import scratch

__all__ = ["BlockCandidates", "cluster_cross_entropy"]

WORTH_A_PRODUCT = 1024
"""Scores that are computed in vain at most, to have one product in place of two."""


@dataclass(frozen=True, eq=False)
class BlockCandidates:
    """Candidates of the rows of a batch.

    Attributes
    ----------
    own : LongTensor of shape (m,)
        Item codes of the candidates of all blocks, block by block.
    sizes : LongTensor of shape (C,)
        Candidates of each block.
    block : LongTensor of shape (B,)
        Block of each row; -1 for none.
    own_target : LongTensor of shape (B,)
        Which candidate of its block is a row's target; -1 where it is not among them.
    drawn : LongTensor of shape (S,)
        Item codes of the candidates that all rows share, each of them once: first those that no
        block holds already, then those that the first block holds, and so on.
    drawn_sizes : LongTensor of shape (C + 1,)
        How many of them there are of each.
    drawn_target : LongTensor of shape (B,)
        Which drawn candidate is a row's target; -1 where none is.
    log_weights : Tensor of shape (S,)
        Added to the scores of the drawn candidates.
    """

    own: Tensor
    sizes: Tensor
    block: Tensor
    own_target: Tensor
    drawn: Tensor
    drawn_sizes: Tensor
    drawn_target: Tensor
    log_weights: Tensor

    @property
    def lengths(self) -> list[int]:
        """Candidates of all blocks, drawn ones, and right ones."""
        return [len(self.own), len(self.drawn), len(self.block)]


def cluster_cross_entropy(states: Tensor, table: Tensor, candidates: BlockCandidates) -> Tensor:
    """Mean cross-entropy of the softmax over each row's own candidates.

    Parameters
    ----------
    states : Tensor of shape (B, d)
    table : Tensor of shape (m + S + B, d)
        Vectors of the candidates of all blocks, of the drawn ones, and of the right candidate of
        each row, which may stand among the others too.
    candidates : BlockCandidates

    Returns
    -------
    Tensor
        A scalar, differentiable (once) in `states` and `table`.
    """
    return _ClusterCrossEntropy.apply(states.to(table.dtype), table, candidates)


class _ClusterCrossEntropy(torch.autograd.Function):
    """Loss and both gradients at once; the target stays out of the sums, as in the full softmax."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, candidates: BlockCandidates) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):
            loss, *gradients = _loss_and_gradients(states, table, candidates)
        ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        states_grad, table_grad = ctx.saved_tensors
        # the usual case, and a sweep over the table saved
        if grad.device.type == "cpu" and grad.item() == 1:
            return states_grad, table_grad, None
        return grad * states_grad, grad * table_grad, None


def _loss_and_gradients(
    states: Tensor, table: Tensor, candidates: BlockCandidates
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, and gradients of states (B, d) and table, by the kernels or by torch's products."""
    rows = _Rows.of(states, candidates)
    table_grad = torch.empty_like(table)  # (m + S + B, d)
    *vectors, right = table.split(candidates.lengths)
    *gradients, right_grad = table_grad.split(candidates.lengths)
    chosen = right.index_select(0, rows.order)  # (B, d)
    work = _composed
    if compiles(states, table):
        work = _compiled
    loss, x_grad, chosen_grad = work(rows, vectors, chosen, candidates, gradients)
    right_grad.index_copy_(0, rows.order, chosen_grad)
    states_grad = torch.empty_like(x_grad).index_copy_(0, rows.order, x_grad)  # (B, d)
    return loss, states_grad, table_grad


def _compiled(
    rows: _Rows,
    vectors: list[Tensor],
    chosen: Tensor,
    candidates: BlockCandidates,
    gradients: list[Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss and gradients of x and of the chosen (B, d); threads share the blocks out.

    Vectors of the blocks (m, d) and of what is drawn (S, d) have theirs written to `gradients`.
    """
    own_grad, drawn_grad = gradients
    log_weights = candidates.log_weights.to(chosen.dtype)  # (S,)
    sizes = torch.tensor(rows.n_rows), candidates.sizes, candidates.drawn_sizes
    targets = candidates.own_target[rows.order], candidates.drawn_target[rows.order]
    losses = chosen.new_empty(len(chosen))  # (B,)
    x_grad = torch.empty_like(rows.x)  # (B, d)
    chosen_grad = torch.empty_like(chosen)  # (B, d)
    results = losses, x_grad, chosen_grad, own_grad
    given = rows.x, *vectors, chosen, log_weights, *sizes, *targets, *results

    def work(blocks: slice) -> Tensor:
        to_drawn = torch.zeros_like(drawn_grad)  # (S, d)
        with_tensors(candidate_loss, *given, to_drawn, blocks.start, blocks.stop)
        return to_drawn

    shares = in_threads(work, parts(len(rows.n_rows), 1))
    torch.sum(torch.stack(shares), dim=0, out=drawn_grad)
    return losses.mean(), x_grad, chosen_grad


def _composed(
    rows: _Rows,
    vectors: list[Tensor],
    chosen: Tensor,
    candidates: BlockCandidates,
    gradients: list[Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """The same by torch's products."""
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


class _Rows(NamedTuple):
    """Rows in the order of their blocks, those without a block first."""

    order: Tensor  # (B,)
    x: Tensor  # (B, d), their states
    block: Tensor  # (B,)
    n_rows: list[int]  # without a block, and of each block

    @classmethod
    def of(cls, states: Tensor, candidates: BlockCandidates) -> _Rows:
        order = torch.argsort(candidates.block, stable=True)  # (B,)
        block = candidates.block[order]  # (B,)
        n_rows = torch.bincount(block + 1, minlength=len(candidates.sizes) + 1)  # (C + 1,)
        return cls(order, states[order], block, n_rows.tolist())


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

    def __init__(self, rows: _Rows, vectors: Tensor, candidates: BlockCandidates) -> None:
        without, *with_block = rows.n_rows
        spans = _spans(with_block, candidates.sizes.tolist())
        self.x = rows.x
        self.n_rows = [without, *(span.n_rows for span in spans)]
        self.n_columns = [0, *(span.n_columns for span in spans)]
        self.vectors = self._columns(vectors)
        n_scores = [span.n_rows * span.n_columns for span in spans]
        kept = scratch("own exponentials", 0, sum(n_scores), vectors.dtype, vectors.device)
        parts = zip(kept.split(n_scores), spans, strict=True)
        self.exponentials = [part.view(span.n_rows, span.n_columns) for part, span in parts]
        hopeless = _hopeless(vectors.dtype)
        blocks = torch.arange(len(candidates.sizes), device=vectors.device)  # (C,)
        block = torch.repeat_interleave(blocks, candidates.sizes, output_size=len(vectors))  # (m,)
        factors = zip(self._rows(self.x), self.vectors, strict=True)
        owners = zip(self._rows(rows.block.unsqueeze(1)), self._columns(block), strict=True)
        for span, scores, (some, columns), (mine, theirs) in zip(
            spans, self.exponentials, factors, owners, strict=True
        ):
            torch.mm(some, columns.T, out=scores)
            if span.n_blocks > 1:
                scores.masked_fill_(mine != theirs, hopeless)
        _leave_out(kept, *self._targets(rows, candidates))
        self.highest = self.x.new_full((len(self.x), 1), hopeless)  # (B, 1)
        sums = torch.zeros_like(self.highest)  # (B, 1)
        results = self._rows(self.highest), self._rows(sums)
        for scores, *some in zip(self.exponentials, *results, strict=True):
            _exponentials(scores, *some)
        self.logsumexp = self.highest + sums.log()  # (B, 1)

    def _rows(self, x: Tensor) -> tuple[Tensor, ...]:
        """Rows of (B, ...) of each span."""
        return x.split(self.n_rows)[1:]

    def _columns(self, table: Tensor) -> tuple[Tensor, ...]:
        """Candidates of (m, ...) of each span."""
        return table.split(self.n_columns)[1:]

    def _targets(self, rows: _Rows, candidates: BlockCandidates) -> tuple[Tensor, Tensor]:
        """Where the scores of each row start, (B,), and which of them is the target's, or -1."""
        device = rows.block.device
        n_rows = torch.tensor(self.n_rows, device=device)  # (spans + 1,)
        n_columns = torch.tensor(self.n_columns, device=device)  # (spans + 1,)
        width = torch.repeat_interleave(n_columns, n_rows)  # (B,)
        before = torch.repeat_interleave(n_columns.cumsum(0) - n_columns, n_rows)  # (B,)
        own_target = candidates.own_target[rows.order]  # (B,)
        first = F.pad(candidates.sizes.cumsum(0), (1, 0))  # (C + 1,)
        column = first[rows.block] - before + own_target  # (B,)
        return width.cumsum(0) - width, column.masked_fill(own_target < 0, -1)

    def add_gradients(self, log_scale: Tensor, x_grad: Tensor, own_grad: Tensor) -> None:
        """Add the gradient of exp(scores - log_scale) to (B, d); write that of (m, d)."""
        scale = (self.highest - log_scale).exp_()  # (B, 1)
        products = torch.zeros_like(x_grad)  # (B, d)
        parts = self._rows(products), self.vectors, self._columns(own_grad)
        scaled = self._rows(scale * self.x)
        for exponentials, product, columns, grad, some in zip(
            self.exponentials, *parts, scaled, strict=True
        ):
            torch.mm(exponentials, columns, out=product)
            torch.mm(exponentials.T, some, out=grad)
        x_grad.addcmul_(scale, products)


class _Drawn:
    """Exponentials of all rows against the candidates that they share."""

    def __init__(self, rows: _Rows, vectors: Tensor, candidates: BlockCandidates) -> None:
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
        _leave_out(kept, starts, candidates.drawn_target[rows.order])
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
