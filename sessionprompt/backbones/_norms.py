"""Batch normalisation of rows that stand for several."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CountedNorm", "NoNorm"]


class CountedNorm(nn.BatchNorm1d):
    """Batch normalisation in which a row counts as often as `copies` says.

    A single row has no spread of its own; it is normed by the running statistics.
    """

    def forward(self, x: Tensor, copies: Tensor | None) -> Tensor:  # type: ignore[override]
        """Normalised rows (n, d) of `x` (n, d); without `copies` (n,) every row counts once."""
        n = len(x)
        if copies is not None:
            n = int(copies.sum())
        if n < 2:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        if not self.training or copies is None:
            return super().forward(x)
        return self._norm_copies(x, copies, n)

    def _norm_copies(self, x: Tensor, copies: Tensor, n: int) -> Tensor:
        """Normalised rows by the statistics of all `n` copies, which the running ones follow."""
        shares = copies.to(x.dtype) / n  # (n,)
        result, mean, variance = _WeightedNorm.apply(
            x, shares, self.weight, self.bias, self.eps
        )  # (n, d), (d,), (d,)
        self.running_mean.lerp_(mean, self.momentum)  # type: ignore
        self.running_var.lerp_(variance * n / (n - 1), self.momentum)  # type: ignore
        self.num_batches_tracked += 1  # type: ignore
        return result


class _WeightedNorm(torch.autograd.Function):
    """Rows less their weighted mean, by their weighted deviation, scaled and shifted.

    Mean and variance are returned as well.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, shares: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean = shares @ x  # (d,)
        normed = x - mean  # (n, d)
        variance = shares @ normed.square()  # (d,)
        normed.mul_((variance + eps).rsqrt_())
        ctx.save_for_backward(normed, shares, weight, variance + eps)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(bias, normed, weight), mean, variance

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        normed, shares, weight, variance = ctx.saved_tensors
        to_bias = grad.sum(0)  # (d,)
        to_weight = torch.linalg.vecdot(grad, normed, dim=0)  # (d,)
        # what reaches x by the mean and the variance
        through = torch.addcmul(to_bias, normed, to_weight).mul_(shares.unsqueeze(1))  # (n, d)
        to_x = (grad - through).mul_(weight * variance.rsqrt())  # (n, d)
        return to_x, None, to_weight, to_bias, None


class NoNorm(nn.Identity):
    """Rows as they are, whatever their number."""

    def forward(self, x: Tensor, copies: Tensor | None) -> Tensor:  # type: ignore[override]
        """The rows `x` (n, d)."""
        return x
