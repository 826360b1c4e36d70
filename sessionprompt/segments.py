"""Sums, means and softmaxes over runs of rows (torch): the arithmetic of ragged batches."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["segment_softmax", "segment_sum"]


def segment_sum(values: Tensor, segments: Tensor, n_segments: int) -> Tensor:
    """Add the rows of `values` that share a segment.

    Parameters
    ----------
    values : Tensor of shape (n, ...)
    segments : LongTensor of shape (n,)
        Segment of each row, in ``0 .. n_segments - 1``, in any order.
    n_segments : int

    Returns
    -------
    Tensor of shape (n_segments, ...)
        Zero where a segment has no rows.

    Examples
    --------
    >>> segment_sum(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 2, 2]), 3)
    tensor([1., 0., 6.])
    """
    return values.new_zeros((n_segments, *values.shape[1:])).index_add(0, segments, values)


def segment_softmax(logits: Tensor, segments: Tensor, n_segments: int) -> Tensor:
    """Softmax of a flat vector of logits inside each segment.

    Parameters
    ----------
    logits : Tensor of shape (n,) or (n, heads)
    segments : LongTensor of shape (n,)
    n_segments : int

    Returns
    -------
    Tensor of the shape of `logits`
        Sums to one over each segment that has rows.

    Examples
    --------
    >>> segment_softmax(torch.zeros(3), torch.tensor([0, 1, 1]), 2)
    tensor([1.0000, 0.5000, 0.5000])
    """
    index = segments if logits.dim() == 1 else segments[:, None].expand_as(logits)
    highest = logits.new_full((n_segments, *logits.shape[1:]), -torch.inf)
    highest = highest.scatter_reduce(0, index, logits.detach(), "amax")
    weights = (logits - highest[segments]).exp()
    return weights / segment_sum(weights, segments, n_segments)[segments]
