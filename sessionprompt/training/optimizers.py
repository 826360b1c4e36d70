"""Optimizers: Adam for tables of which a step touches a few rows."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor

__all__ = ["RowAdam", "sum_of_rows"]

STEP = unwrap(torch.optim.Adam.step)
"""Adam's step without the wrappers that import torch's compiler, in two seconds and 60 MB."""


class RowAdam(torch.optim.Adam):
    """Adam that moves only the rows of a table that have a gradient, when the gradient is sparse.

    Moments of the other rows stay as they were, so a step costs nothing for them; bias is corrected
    by the number of steps of the table as a whole. Parameters with dense gradients are left to Adam
    itself.

    Nothing of it calls torch's compiler, which torch's own optimizers import to keep out of it.

    Parameters
    ----------
    params : iterable of Tensor or of dict
    whole : int, default=65536
        Tables of at most so many rows are moved as a whole, by Adam itself, which is quicker there
        than to pick rows.
    **settings
        As of :class:`torch.optim.Adam`. Weight decay reaches the rows with a gradient.

    Examples
    --------
    >>> table = torch.nn.Parameter(torch.zeros(3, 2))
    >>> optimizer = RowAdam([table], whole=0, lr=0.5)
    >>> torch.nn.functional.embedding(torch.tensor([1, 1]), table, sparse=True).sum().backward()
    >>> optimizer.step()
    >>> table.tolist()
    [[0.0, 0.0], [-0.5, -0.5], [0.0, 0.0]]
    """

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    state_dict = unwrap(torch.optim.Adam.state_dict)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)

    def __init__(self, params: Any, *, whole: int = 65_536, **settings: Any) -> None:
        super().__init__(params, **settings)
        self.whole = whole

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step; return the loss of `closure`, if given, which computes it anew."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients: dict[Tensor, Tensor] = {}  # set aside while Adam itself takes the others
        for group in self.param_groups:
            for parameter in filter(_has_sparse_gradient, group["params"]):
                if len(parameter) <= self.whole:
                    rows, values = parameter.grad._indices()[0], parameter.grad._values()
                    parameter.grad = sum_of_rows([rows], [values], len(parameter))
                    continue
                gradients[parameter] = parameter.grad
                self._move_rows(parameter, parameter.grad.coalesce(), group)
                parameter.grad = None
        STEP(self)
        for parameter, gradient in gradients.items():
            parameter.grad = gradient
        return loss

    def _move_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Move the r rows of a table (n, d) that have a gradient."""
        rows = gradient.indices()[0]  # (r,)
        values = gradient.values()  # (r, d)
        beta1, beta2 = group["betas"]
        state = self._state_of(parameter, group)
        state["step"] += 1
        step = state["step"].item()
        if group["weight_decay"]:
            old = parameter.index_select(0, rows)  # (r, d)
            values = values.add(old, alpha=group["weight_decay"])  # (r, d)
        mean = state["exp_avg"].index_select(0, rows)  # (r, d)
        mean.lerp_(values, 1 - beta1)
        square = state["exp_avg_sq"].index_select(0, rows)  # (r, d)
        square.mul_(beta2).addcmul_(values, values, value=1 - beta2)
        state["exp_avg"].index_copy_(0, rows, mean)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        scale = square.div_(1 - beta2**step).sqrt_().add_(group["eps"])  # (r, d)
        rate = group["lr"] / (1 - beta1**step)
        parameter.index_add_(0, rows, mean.div_(scale), alpha=-rate)

    def _state_of(self, parameter: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        """Count of steps and both moments, as Adam itself keeps them."""
        state = self.state[parameter]
        if not state:
            device = torch.device("cpu")
            if group["fused"]:
                device = parameter.device
            state["step"] = torch.zeros((), dtype=torch.float32, device=device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state


def sum_of_rows(rows: Sequence[Tensor], values: Sequence[Tensor], n: int) -> Tensor:
    """Sum (n, d) of values (r, d) that belong to some rows (r,) of it, always in one order."""
    shape = (n, *values[0].shape[1:])
    if values[0].is_cuda:  # where index_add_ has no order
        index = torch.cat(list(rows)).unsqueeze(0)  # (1, r)
        joint = torch.sparse_coo_tensor(
            index, torch.cat(list(values)), shape, check_invariants=False
        )
        return joint.coalesce().to_dense()
    total = values[0].new_zeros(shape)  # (n, d)
    for index, added in zip(rows, values, strict=True):
        total.index_add_(0, index, added)  # half the time of to_dense where rows occur twice
    return total


def _has_sparse_gradient(parameter: Tensor) -> bool:
    """Whether a backward pass left a gradient of a few rows."""
    return parameter.grad is not None and parameter.grad.is_sparse
