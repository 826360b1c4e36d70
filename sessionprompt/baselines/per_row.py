"""Some entries of each row of a sparse matrix."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .._arrays import ragged_range

__all__ = ["first_per_row", "largest_per_row"]

ONE = np.uint32(1)
HALF = np.uint64(32)  # bits of a value, half of a packed number


def first_per_row(matrix: sparse.csr_array, k: int) -> sparse.csr_array:
    """The first `k` entries of each row, in the order of columns.

    Examples
    --------
    >>> first_per_row(sparse.csr_array([[0.5, 0, 2, 0.5], [0, 0, 0, 3]]), 2).toarray()
    array([[0.5, 0. , 2. , 0. ],
           [0. , 0. , 0. , 3. ]])
    """
    lengths = np.diff(matrix.indptr)
    if (lengths <= k).all():
        return matrix
    matrix.sort_indices()
    n_kept = np.minimum(lengths, k)
    kept = ragged_range(matrix.indptr[:-1], n_kept)
    offsets = np.append(0, np.cumsum(n_kept))
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], offsets), shape=matrix.shape)


def largest_per_row(matrix: sparse.csr_array, k: int) -> sparse.csr_array:
    """The `k` entries of largest magnitude of each row, in single precision.

    Of equal magnitude, those below 0 come first, then those of lower columns.

    Examples
    --------
    >>> largest_per_row(sparse.csr_array([[0.5, 0, 2, 0.5], [0, -1, 0, 3]]), 2).toarray()
    array([[ 0.5,  0. ,  2. ,  0. ],
           [ 0. , -1. ,  0. ,  3. ]], dtype=float32)
    """
    # one sort of packed numbers: the row on top, then the value's bits, the column at the bottom
    n_rows, n_columns = matrix.shape
    width = np.uint64(max(n_columns - 1, 1).bit_length())  # bits of a column
    step = 2 ** (32 - int(width))  # rows whose numbers fit beside it
    if n_rows <= step:
        return _largest(matrix, k, width)
    parts = [_largest(matrix[first : first + step], k, width) for first in range(0, n_rows, step)]
    return sparse.vstack(parts, format="csr")


def _largest(matrix: sparse.csr_array, k: int, width: np.uint64) -> sparse.csr_array:
    counts = np.diff(matrix.indptr)
    row = np.repeat(np.arange(len(counts), dtype=np.uint64) << HALF, counts)
    bits = matrix.data.astype(np.float32).view(np.uint32)
    # the sign goes last, the largest comes first
    by_magnitude = ~(bits << ONE | bits >> np.uint32(31))
    key = (row | by_magnitude) << width | matrix.indices.astype(np.uint64)
    key.sort()
    n_kept = np.minimum(counts, k)
    key = key[ragged_range(matrix.indptr[:-1], n_kept)]
    column = key & ((np.uint64(1) << width) - np.uint64(1))
    bits = ~(key >> width).astype(np.uint32)
    value = (bits >> ONE | bits << np.uint32(31)).view(np.float32)
    offsets = np.append(0, np.cumsum(n_kept))
    return sparse.csr_array((value, column.astype(np.int64), offsets), shape=matrix.shape)
