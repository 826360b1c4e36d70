"""Cross-entropy of the softmax of an inner product, and its gradients, without keeping scores."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .._checks import check_choice
from ..kernels import multiplies_bfloat16, usable
from .compiled import compiled
from .tiles import Sweep, tiled

__all__ = ["PRECISIONS", "linear_cross_entropy", "rounds_factors", "uses_bfloat16"]

PRECISIONS = ("auto", "float32", "bfloat16")


def uses_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether the loss multiplies bfloat16 factors.

    It does if asked to, or by default where the processor has such products built in. There they
    halve the time of the loss; elsewhere they are emulated and slower than float32.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
    device : torch.device

    Raises
    ------
    ValueError
        If `precision` is not known.

    Examples
    --------
    >>> uses_bfloat16("float32", torch.device("cpu"))
    False
    """
    check_choice("precision", precision, PRECISIONS)
    if precision != "auto":
        return precision == "bfloat16"
    return multiplies_bfloat16(device)


def rounds_factors(precision: str, table: Tensor) -> bool:
    """Whether the loss rounds its factors to bfloat16; of all tables only those of float32."""
    return uses_bfloat16(precision, table.device) and table.dtype == torch.float32


def linear_cross_entropy(
    states: Tensor,
    table: Tensor,
    targets: Tensor,
    precision: str = "auto",
    log_weights: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy of ``softmax(states @ table.T)`` without keeping the scores.

    Parameters
    ----------
    states : Tensor of shape (B, d)
    table : Tensor of shape (N, d)
        Candidate embeddings.
    targets : LongTensor of shape (B,)
        The right candidate of each row.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the factors of float32 products: ``"auto"`` is bfloat16 where the processor has it built
        in; the gradients of bfloat16 differ by some thousandths. Other types of tables keep their
        own precision.
    log_weights : Tensor of shape (N,), optional
        Added to the score of each candidate where it is not the target, such as what corrects a
        sample of candidates.

    Returns
    -------
    Tensor
        A scalar, differentiable (once) in `states` and `table`.

    Raises
    ------
    ValueError
        If `precision` is not known.

    Examples
    --------
    >>> states, table = torch.eye(2), torch.eye(2)
    >>> round(linear_cross_entropy(states, table, torch.tensor([0, 1]), "float32").item(), 4)
    0.3133
    """
    bfloat16 = rounds_factors(precision, table)
    return _LinearCrossEntropy.apply(states.to(table.dtype), table, targets, log_weights, bfloat16)


class _LinearCrossEntropy(torch.autograd.Function):
    """Loss and both gradients at once.

    The target stays out of the sweeps. Its share p - 1 of the gradients is the sum of all others,
    and as such it is as exact as they are, also where p is close to 1.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        table: Tensor,
        targets: Tensor,
        log_weights: Tensor | None,
        bfloat16: bool,
    ) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):
            loss, *gradients = _loss_and_gradients(states, table, targets, log_weights, bfloat16)
        ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        states_grad, table_grad = ctx.saved_tensors
        # the usual case, and a sweep over the table saved
        if grad.device.type == "cpu" and grad.item() == 1:
            return states_grad, table_grad, None, None, None
        return grad * states_grad, grad * table_grad, None, None, None


def _loss_and_gradients(
    states: Tensor, table: Tensor, targets: Tensor, log_weights: Tensor | None, bfloat16: bool
) -> tuple[Tensor, Tensor, Tensor]:
    chosen = table[targets]  # (B, d)
    target_score = torch.linalg.vecdot(states, chosen).unsqueeze(1)  # (B, 1)
    swept = _sweep(states, table, targets, target_score, log_weights, bfloat16)
    rest_logsumexp, states_grad, table_grad = swept  # (B, 1), (B, d), (N, d)
    total = torch.logaddexp(rest_logsumexp, target_score)  # (B, 1)
    missing = (rest_logsumexp - total).exp_() / len(states)  # (B, 1), 1 - p in the mean
    states_grad.addcmul_(missing, chosen, value=-1)
    table_grad.index_add_(0, targets, missing * states, alpha=-1)
    return (total - target_score).mean(), states_grad, table_grad


def _sweep(
    states: Tensor,
    table: Tensor,
    targets: Tensor,
    target_score: Tensor,
    log_weights: Tensor | None,
    bfloat16: bool,
) -> Sweep:
    """The faster sweep of those that can compute with these numbers on this machine."""
    if bfloat16 and usable(table.device):
        return compiled(states, table, targets, target_score, log_weights)
    return tiled(states, table, targets, target_score, log_weights, bfloat16)
