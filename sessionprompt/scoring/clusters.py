"""The softmax loss over candidates of each row: a block that its cluster shares, and a sample.

A row b has the candidates of its own block, each with weight 1, and the drawn ones that are not in
the block, each with a weight of its own. With the target t, which counts once and fully, the loss
is ``logsumexp(s_bt, s_bi of the block, s_bj + log w_j of the drawn) - s_bt``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..kernels import candidate_loss, compiles, in_threads, parts, with_tensors
from .block_candidates import BlockCandidates, BlockRows
from .composed_clusters import composed

__all__ = ["cluster_cross_entropy"]


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
    rows = BlockRows.of(states, candidates)
    table_grad = torch.empty_like(table)  # (m + S + B, d)
    *vectors, right = table.split(candidates.lengths)
    *gradients, right_grad = table_grad.split(candidates.lengths)
    chosen = right.index_select(0, rows.order)  # (B, d)
    work = composed
    if compiles(states, table):
        work = _compiled
    loss, x_grad, chosen_grad = work(rows, vectors, chosen, candidates, gradients)
    right_grad.index_copy_(0, rows.order, chosen_grad)
    states_grad = torch.empty_like(x_grad).index_copy_(0, rows.order, x_grad)  # (B, d)
    return loss, states_grad, table_grad


def _compiled(
    rows: BlockRows,
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
    targets = rows.own_target, rows.drawn_target
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
