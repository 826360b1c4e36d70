"""Ridge regression of all items on all items, sparse from the first step on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import eigsh

from .per_row import largest_per_row

__all__ = ["sparse_ridge"]

BLOCK = 2**23  # entries of the answer that are held before pruning, at most
SMALL = 20  # items; up to here all eigenvalues are as quick as two


def sparse_ridge(
    gram: sparse.csr_array, moments: sparse.csr_array, n_largest: int, tol: float
) -> sparse.csr_array:
    """The B of ``gram @ B = moments``, with at most `n_largest` entries in each row.

    Chebyshev iteration, preconditioned by the diagonal: each sweep moves B along its residual and
    its last move, and keeps the largest entries. The number of sweeps follows from the eigenvalues.
    The ridges of sessions have a heavy diagonal, so it is small.

    Parameters
    ----------
    gram : csr_array of shape (n, n)
        Symmetric and positive definite.
    moments : csr_array of shape (n, n)
    n_largest : int
    tol : float
        Part of B, in the norm that the diagonal of `gram` weighs, that may be missing apart from
        what is pruned.

    Returns
    -------
    csr_array of shape (n, n)

    References
    ----------
    Saad, "Iterative methods for sparse linear systems", 2003, section 12.3.

    Examples
    --------
    >>> gram, moments = sparse.csr_array([[4.0, 1], [1, 4]]), sparse.csr_array([[9.0, 6], [6, 9]])
    >>> sparse_ridge(gram, moments, n_largest=2, tol=1e-6).toarray().round(3)
    array([[2., 1.],
           [1., 2.]], dtype=float32)
    """
    scale = gram.diagonal()
    low, high = _spectrum(gram, scale)
    before = sparse.csr_array(moments.shape)
    solution = before
    size = max(BLOCK // len(scale), 1)
    for step, momentum in _chebyshev(low, high, tol):
        parts = []
        for first in range(0, len(scale), size):
            rows = slice(first, first + size)
            residual = moments[rows] - gram[rows] @ solution
            move = momentum * (solution[rows] - before[rows])
            move = move + sparse.diags_array(step / scale[rows]) @ residual
            parts.append(largest_per_row((solution[rows] + move).tocsr(), n_largest))
        before = solution
        solution = sparse.vstack(parts, format="csr")
    return solution


def _chebyshev(low: float, high: float, tol: float) -> Iterator[tuple[float, float]]:
    """Weights of the residual and of the last move, for eigenvalues between `low` and `high`."""
    middle = (high + low) / 2
    half = (high - low) / 2
    step = 1 / middle
    ratio = half / middle
    yield step, 0.0
    if half == 0:  # then one sweep divides
        return
    n_sweeps = int(np.ceil(np.arccosh(1 / tol) / np.arccosh(middle / half)))
    for _ in range(n_sweeps - 1):
        step = 2 / (2 * middle - ratio * half)
        yield step, ratio * step * half / 2
        ratio = step * half / 2


def _spectrum(gram: sparse.csr_array, scale: np.ndarray) -> tuple[float, float]:
    """Least and greatest eigenvalue of the matrix scaled to a diagonal of 1."""
    root = sparse.diags_array(scale**-0.5)
    scaled = (root @ gram @ root).tocsr()
    if len(scale) <= SMALL:
        values = np.linalg.eigvalsh(scaled.toarray())
    else:
        start = np.random.default_rng(0).standard_normal(len(scale))
        values = eigsh(scaled, 2, which="BE", v0=start, tol=1e-4, return_eigenvectors=False)
    return float(values.min()), float(values.max())
