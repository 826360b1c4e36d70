"""Optimizers: Adam for tables of which a step touches a few rows."""

from __future__ import annotations

import math
from inspect import unwrap
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim.adam import adam

from ..kernels import compiles, step_rows, with_tensors

__all__ = ["RowAdam"]

STEP = unwrap(torch.optim.Adam.step)
"""Adam's step without the wrappers that import torch's compiler, in two seconds and 60 MB."""


class Settings(NamedTuple):
    """Numbers of a step of Adam: rate and root of the squares are corrected for their bias."""

    beta1: float
    beta2: float
    rate: float
    correction: float
    epsilon: float
    decay: float


class Table(NamedTuple):
    """Rows, each with the moments of its gradient, all (n, d)."""

    rows: Tensor
    mean: Tensor
    square: Tensor


class RowAdam(torch.optim.Adam):
    """Adam that moves only the rows of a table that have a gradient, when the gradient is sparse.

    Moments of the other rows stay as they were, so a step costs nothing for them; bias is corrected
    by the number of steps of the table as a whole. Parameters with dense gradients are left to Adam
    itself.

    Nothing of it calls torch's compiler, which torch's own optimizers import to keep out of it.

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

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    state_dict = unwrap(torch.optim.Adam.state_dict)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)

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
                gradients[parameter] = parameter.grad
                self._move_rows(parameter, parameter.grad, group)
                parameter.grad = None
        STEP(self)
        for parameter, gradient in gradients.items():
            parameter.grad = gradient
        return loss

    def _move_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Move the rows of a table (n, d) that have a gradient."""
        state = self._state_of(parameter, group)
        table = Table(parameter.detach(), state["exp_avg"], state["exp_avg_sq"])
        values = gradient._values()  # (r, d)
        if not compiles(*table, values):
            _step_rows(table, gradient.coalesce(), state["step"], group)
            return
        state["step"] += 1
        step = state["step"].item()
        beta1, beta2 = group["betas"]
        settings = Settings(
            beta1,
            beta2,
            group["lr"] / (1 - beta1**step),
            math.sqrt(1 - beta2**step),
            group["eps"],
            group["weight_decay"],
        )
        with_tensors(step_rows, *table, gradient._indices()[0], values, *settings)

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


def _step_rows(table: Table, gradient: Tensor, step: Tensor, group: dict[str, Any]) -> None:
    """Move the r rows that have a gradient by Adam itself, and count the step."""
    rows = gradient.indices()[0]  # (r,)
    x, mean, square = (part.index_select(0, rows) for part in table)  # (r, d)
    beta1, beta2 = group["betas"]
    adam(
        [x],
        [gradient.values()],
        [mean],
        [square],
        [],
        [step],
        fused=group["fused"],
        amsgrad=False,
        beta1=beta1,
        beta2=beta2,
        lr=group["lr"],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        maximize=False,
    )
    for part, moved in zip(table, (x, mean, square), strict=True):
        part.index_copy_(0, rows, moved)


def _has_sparse_gradient(parameter: Tensor) -> bool:
    """Whether a backward pass left a gradient of a few rows."""
    return parameter.grad is not None and parameter.grad.is_sparse
