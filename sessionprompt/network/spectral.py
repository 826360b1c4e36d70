"""Leading eigenvectors of a large sparse matrix, in the memory of the vectors themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["leading_vectors", "scaled_graph"]

MORE = 10  # directions beside those that are asked for, as Halko et al. advise
PRODUCTS = 9  # with the matrix; those of `randomized_svd` with its n_iter=4
ROWS = 4096  # at a time
COLUMNS = 20  # at a time: half of the time of 10 on Diginetica, and that of all
LEAST = 1e-12  # of the largest square of a length: less is rounding, in single precision


def scaled_graph(graph: sparse.csr_array) -> tuple[sparse.csr_array, NDArray[np.float64]]:
    """The matrix (D + m)^-1/2 A (D + m)^-1/2 in single precision, and the degrees D.

    Parameters
    ----------
    graph : csr_array of shape (n, n)
        The counts A; m is the mean of their sums by rows.

    Returns
    -------
    walk : csr_array of shape (n, n), float32
        It shares its structure with `graph`.
    degrees : ndarray of shape (n,), float64
    """
    degrees = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    roots = (1 / np.sqrt(degrees + max(degrees.mean(), 1e-12))).astype(np.float32)  # (n,)
    values = graph.data.astype(np.float32)
    values *= np.repeat(roots, np.diff(graph.indptr))
    values *= roots[graph.indices]
    return sparse.csr_array((values, graph.indices, graph.indptr), shape=graph.shape), degrees


def leading_vectors(walk: sparse.csr_array, rank: int, seed: int) -> NDArray[np.float32]:
    """Leading eigenvectors of I + S, each times the root of its eigenvalue.

    A random subspace is multiplied by the matrix again and again, some columns at a time in place,
    and made orthonormal by its products of columns in double precision, so nothing as large as the
    vectors exists beside them. The numbers are those of scikit-learn's ``randomized_svd`` with
    ``n_iter=4``, rounded to single precision.

    Parameters
    ----------
    walk : csr_array of shape (n, n), float32
        S: symmetric, with eigenvalues above -1.
    rank : int
        At most n.
    seed : int

    Returns
    -------
    ndarray of shape (n, rank), float32

    References
    ----------
    Halko, Martinsson and Tropp, "Finding structure with randomness: probabilistic algorithms for
    constructing approximate matrix decompositions", SIAM Review 53, 2011.
    """
    basis = _random_basis(walk.shape[0], rank, seed)  # (n, size)
    for _ in range(PRODUCTS):
        for columns in _slices(basis.shape[1], COLUMNS):
            basis[:, columns] = _product(walk, basis[:, columns])
        _orthonormalize(basis)
    _orthonormalize(basis)  # what rounding has left
    squares, directions = np.linalg.eigh(_squares(walk, basis))  # (size,), (size, size)
    roots = np.maximum(squares[::-1][:rank], 0) ** 0.25  # (rank,)
    _turn(basis, directions[:, ::-1][:, :rank] * roots)
    vectors = basis[:, :rank]  # (n, rank)
    vectors *= np.where(vectors.max(axis=0) >= -vectors.min(axis=0), 1, -1).astype(np.float32)
    return vectors


def _random_basis(n: int, rank: int, seed: int) -> NDArray[np.float32]:
    """Normal numbers, some more columns than `rank`."""
    rng = np.random.RandomState(seed)
    basis = np.empty((n, min(rank + MORE, n)), dtype=np.float32)  # (n, size)
    for rows in _slices(n, ROWS):
        basis[rows] = rng.normal(size=basis[rows].shape)
    return basis


def _squares(walk: sparse.csr_array, basis: NDArray[np.float32]) -> NDArray[np.float64]:
    """Square of I + S between the vectors of an orthonormal basis."""
    size = basis.shape[1]
    squares = np.empty((size, size))
    for columns in _slices(size, COLUMNS):
        once = _product(walk, basis[:, columns])  # (n, COLUMNS)
        squares[:, columns] = basis.T @ _product(walk, once)
    return (squares + squares.T) / 2


def _product(walk: sparse.csr_array, columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Product of I + S and some columns (n, c)."""
    product = walk @ columns  # (n, c)
    product += columns
    return product


def _orthonormalize(basis: NDArray[np.float32]) -> None:
    """Make the columns of a basis (n, size) orthonormal, in place."""
    size = basis.shape[1]
    products = np.zeros((size, size))
    for rows in _slices(len(basis), ROWS):
        part = basis[rows].astype(np.float64)  # (ROWS, size)
        products += part.T @ part
    squares, directions = np.linalg.eigh(products)  # (size,), (size, size)
    _turn(basis, directions / np.sqrt(np.maximum(squares, LEAST * squares[-1])))


def _turn(basis: NDArray[np.float32], directions: NDArray[np.float64]) -> None:
    """Put combinations (size, k) of the columns of a basis in place of its first k columns."""
    turned = directions.astype(np.float32)
    for rows in _slices(len(basis), ROWS):
        basis[rows, : turned.shape[1]] = basis[rows] @ turned


def _slices(n: int, step: int) -> Iterator[slice]:
    """Slices that take n apart."""
    for start in range(0, n, step):
        yield slice(start, start + step)
