"""Ridge regression of all items on all items, with an answer that is sparse from the first step on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from ._rows import largest_per_row

__all__ = ["sparse_ridge"]

BLOCK = 2**23  # entries of the answer that are held before pruning, at most


def sparse_ridge(
    gram: sparse.csr_array, moments: sparse.csr_array, n_largest: int, tol: float
) -> sparse.csr_array:
    """Solve ``gram @ B = moments`` for a B with at most `n_largest` entries in each row.

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
    before = solution = sparse.csr_array(moments.shape)
    size = max(BLOCK // len(scale), 1)
    for step, momentum in _chebyshev(*_spectrum(gram, scale), tol):
        parts = []
        for first in range(0, len(scale), size):
            rows = slice(first, first + size)
            residual = moments[rows] - gram[rows] @ solution
            move = (
                momentum * (solution[rows] - before[rows])
                + sparse.diags_array(step / scale[rows]) @ residual
            )
            parts.append(largest_per_row((solution[rows] + move).tocsr(), n_largest))
        before, solution = solution, sparse.vstack(parts, format="csr")
    return solution


def _chebyshev(low: float, high: float, tol: float) -> Iterator[tuple[float, float]]:
    """Yield the weights of the residual and of the last move, for eigenvalues between `low` and `high`."""
    middle, half = (high + low) / 2, (high - low) / 2
    sweeps = np.ceil(np.arccosh(1 / tol) / np.arccosh(middle / half)) if half else 1
    step, ratio = 1 / middle, half / middle
    yield step, 0.0
    for _ in range(int(sweeps) - 1):
        step = 2 / (2 * middle - ratio * half)
        yield step, ratio * step * half / 2
        ratio = step * half / 2


def _spectrum(gram: sparse.csr_array, scale: np.ndarray, steps: int = 30) -> tuple[float, float]:
    """Least and greatest eigenvalue, nearly, of the matrix scaled to a diagonal of 1 (Lanczos)."""
    root = sparse.diags_array(scale**-0.5)
    scaled = (root @ gram @ root).tocsr()
    vector = np.random.default_rng(0).standard_normal(len(scale))
    basis = np.empty((0, len(scale)))
    while len(basis) < steps and np.linalg.norm(vector) > 1e-9:
        basis = np.vstack([basis, vector / np.linalg.norm(vector)])
        vector = scaled @ basis[-1]
        for _ in range(2):  # twice is enough against rounding
            vector -= basis.T @ (basis @ vector)
    values = np.linalg.eigvalsh(basis @ (scaled @ basis.T))
    return float(values[0]), float(values[-1])
