"""Adam for tables of which a step touches a few rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["RowAdam"]


class RowAdam(torch.optim.Adam):
    """Adam that moves only the rows of a table that have a gradient, when the gradient is sparse.

    Moments of the other rows stay as they were, so a step costs nothing for them; bias is corrected
    by the number of steps of the table as a whole. Parameters with dense gradients are left to Adam
    itself.

    Parameters
    ----------
    params : iterable of Tensor or of dict
    **settings
        As of :class:`torch.optim.Adam`. Weight decay reaches the rows with a gradient.

    Examples
    --------
    >>> table = torch.nn.Parameter(torch.zeros(3, 2))
    >>> optimizer = RowAdam([table], lr=0.5)
    >>> torch.nn.functional.embedding(torch.tensor([1, 1]), table, sparse=True).sum().backward()
    >>> optimizer.step()
    >>> table.tolist()
    [[0.0, 0.0], [-0.5, -0.5], [0.0, 0.0]]
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step; `closure`, if given, computes the loss anew."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        sparse = [
            (p, group)
            for group in self.param_groups
            for p in group["params"]
            if _has_sparse_gradient(p)
        ]
        gradients = [parameter.grad for parameter, _ in sparse]
        for (parameter, group), gradient in zip(sparse, gradients, strict=True):
            self._move_rows(parameter, gradient.coalesce(), group)
            parameter.grad = None
        super().step()
        for (parameter, _), gradient in zip(sparse, gradients, strict=True):
            parameter.grad = gradient
        return loss

    def _move_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        rows, values = gradient.indices()[0], gradient.values()
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(
                (), dtype=torch.float32, device=parameter.device if group["fused"] else "cpu"
            )
            state["exp_avg"], state["exp_avg_sq"] = (
                torch.zeros_like(parameter),
                torch.zeros_like(parameter),
            )
        state["step"] += 1
        step, (beta1, beta2) = state["step"].item(), group["betas"]
        if group["weight_decay"]:
            values = values.add(parameter.index_select(0, rows), alpha=group["weight_decay"])
        mean = state["exp_avg"].index_select(0, rows).lerp_(values, 1 - beta1)
        square = (
            state["exp_avg_sq"]
            .index_select(0, rows)
            .mul_(beta2)
            .addcmul_(values, values, value=1 - beta2)
        )
        state["exp_avg"].index_copy_(0, rows, mean)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        scale = square.div_(1 - beta2**step).sqrt_().add_(group["eps"])
        parameter.index_add_(0, rows, mean.div_(scale), alpha=-group["lr"] / (1 - beta1**step))


def _has_sparse_gradient(parameter: Tensor) -> bool:
    return parameter.grad is not None and parameter.grad.is_sparse
